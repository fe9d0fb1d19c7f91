"""The board: up to nine panes, laid out by the terminal's size."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from miyabi_tui.engine.state import rank_key
from miyabi_tui.widgets.asking import asked, waiting
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.pane import WorldPane
from miyabi_tui.widgets.words import PaneView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId

COLUMNS_FROM = 150
ROWS_FROM = 100
COLUMN = 30
ROW = 12
NEWS_SECONDS = 20
STRIP = 2
LEAST_OPEN = 8


def places(size: Size, count: int, open_: int, zoomed: bool = False) -> list[Region | None]:
    """The regions of `count` panes; None where a pane is not shown.

    Side by side where there is room, from 100 columns in two or three rows, else a stack of two-row
    strips in which pane `open_` has the rest.
    """
    if zoomed or count == 1:
        return [Region(0, 0, *size) if index == open_ else None for index in range(count)]
    if size.width >= ROWS_FROM:
        if count < 4 or (size.width >= COLUMNS_FROM and size.width // count >= COLUMN):
            return list(_columns(Region(0, 0, *size), count))
        for rows in (2, 3):
            across = -(-count // rows)
            if size.width // across >= COLUMN and size.height // rows >= ROW:
                return list(_rows(size, count, rows))
    return _stack(size, count, open_)


def _rows(size: Size, count: int, rows: int) -> list[Region]:
    """Rows of columns; the upper ones take what does not divide."""
    found: list[Region] = []
    y = 0
    for left in range(rows, 0, -1):
        height = -(-(size.height - y) // left)
        found += _columns(Region(0, y, size.width, height), -(-(count - len(found)) // left))
        y += height
    return found


def _columns(region: Region, count: int) -> list[Region]:
    cuts = [region.width * index // count for index in range(count + 1)]
    return [
        Region(region.x + left, region.y, right - left, region.height)
        for left, right in pairwise(cuts)
    ]


def _stack(size: Size, count: int, open_: int) -> list[Region | None]:
    closed = count - 1
    strip = STRIP if size.height >= closed * STRIP + LEAST_OPEN else 1
    if size.height < closed + LEAST_OPEN // 2:
        return [Region(0, 0, *size) if index == open_ else None for index in range(count)]
    found: list[Region | None] = []
    y = 0
    for index in range(count):
        height = size.height - closed * strip if index == open_ else strip
        found.append(Region(0, y, size.width, height))
        y += height
    return found


class BoardLayout(Layout):
    """Arranges panes by `places`."""

    name = "board"

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """Where the panes go."""
        assert isinstance(parent, Board)
        regions = places(size, len(children), parent.open_index, parent.zoomed)
        return [
            WidgetPlacement(region, Offset(), Spacing(), pane)
            for pane, region in zip(children, regions, strict=True)
            if region is not None
        ]


class Board(Widget):
    """All panes, which of them is focused, and whether it is zoomed."""

    ALLOW_SELECT = False

    class Turned(Message):
        """Another world is focused."""

        def __init__(self, board: Board, world: WorldId) -> None:
            super().__init__()
            self.board = board
            self.world = world

        @property
        def control(self) -> Board:
            """The board."""
            return self.board

    def __init__(self) -> None:
        super().__init__(id="board")
        self.zoomed = False
        self.focused_world: WorldId | None = None
        self._panes: dict[WorldId, WorldPane] = {}
        self._arranged = BoardLayout()
        self._said = ""
        self._news: dict[WorldId, tuple[str, float]] = {}
        self._waited: dict[WorldId, float] = {}

    @property
    def layout(self) -> Layout:
        """Our own layout; style sheets can only name Textual's."""
        return self._arranged

    @property
    def panes(self) -> tuple[WorldPane, ...]:
        """The panes in the order of the worlds."""
        return tuple(self._panes.values())

    @property
    def open_index(self) -> int:
        """The place of the focused pane."""
        worlds = list(self._panes)
        return worlds.index(self.focused_world) if self.focused_world in worlds else 0

    def pane(self, world: WorldId) -> WorldPane:
        """The pane of a world.

        Raises:
            KeyError: this world does not race.
        """
        return self._panes[world]

    def render(self) -> Content:
        """What stands there before any pane does: nothing, or why none will come."""
        return Content.styled(self._said, "$ink-text")

    def show(self, run: RunState, now: float, streams: Mapping[WorldId, Sequence[Record]]) -> None:
        """Show another state of the run, and what came into the streams."""
        self._mount_new(run)
        if not self._panes and run.finished and not self._said:
            self._said = f"{one_line(run.reason or run.status)}\n\nq leaves"
            self.refresh()
        standing = _standing(run)
        for world in run.worlds:
            pane = self._panes.get(world.id)
            if pane is not None:
                pane.show(self._view(run, world, standing, now))
                pane.feed(streams.get(world.id, ()))

    def _mount_new(self, run: RunState) -> None:
        """A pane for each world that has none: all at the start, later those that fork."""
        new = [WorldPane(world.id) for world in run.worlds if world.id not in self._panes]
        if not new:
            return
        self._panes |= {pane.world: pane for pane in new}
        self.mount(*new)
        if self.focused_world is None:
            self.focused_world = new[0].world
            new[0].focus()

    def _is_news(self, world: WorldState, now: float) -> bool:
        """Whether what a resume or a fork did to this world was first seen just now."""
        said, seen = self._news.get(world.id, ("", 0.0))
        if said != world.restored:
            self._news[world.id] = (world.restored, now)
            return True
        return now - seen < NEWS_SECONDS

    def _view(
        self, run: RunState, world: WorldState, standing: Mapping[WorldId, int], now: float
    ) -> PaneView:
        place = standing.get(world.id, 0)
        heard = world.last_output_at or world.started_at
        if world.waiting:  # it has said why it is silent
            self._waited[world.id] = now
        if heard is not None:
            heard = max(heard, self._waited.get(world.id, heard))
        active = not world.ended and heard is not None and not run.finished
        return PaneView(
            world=world,
            place=place,
            leads=place == 1 and world.eligible and run.winner is None,
            quiet=max(0, int(now - heard)) if active and heard is not None else 0,
            focused=world.id is self.focused_world,
            why_won=run.winner_reason if world.id is run.winner else "",
            fresh=bool(world.restored) and self._is_news(world, now),
            waits=waiting(world.waiting, world.waits_until, now),
            asked=asked(run, world.id, now),
            isolation=run.sandbox.isolation if run.sandbox else None,
            limits=run.terms.sandbox,
            overridden=run.overridden if world.id is run.winner else (),
        )

    def turn_to(self, world: WorldId) -> None:
        """Focus a world's pane, at once: the next key is already meant for it."""
        pane = self._panes[world]
        if self.screen.focused is not pane:
            self.screen.set_focus(pane)
        if world is not self.focused_world:
            self.focused_world = world
            self._rearrange()
            self.post_message(self.Turned(self, world))

    def turn(self, steps: int) -> None:
        """Focus the pane so many places on."""
        if self._panes:
            worlds = list(self._panes)
            self.turn_to(worlds[(self.open_index + steps) % len(worlds)])

    def zoom(self, zoomed: bool) -> None:
        """Give the focused pane the whole board, or take it back."""
        if zoomed is not self.zoomed:
            self.zoomed = zoomed
            self._rearrange()

    def _rearrange(self) -> None:
        """Lay out again: Textual forgets an arrangement only when a child asks."""
        for pane in self.panes[:1]:
            pane.refresh(layout=True)

    def on_world_pane_focused(self, message: WorldPane.Focused) -> None:
        """Open the pane that the person turned to."""
        message.stop()
        # by now the person may have turned on to another pane
        if self.screen.focused is message.pane:
            self.turn_to(message.pane.world)


def _standing(run: RunState) -> dict[WorldId, int]:
    """The places of the scored worlds by the evidence alone, from 1."""
    scored = sorted((world for world in run.worlds if world.score is not None), key=rank_key)
    return {world.id: place for place, world in enumerate(scored, 1)}
