"""The head of a pane: who the world is, how it stands and what it does; and the pane's edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.widgets.rows import ReadyRows, Span, row, strip_of
from miyabi_tui.widgets.words import (
    PaneView,
    dollars,
    gauge,
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
COLLAPSED = 3
NAME_COLUMN = 13
SIGN_COLUMN = 12


def head_height(width: int) -> int:
    """How many rows the head of an open pane takes."""
    return 2 if width >= WIDE else 3


class PaneEdge(ReadyRows):
    """The bar on the left in the world's colour: heavy in the focused pane."""

    GROUND = "background"
    view: PaneView | None = None

    def make(self, width: int, height: int) -> list[Strip]:
        """One bar, from top to bottom."""
        focused = self.view is not None and self.view.focused
        bar = ("▌", "world") if focused else ("▎", "faded")
        return [strip_of((bar,), width, self.ink)] * height


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
            return self._collapsed(view, width)
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
        gap = " " * (NAME_COLUMN - _length(name))
        text, ink = self._sign(view)
        return [
            *name,
            (gap, "text"),
            (text + " " * (SIGN_COLUMN - cells(text)), ink),
            *self._step(view),
        ]

    def _wide(self, view: PaneView, width: int) -> list[Strip]:
        left = self._column(view)
        right = [(model(view.world), "text"), (f"  {sampling(view.world)}", "dim")]
        said = why(view)
        return [
            row(width, left, right, self.ink, keep=_length(left), margin=0),
            row(width, [said], [], self.ink),
        ]

    def _narrow(self, view: PaneView, width: int) -> list[Strip]:
        world = view.world
        step = f"step {world.step}  " if world.step and not world.ended and not news(view) else ""
        said = why(view)
        return [
            row(width, self._who(view), [self._sign(view)], self.ink, keep=3, margin=0),
            row(
                width,
                [(model(world, short=True), "text")],
                [(sampling(world), "dim")],
                self.ink,
                keep=10,
            ),
            row(width, [(step, "faint"), said], [], self.ink),
        ]

    def _collapsed(self, view: PaneView, width: int) -> list[Strip]:
        world, wide = view.world, width >= WIDE
        cpu, memory = gauge(world)
        left = self._column(view)
        spent = [(dollars(world.cost_usd, world.price_known), "text")]
        measured = changed(view)
        if wide:
            name = (f"{model(world, short=True)}  ", "faint")
            spent = [name, (f"{usage(world)} tok  ", "dim"), *spent]
            if not world.ended:
                measured = [(f"cpu {cpu}  {memory}  ", "faint"), *measured]
        else:
            left = left[:-1] if world.step else left
        said = [*_parts(view), why(view)] if wide else [why(view)]
        return [
            row(width, left, spent, self.ink, keep=_length(left), margin=0),
            row(width, said, measured, self.ink, keep=width // 2, margin=3),
        ]


def _length(spans: list[Span]) -> int:
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
