"""The race on one timer: head line, race bar, board, footer; `looking`, `doing` have the keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size

from miyabi_tui.bridge import CALM_FRAMES_A_SECOND, FRAMES_A_SECOND
from miyabi_tui.engine.events import Phase
from miyabi_tui.paced_app import PacedApp
from miyabi_tui.pacing import Level
from miyabi_tui.screens.commands import bindings, commands, hints
from miyabi_tui.screens.deciding import Deciding
from miyabi_tui.screens.doing import Doing
from miyabi_tui.screens.looking import Looking
from miyabi_tui.screens.reaching import Reaching
from miyabi_tui.widgets.asking import news
from miyabi_tui.widgets.board_layout import AROUND, is_table
from miyabi_tui.widgets.headline import HeadLine
from miyabi_tui.widgets.keyline import KeyLine
from miyabi_tui.widgets.motion import calm
from miyabi_tui.widgets.race_bar import RaceBar
from miyabi_tui.widgets.seldom import Seldom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.pacing import Pacer
    from miyabi_tui.screens.commands import Command
    from miyabi_tui.widgets.board import Board
    from miyabi_tui.widgets.keyline import Hint
    from miyabi_tui.widgets.pane import WorldPane


# Of a core: what the screen may have used since the last pump, and seconds between two beyond it.
RESTS = ((0.20, 0.19), (0.10, 0.09))


class RaceScreen(Looking, Doing, Deciding, Reaching):
    """Five panes fed by one bridge, on one timer."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    AUTO_FOCUS = None

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self._second = 0
        self._beaten = self._used = 0.0
        self._level = Level.FULL
        self._seldom = Seldom()
        self.headline = HeadLine()
        self.racebar = RaceBar()
        self.keyline = KeyLine()

    def compose(self) -> ComposeResult:
        """Head line, race bar, board, footer."""
        yield self.headline
        yield self.racebar
        yield self.board
        yield self.podium
        yield self.keyline

    @property
    def pacer(self) -> Pacer:
        """How fast the line is."""
        assert isinstance(self.app, PacedApp)
        return self.app.pacer

    def on_mount(self) -> None:
        """Show what is there; begin to listen once the first frame is out."""
        self._show({})
        self.pump()
        frames = CALM_FRAMES_A_SECOND if calm(self.app) else FRAMES_A_SECOND
        self.set_interval(1 / frames, self._beat)

    def on_resize(self, event: events.Resize) -> None:
        """In the smallest terminals the board is a table."""
        board = Size(event.size.width, event.size.height - AROUND)
        self.set_class(is_table(board), "-table")

    def _beat(self) -> None:
        """Pump, but the more seldom the more it takes: a flood is not read at twenty frames."""
        now, used = time.monotonic(), time.thread_time()
        passed = now - self._beaten
        share = (used - self._used) / max(passed, 1e-6)
        if passed < next((seconds for most, seconds in RESTS if share > most), 0.0):
            return
        self._beaten, self._used = now, used
        self.pump()

    def pump(self) -> None:
        """Show what happened since the last call; once a second, what only time changed."""
        before = self.run_state
        batch = self.bridge.pump()
        if batch is not None:
            self._show(batch.streams, only_talk=batch.only_talk)
            self._warn(before)
            self.follow_question()
            self._asking.heard(batch)
        elif int(self._clock()) != self._second and not self.run_state.finished:
            self._show({}, at_once=self._level is not Level.LEAN)
        elif self._seldom.owed:
            self._show({}, only_talk=True)
        if self._level is Level.LEAN and self._seldom.lines(time.monotonic()):
            self.board.flush_lean()

    def _show(
        self,
        streams: Mapping[WorldId, Sequence[Record]],
        *,
        at_once: bool = False,
        only_talk: bool = False,
    ) -> None:
        """Show the state, as much of it as the line carries; `at_once` what a key asked for."""
        now, run = self._clock(), self.run_state
        self._second = int(now)
        if self.pacer.level is not self._level:
            self._level = self.pacer.level
            self.board.be_lean(self._level is Level.LEAN)
        level = max(self._level, Level.CALM) if calm(self.app) else self._level
        gauges = self._seldom.gauges(level, run, time.monotonic(), only_talk=only_talk)
        whole = gauges or (at_once and not only_talk and self._level is not Level.LEAN)
        part = self._seldom.part
        self.board.show(run, now, streams, gauges=whole, part=part)
        self._turn_to_expected()
        self.show_zoomed(streams)
        if whole and (part is None or part % (len(run.worlds) + 1) == len(run.worlds)):
            self.headline.show(run, now, self.pacer.in_words())
        if (part is not None and not at_once) or not (gauges or at_once):
            return
        self.racebar.show(run, self.board.signs, self.board.focused_world)
        self.keyline.show(self.zoom_hints(self.show_podium(self.offered())))

    def offered(self) -> list[Hint]:
        """What the footer offers now."""
        run, attached = self.run_state, self._control.attached
        return hints(run, self.world, self.board.zoomed, attached, undo=self._undo.offers(run))

    def listed(self) -> tuple[Command, ...]:
        """What the palette and the help list."""
        return commands(self._control.attached)

    def show_again(self) -> None:
        """See `RaceBase.show_again`."""
        # Where bytes are dear a key brings what it changed; numbers wait, as when worlds only talk.
        self._show({}, at_once=True, only_talk=self.pacer.dear)
        assert isinstance(self.app, PacedApp)
        self.app.let_out()

    def _turn_to_expected(self) -> None:
        """Turn to the extra world that was asked for here, once it is there."""
        if self._expected in {pane.world for pane in self.board.panes}:
            expected, self._expected = self._expected, None
            self.board.turn_to(expected)

    def _warn(self, before: RunState) -> None:
        """Show the warnings that came after the start; the head line may be taken."""
        if before.phase is Phase.PREPARING:
            return
        for text in news(before, self.run_state):
            self.say(text)

    # --- what the widgets say -----------------------------------------------------------------

    def on_board_turned(self, message: Board.Turned) -> None:
        """Another world is focused: one that was expected need not be turned to any more."""
        message.stop()
        self._expected = None
        self.show_again()

    def on_race_bar_chosen(self, message: RaceBar.Chosen) -> None:
        """A click on a world in the race bar."""
        message.stop()
        self.board.turn_to(message.world)

    def on_key_line_chosen(self, message: KeyLine.Chosen) -> None:
        """A click in the footer."""
        message.stop()
        self.call_later(self.run_action, message.action)

    def on_world_pane_asked(self, message: WorldPane.Asked) -> None:
        """A click on what a pane asks."""
        message.stop()
        self._asking.ask(message.pane.world)

    def on_head_line_asked(self, message: HeadLine.Asked) -> None:
        """A click on what the head line asks."""
        message.stop()
        self.action_answer()
