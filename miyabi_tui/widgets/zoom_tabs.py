"""The tabs of a zoomed world in one row: names, a figure each where there is room."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from textual.message import Message

from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.tests_page import passed
from miyabi_tui.widgets.words import points
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.page import Facts


class Tab(StrEnum):
    """What can be read of a zoomed world, in the order of the tabs."""

    STREAM = "Stream"
    DIFF = "Diff"
    TESTS = "Tests"
    SCORE = "Score"
    COST = "Cost"
    CHECKPOINTS = "Checkpoints"
    LOG = "Log"


SHORT = {Tab.CHECKPOINTS: "Steps"}
KEYS = ", . "


class ZoomTabs(ReadyRows):
    """One row; the present tab is in the world's colour and between signs."""

    GROUND = "surface"

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tabs: ZoomTabs, tab: Tab) -> None:
            super().__init__()
            self.tabs = tabs
            self.tab = tab

        @property
        def control(self) -> ZoomTabs:
            """The tabs."""
            return self.tabs

    def __init__(self, world: WorldId) -> None:
        super().__init__(world)
        self._tab = Tab.STREAM
        self._figures: dict[Tab, str] = {}
        self._targets: list[tuple[range, Tab]] = []

    def show(self, tab: Tab, facts: Facts | None) -> None:
        """Show which one is open, and what each has to say."""
        self._tab = tab
        self._figures = _figures(facts) if facts is not None else {}
        self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """Names with figures, names, or shorter names, as there is room."""
        whole = [f"{tab} {self._figures.get(tab, '')}".strip() for tab in Tab]
        names = [str(tab) for tab in Tab]
        short = [SHORT.get(tab, str(tab)) for tab in Tab]
        shown = next((one for one in (whole, names, short) if _width(one) <= width), short)
        spans: list[Span] = []
        self._targets = []
        x = 0
        for tab, name in zip(Tab, shown, strict=True):
            text, figure = str(name), ""
            if shown is whole and self._figures.get(tab):
                text, _, figure = name.partition(" ")
                figure = f" {figure}"
            size = cells(text + figure) + 2
            self._targets.append((range(x, x + size), tab))
            x += size
            if tab is self._tab:
                spans.append((f"▸{text}{figure} ", "band"))
            else:
                spans += [(f" {text}", "dim"), (f"{figure} ", "faint")]
        if x + len(KEYS) + 1 <= width:
            spans += [(" " * (width - x - len(KEYS)), "text"), (KEYS, "faint")]
        return [strip_of(spans, width, self.ink)]

    def on_click(self, event: events.Click) -> None:
        """A click on a name opens it."""
        for cells_, tab in self._targets:
            if event.x in cells_:
                event.stop()
                self.post_message(self.Chosen(self, tab))


def _width(names: list[str]) -> int:
    return sum(cells(name) + 2 for name in names)


def _figures(facts: Facts) -> dict[Tab, str]:
    """The one thing to know of each, where there is something."""
    world = facts.world
    made: dict[Tab, str] = {}
    if world.changed_lines:
        made[Tab.DIFF] = f"+{world.lines_added} −{world.lines_deleted}"
    if (now := passed(world)) is not None:
        made[Tab.TESTS] = f"{now[0]}/{now[1]}"
    if world.score is not None:
        made[Tab.SCORE] = points(world.score.total)
    steps = sum(one.step > 0 for one in world.checkpoints)
    if steps:
        made[Tab.CHECKPOINTS] = str(steps)
    return made
