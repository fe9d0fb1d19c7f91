"""What the parts of the race screen stand on: the run, the board, and how to say and ask things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.reactive import Reactive
from textual.screen import Screen

from miyabi_tui.bridge import Bridge
from miyabi_tui.row_compositor import RowCompositor
from miyabi_tui.screens.telling import Telling
from miyabi_tui.widgets.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.widget import Widget

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.dialog import Question

NO_WORLD = "The worlds are not there yet."


class RaceBase(Screen[None]):
    """A run and its board; `Looking` and `Doing` add what the keys do."""

    # who is focused shows in the panes: not all of the screen has to be painted for it
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__()
        self._compositor = RowCompositor()
        self._control = control
        self._clock = clock
        self._expected: WorldId | None = None
        self._question: Question | None = None
        self._telling = Telling(self, control)
        self.bridge = Bridge(control.subscribe())
        self.board = Board()

    @property
    def run_state(self) -> RunState:
        """The state on the screen."""
        return self.bridge.shown

    @property
    def world(self) -> WorldState | None:
        """The focused world."""
        focused = self.board.focused_world
        return next((one for one in self.run_state.worlds if one.id is focused), None)

    def show_again(self) -> None:
        """Show the present state once more: something else is in sight now."""
        raise NotImplementedError

    def _ask(self, question: Question, answered: Callable[[bool | None], None]) -> None:
        """Ask; what was said before must not lie over it."""

        def closed(yes: bool | None) -> None:
            self._question = None
            answered(yes)

        self._question = question
        self.app.clear_notifications()
        self.app.push_screen(question, closed)

    def follow_question(self) -> None:
        """What an open question says stays true."""
        if self._question is not None:
            self._question.follow()

    def _allowed(self, why_not: Callable[[RunState, WorldState], str]) -> WorldState | None:
        """The focused world, if nothing speaks against the command; else says what does."""
        world = self.world
        if world is None:
            self.say(NO_WORLD)
            return None
        refusal = why_not(self.run_state, world)
        if refusal:
            self.say(refusal)
            return None
        return world

    def say(self, reason: str) -> None:
        """Say something in passing."""
        self.notify(reason, severity="warning", timeout=4, markup=False)
