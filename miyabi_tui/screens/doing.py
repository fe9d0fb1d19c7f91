"""What the person does: each key is a command of the engine, after a question where it is grave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from miyabi_tui.engine.state import WorldState, WorldStatus
from miyabi_tui.screens.asking import Asking
from miyabi_tui.screens.race_base import NO_WORLD, RaceBase
from miyabi_tui.screens.refusals import (
    LOOK_AGAIN,
    why_not_kill,
    why_not_merge,
    why_not_pause,
    why_not_pick,
    why_not_tell,
    why_not_tell_all,
)
from miyabi_tui.screens.undoing import Killed, Paused, Picked, Undo

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.dialog import Question


class Doing(RaceBase):
    """The keys that steer the race."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self._asking = Asking(self, control, clock)
        self._undo = Undo()
        self._held: list[WorldId] = []

    def action_pause(self) -> None:
        """Freeze the focused world, or let it go on."""
        world = self._allowed(why_not_pause)
        if world is None:
            return
        if world.status is WorldStatus.PAUSED:
            self._undo.forget_pause(world.id)
            self._control.proceed(world.id)
        else:
            self._undo.did(Paused(world.id))
            self._control.pause(world.id)

    def action_kill(self) -> None:
        """End the focused world, after a question."""
        world = self._allowed(why_not_kill)
        if world is None:
            return
        from miyabi_tui.screens.killing import KillQuestion

        asked = KillQuestion(lambda: self.run_state, world.id)
        self._ask(asked, lambda yes: self._answered(yes, asked, world.id, self._kill))

    def _kill(self, world: WorldId) -> None:
        self._undo.did(Killed.of([self.run_state.world(world)]))
        self._control.kill(world)

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

        asked_about = standing(self.run_state, world)
        asked = question(lambda: self.run_state, world.id, lambda: self._control.diff(world.id))

        def answered(yes: bool | None) -> None:
            run, now = self.run_state, self.run_state.world(world.id)
            if yes and not asked.why_moot(run) and standing(run, now) != asked_about:
                self._ask_pick(now)
                self.say(LOOK_AGAIN)
            else:
                self._answered(yes, asked, world.id, self._pick)

        self._ask(asked, answered)

    def _pick(self, world: WorldId) -> None:
        self._undo.did(Picked.of(self.run_state, world))
        self._control.pick(world)

    def action_undo(self) -> None:
        """Take back the last pause, kill or choice made here."""
        said, done = self._undo.undo(self.run_state, self._control)
        self.app.clear_notifications()
        severity: Literal["information", "warning"] = "information" if done else "warning"
        self.notify(said, severity=severity, timeout=6, markup=False)
        self.show_again()

    def action_merge(self) -> None:
        """Merge the winner."""
        refusal = why_not_merge(self.run_state)
        if refusal:
            self.say(refusal)
        else:
            self._control.merge()

    def action_leave(self) -> None:
        """Leave; asks while that would end the race."""
        run = self.run_state
        over = run.finished or run.commit  # merged: its last event is on the way
        if over or not run.run_id or self._control.attached:
            self.leave()
            return
        from miyabi_tui.screens.dialog import LeaveQuestion

        asked = LeaveQuestion(lambda: self.run_state)

        def answered(yes: bool | None) -> None:
            if not yes:
                return
            if moot := asked.why_moot(self.run_state):
                self.say(moot)
            elif self.run_state.winner is run.winner:
                self.leave()
            else:
                self.action_leave()
                self.say(LOOK_AGAIN)

        self._ask(asked, answered)

    def hold_still(self) -> bool:
        """Pause every world at work until `go_on`; whether there is any."""
        run = self.run_state
        self._held += [
            world.id
            for world in run.worlds
            if not why_not_pause(run, world) and world.status is not WorldStatus.PAUSED
        ]
        for world_id in self._held:
            self._control.pause(world_id)
        return bool(self._held)

    @property
    def stands_still(self) -> bool:
        """Whether all that is held has heard of it."""
        held = [self.run_state.world(one) for one in self._held]
        return all(one.ended or one.status is WorldStatus.PAUSED for one in held)

    def go_on(self) -> None:
        """Let go on what `hold_still` has paused."""
        for world_id in self._held:
            self._control.proceed(world_id)
        self._held.clear()

    def leave(self) -> None:
        """Leave without a question; an engine in another process goes on."""
        if not self._control.attached:
            self._control.stop()
        self.app.exit()

    def _answered(
        self,
        yes: bool | None,
        asked: Question,
        world: WorldId,
        command: Callable[[WorldId], None],
    ) -> None:
        """Do what was confirmed, unless the race went on meanwhile and it makes no sense now."""
        if not yes:
            return
        if moot := asked.why_moot(self.run_state):
            self.say(moot)
        else:
            command(world)
