"""The race: head line, board, footer, on one timer; `looking` and `doing` have the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from miyabi_tui.bridge import FRAMES_A_SECOND
from miyabi_tui.engine.events import Phase
from miyabi_tui.screens.commands import bindings, hints
from miyabi_tui.screens.doing import Doing
from miyabi_tui.screens.looking import Looking
from miyabi_tui.widgets.asking import news
from miyabi_tui.widgets.headline import HeadLine
from miyabi_tui.widgets.keyline import KeyLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.board import Board
    from miyabi_tui.widgets.pane import WorldPane


class RaceScreen(Looking, Doing):
    """Five panes fed by one bridge, on one timer."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    AUTO_FOCUS = None

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self._second = 0
        self.headline = HeadLine()
        self.keyline = KeyLine()

    def compose(self) -> ComposeResult:
        """Head line, board, footer."""
        yield self.headline
        yield self.board
        yield self.keyline

    def on_mount(self) -> None:
        """Show what is there; begin to listen once the first frame is out."""
        self._show({})
        self.pump()
        self.set_interval(1 / FRAMES_A_SECOND, self.pump)

    def pump(self) -> None:
        """Show what happened since the last call; once a second, what only time changed."""
        before = self.run_state
        batch = self.bridge.pump()
        if batch is not None:
            self._show(batch.streams)
            self._warn(before)
            self._asking.heard(batch)
        elif int(self._clock()) != self._second and not self.run_state.finished:
            self._show({})

    def _show(self, streams: Mapping[WorldId, Sequence[Record]]) -> None:
        now = self._clock()
        self._second = int(now)
        self.headline.show(self.run_state, now)
        self.board.show(self.run_state, now, streams)
        self._turn_to_expected()
        attached = self._control.attached
        self.keyline.show(hints(self.run_state, self.world, self.board.zoomed, attached))

    def show_again(self) -> None:
        """See `RaceBase.show_again`."""
        self._show({})

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
