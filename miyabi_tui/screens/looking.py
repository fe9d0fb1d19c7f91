"""What the person looks at: which world, its diff, its checkpoints, the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.screens.race_base import NO_WORLD
from miyabi_tui.screens.refusals import (
    free_world,
    why_no_diff,
    why_not_compare,
    why_not_go_back,
    why_not_read,
)
from miyabi_tui.screens.zooming import Zooming

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.timeline import Jump


class Looking(Zooming):
    """The keys that change nothing in the race but for what a fork was asked for."""

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

    def action_checkpoints(self, step: int | None = None) -> None:
        """Take the focused world back to a checkpoint, or let another future begin there."""
        world = self._allowed(why_not_go_back)
        if world is None:
            return
        from miyabi_tui.screens.checkpoints import CheckpointScreen

        self.app.clear_notifications()
        attached = self._control.attached
        run = (lambda: self.run_state, self._clock)
        step = self.chosen_step if step is None else step
        asked = CheckpointScreen(world.id, *run, attached=attached, step=step)
        self.app.push_screen(asked, self._fork)

    def _fork(self, fork: Fork | None) -> None:
        if fork is not None:
            self._expected = free_world(self.run_state) if fork.extra else None
            self._control.fork(fork)

    def action_diff(self) -> None:
        """Show what the focused world changed."""
        world = self._allowed(lambda _run, one: why_no_diff(one))
        if world is not None:
            self._show_diff(world.id)

    def _show_diff(self, world: WorldId) -> None:
        from miyabi_tui.screens.diff import BASE, DiffScreen
        from miyabi_tui.screens.touched import also_in

        others = [one.id for one in self.run_state.worlds if one.id is not world]
        screen = DiffScreen(
            f"{world.key} {world} {BASE}",
            lambda: self._control.diff(world),
            also=lambda: also_in(self._control, others),
        )
        self.app.push_screen(screen)

    def action_compare(self) -> None:
        """Show the worlds side by side, the focused one first of the two that are compared."""
        world = self._allowed(lambda run, _world: why_not_compare(run))
        if world is not None:
            from miyabi_tui.screens.compare import CompareScreen

            asked = CompareScreen(self._control, lambda: self.run_state, self._clock, world.id)
            self.app.push_screen(asked)

    def action_timeline(self) -> None:
        """Show every event of the run; from there one can go to a world or a checkpoint."""
        if refusal := why_not_read(self.run_state):
            self.say(refusal)
            return
        from miyabi_tui.screens.timeline import TimelineScreen

        self.app.push_screen(TimelineScreen(self._control, lambda: self.run_state), self._jump)

    def _jump(self, jump: Jump | None) -> None:
        if jump is not None:
            self.board.turn_to(jump.world)
            self.show_again()
            if jump.step is not None:
                self.action_checkpoints(jump.step)

    def action_issue(self) -> None:
        """Show the issue."""
        if refusal := why_not_read(self.run_state):
            self.say(refusal)
            return
        from miyabi_tui.screens.issue import IssueScreen

        self.app.push_screen(IssueScreen(self.run_state))

    def action_help(self) -> None:
        """Show all keys and signs."""
        from miyabi_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self._control.attached, self.run_state))
