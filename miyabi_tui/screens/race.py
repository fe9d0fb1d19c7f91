"""The race: head line, board, footer; what the person does becomes commands of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import Screen

from miyabi_tui.bridge import FRAMES_A_SECOND, Bridge
from miyabi_tui.engine.events import Phase
from miyabi_tui.engine.state import WorldState, WorldStatus
from miyabi_tui.screens.asking import Asking
from miyabi_tui.screens.commands import bindings, hints
from miyabi_tui.screens.refusals import (
    LOOK_AGAIN,
    free_world,
    why_no_diff,
    why_not_go_back,
    why_not_kill,
    why_not_merge,
    why_not_pause,
    why_not_pick,
    why_not_tell,
    why_not_tell_all,
)
from miyabi_tui.screens.telling import Telling
from miyabi_tui.widgets.asking import news
from miyabi_tui.widgets.board import Board
from miyabi_tui.widgets.headline import HeadLine
from miyabi_tui.widgets.keyline import KeyLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from miyabi_tui.engine.control import Control, Fork
    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.dialog import Question
    from miyabi_tui.widgets.pane import WorldPane

NO_WORLD = "The worlds are not there yet."


class RaceScreen(Screen[None]):
    """Five panes fed by one bridge, on one timer."""

    BINDINGS: ClassVar[list[BindingType]] = bindings()
    AUTO_FOCUS = None

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__()
        self._control = control
        self._clock = clock
        self._second = 0
        self._expected: WorldId | None = None
        self._telling = Telling(self, control)
        self._asking = Asking(self, control, clock)
        self.bridge = Bridge(control.subscribe())
        self.headline = HeadLine()
        self.board = Board()
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

    @property
    def run_state(self) -> RunState:
        """The state on the screen."""
        return self.bridge.shown

    @property
    def world(self) -> WorldState | None:
        """The focused world."""
        focused = self.board.focused_world
        return next((one for one in self.run_state.worlds if one.id is focused), None)

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

    # --- turning ---------------------------------------------------------------------------------

    def on_board_turned(self, message: Board.Turned) -> None:
        """Another world is focused: one that was expected need not be turned to any more."""
        message.stop()
        self._expected = None
        self._show({})

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

    def action_turn_to(self, number: int) -> None:
        """Focus the world with this digit."""
        for pane in self.board.panes:
            if pane.world.key == str(number):
                self.board.turn_to(pane.world)
                return
        self.say(f"There is no world {number} in this race." if self.board.panes else NO_WORLD)

    def action_turn(self, steps: int) -> None:
        """Focus the world so many panes on."""
        self.board.turn(steps)

    def action_zoom(self) -> None:
        """Give the focused world the whole screen, or take it back."""
        self.board.zoom(not self.board.zoomed)
        self._show({})

    def action_unzoom(self) -> None:
        """Take the whole screen back."""
        self.board.zoom(False)
        self._show({})

    # --- commands --------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Freeze the focused world, or let it go on."""
        world = self._allowed(why_not_pause)
        if world is None:
            return
        if world.status is WorldStatus.PAUSED:
            self._control.proceed(world.id)
        else:
            self._control.pause(world.id)

    def action_kill(self) -> None:
        """End the focused world, after a question."""
        world = self._allowed(why_not_kill)
        if world is None:
            return
        from miyabi_tui.screens.dialog import Question

        text = (
            f"Its processes end now and it gets no score. Its worktree and branch stay; "
            f"the other worlds go on. r can bring it back from any of its checkpoints.\n"
            f"{world.id} is at step {world.step}."
        )
        self._ask(
            Question(f"Kill {world.id}?", text, f"kill {world.id}", "let it live"),
            lambda yes: self._answered(yes, why_not_kill, world.id, self._control.kill),
        )

    def action_checkpoints(self) -> None:
        """Take the focused world back to a checkpoint, or let another future begin there."""
        world = self._allowed(why_not_go_back)
        if world is None:
            return
        from miyabi_tui.screens.checkpoints import CheckpointScreen

        self.app.clear_notifications()
        attached = self._control.attached
        asked = CheckpointScreen(world.id, lambda: self.run_state, self._clock, attached=attached)
        self.app.push_screen(asked, self._fork)

    def _fork(self, fork: Fork | None) -> None:
        if fork is not None:
            self._expected = free_world(self.run_state) if fork.extra else None
            self._control.fork(fork)

    def action_answer(self) -> None:
        """Answer a question: the focused world's first, then the run's, then any other's."""
        self._asking.ask(self.board.focused_world)

    def action_tell(self) -> None:
        """Say something to the focused world."""
        world = self._allowed(why_not_tell)
        if world is not None:
            self._telling.ask(world.id)

    def action_tell_all(self) -> None:
        """Say something to all worlds at work."""
        refusal = why_not_tell_all(self.run_state) if self.run_state.worlds else NO_WORLD
        if refusal:
            self.say(refusal)
        else:
            self._telling.ask(None)

    def action_pick(self) -> None:
        """Make the focused world the winner, after a look at score and diff."""
        world = self._allowed(why_not_pick)
        if world is not None:
            self._ask_pick(world)

    def _ask_pick(self, world: WorldState) -> None:
        from miyabi_tui.screens.pick import question, standing

        run = self.run_state
        asked_about = standing(run, world)

        def answered(yes: bool | None) -> None:
            now = self.run_state.world(world.id)
            if (
                yes
                and not why_not_pick(self.run_state, now)
                and standing(self.run_state, now) != asked_about
            ):
                self._ask_pick(now)
                self.say(LOOK_AGAIN)
            else:
                self._answered(yes, why_not_pick, world.id, self._control.pick)

        self._ask(question(run, world, lambda: self._control.diff(world.id)), answered)

    def action_merge(self) -> None:
        """Merge the winner."""
        refusal = why_not_merge(self.run_state)
        if refusal:
            self.say(refusal)
        else:
            self._control.merge()

    def action_diff(self) -> None:
        """Show what the focused world changed."""
        world = self._allowed(lambda _run, one: why_no_diff(one))
        if world is not None:
            from miyabi_tui.screens.diff import DiffScreen

            self.app.push_screen(DiffScreen(world.id, lambda: self._control.diff(world.id)))

    def action_help(self) -> None:
        """Show all keys and signs."""
        from miyabi_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self._control.attached, self.run_state))

    def action_leave(self) -> None:
        """Leave; asks while that would end the race."""
        run = self.run_state
        over = run.finished or run.commit  # merged: its last event is on the way
        if over or not run.run_id or self._control.attached:
            self.leave()
            return
        from miyabi_tui.screens.dialog import LeaveQuestion

        def answered(yes: bool | None) -> None:
            now = self.run_state
            if not yes:
                return
            if (now.winner, now.commit) == (run.winner, run.commit):
                self.leave()
                return
            if not (now.finished or now.commit):
                self.action_leave()
            self.say(LOOK_AGAIN)

        self._ask(LeaveQuestion(run), answered)

    def leave(self) -> None:
        """Leave without a question; an engine in another process goes on."""
        if not self._control.attached:
            self._control.stop()
        self.app.exit()

    def _ask(self, question: Question, answered: Callable[[bool | None], None]) -> None:
        """Ask; what was said before must not lie over it."""
        self.app.clear_notifications()
        self.app.push_screen(question, answered)

    def _answered(
        self,
        yes: bool | None,
        why_not: Callable[[RunState, WorldState], str],
        world: WorldId,
        command: Callable[[WorldId], None],
    ) -> None:
        """Do what was confirmed, unless the race went on meanwhile and it makes no sense now."""
        if not yes:
            return
        refusal = why_not(self.run_state, self.run_state.world(world))
        if refusal:
            self.say(refusal)
        else:
            command(world)

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
