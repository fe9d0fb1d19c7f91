"""The checkpoints of a world, newest first: rows are made as they come into view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView

from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.tests_page import tests_of
from miyabi_tui.widgets.words import age, dollars
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.state import Checkpoint, WorldState
    from miyabi_tui.engine.worlds import WorldId

BROAD = 60
AGE = 6
MOST_TESTS = 20


class CheckpointList(ScrollView):
    """Shows checkpoints, one of them selected; what keys mean is the screen's affair."""

    ALLOW_SELECT = False
    GROUND = "surface"

    class Picked(Message):
        """A row was clicked."""

        def __init__(self, listing: CheckpointList) -> None:
            super().__init__()
            self.listing = listing

        @property
        def control(self) -> CheckpointList:
            """The list."""
            return self.listing

    def __init__(self, world: WorldId) -> None:
        super().__init__(can_focus=False)
        self._world = world
        self._checkpoints: Sequence[Checkpoint] = ()
        self._known = True
        self._now = 0.0
        self._index = 0
        self._widest = (0, 0, 0)

    @property
    def ink(self) -> Inks:
        """The inks of the list in the present theme."""
        return inks(self, self.GROUND, self._world)

    @property
    def selected(self) -> Checkpoint | None:
        """The checkpoint that the person means."""
        return self._checkpoints[self._index] if self._checkpoints else None

    @property
    def is_newest(self) -> bool:
        """Whether that is the newest."""
        return self._index == 0

    def show(self, world: WorldState, now: float) -> None:
        """Show these checkpoints; the selection stays on its own, or goes to the newest."""
        self._now, self._known = now, world.price_known
        if self._checkpoints[::-1] != world.checkpoints:
            chosen = self.selected
            self._checkpoints = world.checkpoints[::-1]
            there = chosen in self._checkpoints
            self._index = self._checkpoints.index(chosen) if chosen and there else 0
            self._widest = self._measure()
            self.virtual_size = Size(1, len(self._checkpoints))
            self.call_after_refresh(self._reveal)
        self.refresh()

    def _measure(self) -> tuple[int, int, int]:
        tests = max((cells(tests_of(one, False)[0]) for one in self._checkpoints), default=0)
        short = max((cells(tests_of(one, True)[0]) for one in self._checkpoints), default=0)
        cost = max((cells(self._cost(one)) for one in self._checkpoints), default=0)
        return min(tests, MOST_TESTS), min(short, MOST_TESTS // 2), cost

    def _cost(self, checkpoint: Checkpoint) -> str:
        return dollars(checkpoint.cost_usd, self._known)

    # --- moving ----------------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Select so many rows further down, which is longer ago."""
        self.select(self._index + rows)

    def select(self, index: int) -> None:
        """Select the row with this number, or the nearest there is."""
        self._index = max(0, min(index, len(self._checkpoints) - 1))
        self._reveal()
        self.refresh()

    def select_step(self, step: int) -> None:
        """Select the checkpoint after this step, or the last one before it."""
        older = (n for n, one in enumerate(self._checkpoints) if one.step <= step)
        self.select(next(older, len(self._checkpoints) - 1))

    def select_end(self) -> None:
        """Select the oldest."""
        self.select(len(self._checkpoints) - 1)

    def _reveal(self) -> None:
        self.scroll_to_region(Region(0, self._index, 1, 1), animate=False, x_axis=False)

    def on_click(self, event: events.Click) -> None:
        """A click selects."""
        event.stop()
        index = self.scroll_offset.y + event.y
        if index < len(self._checkpoints):
            self.select(index)
            self.post_message(self.Picked(self))

    # --- painting --------------------------------------------------------------------------------

    def header(self, width: int, ink: Inks) -> Strip:
        """The names of the columns, for a list of the same width."""
        return self._row(
            ("step", "faint"),
            ("ago", "faint"),
            ("what was done", "faint"),
            ("tests", "faint"),
            ("cost", "faint"),
            width=width,
            ink=ink,
            fill="text",
        )

    def render_line(self, y: int) -> Strip:
        """One checkpoint."""
        index = self.scroll_offset.y + y
        width = self.size.width
        if index >= len(self._checkpoints):
            return strip_of((), width, self.ink)
        one = self._checkpoints[index]
        tests, tests_ink = tests_of(one, width < BROAD)
        step = str(one.step) if one.step else "base"
        texts = (step, age(self._now - one.at), one_line(one.doing), tests, self._cost(one))
        chosen = index == self._index
        names = ("strong", "faint", "text" if one.step else "dim", tests_ink, "dim")
        made = [(text, "band" if chosen else ink) for text, ink in zip(texts, names, strict=True)]
        return self._row(*made, width=width, ink=self.ink, fill="band" if chosen else "text")

    def _row(
        self,
        step: Span,
        ago: Span,
        doing: Span,
        tests: Span,
        cost: Span,
        *,
        width: int,
        ink: Inks,
        fill: str,
    ) -> Strip:
        broad = width >= BROAD
        most_tests, most_short, most_cost = self._widest
        room_tests = most_tests if broad else most_short
        right = [(tests, max(room_tests, len("tests")) if room_tests else 0)]
        if broad:
            right.append((cost, most_cost))
        columns = [(step, len("step")), (ago, AGE)]
        spans: list[Span] = [(" ", fill)]
        left = width - 2
        for (text, name), size in columns:
            spans += [(f"{fit(text, size):>{size}}", name), ("  ", fill)]
            left -= size + 2
        left -= sum(size + 2 for _, size in right if size)
        text = fit(doing[0], left)
        spans += [(text, doing[1]), (" " * (left - cells(text)), fill)]
        for (text, name), size in right:
            if size:
                text = fit(text, size)
                spans += [("  ", fill), (" " * (size - cells(text)), fill), (text, name)]
        return strip_of(spans, width, ink, fill)


class CheckpointHead(ReadyRows):
    """The names of the columns over a list."""

    GROUND = "panel"

    def __init__(self, listing: CheckpointList) -> None:
        super().__init__()
        self._listing = listing

    def make(self, width: int, height: int) -> list[Strip]:
        """One row."""
        return [self._listing.header(self._listing.size.width or width, self.ink)]
