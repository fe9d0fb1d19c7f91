"""What the person looks at: which world, how big, its diff, its checkpoints, the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.screens.race_base import NO_WORLD, RaceBase
from miyabi_tui.screens.refusals import free_world, why_no_diff, why_not_go_back

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Fork


class Looking(RaceBase):
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

    def action_zoom(self) -> None:
        """Give the focused world the whole screen, or take it back."""
        self.board.zoom(not self.board.zoomed)
        self.show_again()

    def action_unzoom(self) -> None:
        """Take the whole screen back."""
        self.board.zoom(False)
        self.show_again()

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
