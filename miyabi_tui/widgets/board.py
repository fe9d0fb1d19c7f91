"""The board: up to nine panes, laid out by the terminal's size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.state import rank_key
from miyabi_tui.widgets.asking import asked, waiting
from miyabi_tui.widgets.board_layout import BoardLayout, places
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.sparkline import Trail
from miyabi_tui.widgets.words import PaneView, sign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.geometry import Region
    from textual.layout import Layout

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.pane import WorldPane
    from miyabi_tui.widgets.words import Sign

NEWS_SECONDS = 20


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
        self._away: dict[WorldId, WorldPane] = {}  # of worlds that are not there at this moment
        self._arranged = BoardLayout(lambda: (self.open_index, self.zoomed))
        self._said = ""
        self._trails: dict[WorldId, Trail] = {}  # of worlds whose panes are not there yet
        self._news: dict[WorldId, tuple[str, float]] = {}
        self._waited: dict[WorldId, float] = {}

    @property
    def layout(self) -> Layout:
        """Our own layout; style sheets can only name Textual's."""
        return self._arranged

    @property
    def signs(self) -> dict[WorldId, Sign]:
        """How each pane's world stands, in its pane's sign."""
        return {pane.world: sign(pane.view) for pane in self.panes if pane.view is not None}

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

    def show(
        self,
        run: RunState,
        now: float,
        streams: Mapping[WorldId, Sequence[Record]],
        *,
        gauges: bool = True,
        part: int | None = None,
    ) -> None:
        """Show another state of the run, and what came into the streams.

        Without `gauges` only the streams, on a line that is too slow for more; with `part` only one
        pane's, each in turn.
        """
        self._mount_new(run)
        if not self._panes and run.finished and not self._said:
            self._said = f"{one_line(run.reason or run.status)}\n\nq leaves"
            self.refresh()
        standing = _standing(run)
        for index, world in enumerate(run.worlds):
            pane = self._panes.get(world.id)
            if pane is not None:
                turn = part is None or part % (len(run.worlds) + 1) == index
                focused = world.id is self.focused_world
                if (gauges and turn) or pane.view is None:
                    pane.show(self._view(run, world, standing, now))
                elif pane.view.focused is not focused:
                    pane.show(replace(pane.view, focused=focused))
                pane.feed(streams.get(world.id, ()))

    def be_lean(self, lean: bool) -> None:
        """Let the streams stand still but for their newest line, or let them go on."""
        for pane in self.panes:
            pane.be_lean(lean)

    def flush_lean(self) -> None:
        """Show the newest lines of streams that stand still."""
        for pane in self.panes:
            if pane.stream.lean:
                pane.stream.flush()

    def begin_anew(
        self, run: RunState, readings: Mapping[WorldId, Sequence[tuple[float, float]]]
    ) -> None:
        """The run is looked at from another moment: empty streams, and only the worlds of then.

        `readings` are what each world's gauges had said until then.
        """
        self._trails = {
            one.id: Trail(readings.get(one.id, ()), last=one.gauge) for one in run.worlds
        }
        there = {world.id for world in run.worlds}
        left = [pane for pane in self.panes if pane.world in there]
        if left != list(self.panes):  # a pane that goes must not take the keys with it
            self.screen.set_focus(left[0] if left else None)
        for pane in self.panes:
            if pane.world in there:
                pane.begin_anew(self._trails.pop(pane.world))
            else:
                self._away[pane.world] = self._panes.pop(pane.world)
                pane.display = False
        if self.focused_world not in self._panes:
            self.focused_world = next(iter(self._panes), None)
        self._news.clear()
        self._waited.clear()
        self._said = ""
        self.refresh(layout=True)

    def _mount_new(self, run: RunState) -> None:
        """A pane for each world that has none: all at the start, later those that fork."""
        missing = [world.id for world in run.worlds if world.id not in self._panes]
        if not missing:
            return
        from miyabi_tui.widgets.pane import WorldPane  # after the first frame

        new = [
            self._away.pop(world) if world in self._away else WorldPane(world) for world in missing
        ]
        self._panes |= {pane.world: pane for pane in new}
        for pane in new:
            pane.begin_anew(self._trails.pop(pane.world, Trail()))
            pane.display = True  # also one that was put away
        self.mount(*(pane for pane in new if not pane.is_attached))
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
        from miyabi_tui.engine.activity import activity  # after the first frame

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
            activity=activity(world, now),
            waits=waiting(world.waiting, world.waits_until, now),
            asked=asked(run, world.id, now),
            isolation=run.sandbox.isolation if run.sandbox else None,
            limits=run.terms.sandbox,
            overridden=run.overridden if world.id is run.winner else (),
            budget=None if run.recorded else run.budget_usd(Scope.WORLD, world.id),
        )

    @property
    def _regions(self) -> list[Region | None]:
        return places(self.size, len(self._panes), self.open_index, self.zoomed)

    def turn_to(self, world: WorldId) -> None:
        """Focus a world's pane, at once: the next key is already meant for it."""
        pane = self._panes[world]
        if self.screen.focused is not pane:
            self.screen.set_focus(pane)
        if world is not self.focused_world:
            before, self.focused_world = self._regions, world
            if self._regions != before:
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
