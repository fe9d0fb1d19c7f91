"""The head of a pane: who the world is, how it stands and what it does; and the pane's edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.widgets.asking import fitting, spent
from miyabi_tui.widgets.badge import mark, tail
from miyabi_tui.widgets.rows import ReadyRows, Span, row, strip_of
from miyabi_tui.widgets.use import in_short, pressing
from miyabi_tui.widgets.words import (
    ANSWERS,
    PaneView,
    model,
    news,
    points,
    sampling,
    sign,
    usage,
    why,
)
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from textual.strip import Strip

WIDE = 64
TIGHT = 50
COLLAPSED = 3
NAME_COLUMN = 13
SIGN_COLUMN = 12
NAME_LEAST = 17


def head_height(width: int) -> int:
    """How many rows the head of an open pane takes."""
    return 2 if width >= WIDE else 3


class PaneEdge(ReadyRows):
    """The bar on the left in the world's colour: heavy in the focused pane; ? where it asks."""

    GROUND = "background"
    view: PaneView | None = None

    def make(self, width: int, height: int) -> list[Strip]:
        """One bar, from top to bottom."""
        view = self.view
        symbol, ink = ("▌", "world") if view is not None and view.focused else ("▎", "faded")
        bar = strip_of(
            ((symbol, "warn" if view is not None and view.asks else ink),), width, self.ink
        )
        if view is None or view.asked is None:
            return [bar] * height
        return [strip_of((("?", "alarm"),), width, self.ink), *[bar] * (height - 1)]


class PaneHead(ReadyRows):
    """Two or three rows; in a collapsed pane, all there is."""

    view: PaneView | None = None
    collapsed = False

    def collapse(self, collapsed: bool) -> None:
        """Be the whole of a collapsed pane, or the head of an open one."""
        if collapsed is not self.collapsed:
            self.collapsed = collapsed
            self.forget()

    def make(self, width: int, height: int) -> list[Strip]:
        """The rows for this width; a collapsed pane takes one or two."""
        view = self.view
        if view is None:
            return []
        if self.collapsed:
            return self._collapsed(view, width, height)
        if width >= WIDE:
            return self._wide(view, width)
        return self._narrow(view, width)

    def _who(self, view: PaneView) -> list[Span]:
        world = view.world
        name = f"{world.id.key} {world.id}"
        return [(f" {name} ", "band")] if view.focused else [(f" {name} ", "name")]

    def _sign(self, view: PaneView) -> Span:
        shown = sign(view)
        return str(shown), shown.ink

    def _step(self, view: PaneView) -> list[Span]:
        return [(f" step {view.world.step}", "dim")] if view.world.step else []

    def _column(self, view: PaneView) -> list[Span]:
        """Name, state and step, each at the same place in every pane of a stack."""
        name = self._who(view)
        gap = " " * (NAME_COLUMN - length(name))
        text, ink = self._sign(view)
        return [
            *name,
            (gap, "text"),
            (text + " " * (SIGN_COLUMN - cells(text)), ink),
            *self._step(view),
        ]

    def _why(self, view: PaneView, room: int) -> Span:
        text, ink = why(view, room)
        return (fitting(text, room) if view.world.waiting and not view.asks else text), ink

    def _wide(self, view: PaneView, width: int) -> list[Strip]:
        left = self._column(view)
        right = [(model(view.world), "text"), (f"  {sampling(view.world)}", "dim")]
        apart = tail(view, width // 2, wide=True)
        said = self._why(view, width - 2 - length(apart))
        return [
            row(width, left, right, self.ink, keep=length(left), margin=0),
            row(width, [said], apart, self.ink, keep=1),
        ]

    def _narrow(self, view: PaneView, width: int) -> list[Strip]:
        world = view.world
        said = self._why(view, width - 2)
        step = f"step {world.step}  " if world.step and not world.ended and not news(view) else ""
        if view.asks or (world.waiting and cells(step + said[0]) > width - 2):
            step = ""
        if view.asked is not None and view.asks:
            said = (f"{view.asked.when} · {ANSWERS}", "warn")
        return [
            row(width, self._who(view), [self._sign(view)], self.ink, keep=3, margin=0),
            self._second(view, width),
            row(width, [(step, "faint"), said], [], self.ink),
        ]

    def _second(self, view: PaneView, width: int) -> Strip:
        """The model, or what is asked; what keeps the world apart stays in any case."""
        world, room = view.world, width - 2
        if view.asked is not None and view.asks:
            apart = tail(view, 0, wide=False)
            title, short = view.asked.title, view.asked.short
            fits = cells(title) + 1 + length(apart) <= room
            shown = title if fits or not short else short
            return row(width, [(shown, "text")], apart, self.ink, keep=1)
        name = model(world, short=True)
        least = min(cells(name), NAME_LEAST)
        apart = tail(view, room - least - 1, wide=False)
        sent = [(sampling(world), "dim")]
        if least + 1 + length([*sent, *apart]) > room:
            sent = []
        return row(width, [(name, "text")], [*sent, *apart], self.ink, keep=1)

    def _collapsed(self, view: PaneView, width: int, height: int) -> list[Strip]:
        world, wide = view.world, width >= WIDE
        left = self._column(view)
        apart = tail(view, width // 3, wide)
        said_why = self._why(view, width - 4 - length(apart))
        cost = [(spent(world), "text")]
        measured = [changed(view)] if wide or said_why[1] != "warn" else []
        if wide:
            name = (f"{model(world, short=True)}  ", "faint")
            cost = [name, (f"{usage(world)} tok  ", "dim"), *cost]
            if not world.ended and not view.asks:
                short = pressing(view)
                rest = [("  ", "text"), *measured[0]]
                measured = [[*in_short(view), *rest], [*short, *rest], short or measured[0]]
        else:
            left = left[:-1] if world.step else left
        if height == 1:
            return [self._strip(view, width, left, cost)]
        said = [*_parts(view), said_why] if wide else [said_why]
        matters = view.asks or said_why[1] == "bad"
        least = length(said) if matters else min(length(said), width // 2)
        room = width - 5 - least - length(apart)
        shown = next((one for one in measured if length(one) <= room), [])
        return [
            row(width, left, cost, self.ink, keep=length(left), margin=0),
            row(width, said, [*shown, *apart], self.ink, keep=1, margin=3),
        ]

    def _strip(self, view: PaneView, width: int, left: list[Span], cost: list[Span]) -> Strip:
        """All in one row: why it waits goes before what it costs."""
        world, alert = view.world, mark(view)
        if view.asks or (world.waiting and not world.ended):
            named = left[:3]
            if width < TIGHT:  # no columns: what is asked needs the room
                text, ink = self._sign(view)
                named = [left[0], (f"{text.strip()} ", ink)]
            room = width - 2 - length(named) - length(alert)
            short = [*named, self._why(view, room)]
            right = [*cost, *alert]
            keep = min(length(short), width - 3 - length(alert))
            return row(width, short, right, self.ink, keep=keep, margin=0)
        apart = tail(view, 0, wide=False)
        fits = length([*left, *cost, *apart]) + 2 <= width
        right = [*cost, *(apart if fits else alert)]
        return row(width, left, right, self.ink, keep=length(left), margin=0)


def length(spans: list[Span]) -> int:
    """The cells of all spans."""
    return sum(cells(text) for text, _ in spans)


def changed(view: PaneView) -> list[Span]:
    """The size of the world's change."""
    world = view.world
    if not world.changed_lines:
        return [("no change", "faint")]
    return [(f"+{world.lines_added}", "added"), (f" −{world.lines_deleted}", "deleted")]


def _parts(view: PaneView) -> list[Span]:
    score = view.world.score
    if score is None:
        return []
    named = (
        ("B", score.build),
        ("T", score.tests),
        ("L", score.lint),
        ("Q", score.quality),
        ("S", score.security),
    )
    spans: list[Span] = []
    for name, value in named:
        spans += [(f"{name} ", "faint"), (f"{points(value)}  ", "dim")]
    return [*spans, ("= ", "faint"), (f"{points(score.total)}  ", "strong")]
