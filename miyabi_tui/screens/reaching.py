"""What the person takes in hand beside the race: a world's files, its text, the mouse."""

from __future__ import annotations

from miyabi_tui.screens.race_base import RaceBase
from miyabi_tui.screens.refusals import why_no_diff


class Reaching(RaceBase):
    """The keys that change nothing in the race, but for a pause that was agreed to."""

    def action_edit(self) -> None:
        """Open the focused world's worktree in the person's editor."""
        world = self._allowed(lambda _run, one: why_no_diff(one))
        if world is not None:
            from miyabi_tui.screens.stepping import Stepping

            Stepping(self, self._control).edit(world)

    def action_shell(self) -> None:
        """A shell in the focused world's worktree."""
        world = self._allowed(lambda _run, one: why_no_diff(one))
        if world is not None:
            from miyabi_tui.screens.stepping import Stepping

            Stepping(self, self._control).shell(world)

    def action_copy(self) -> None:
        """Copy something of the focused world to the clipboard."""
        world = self._allowed(lambda _run, one: why_no_diff(one))
        if world is not None:
            from miyabi_tui.screens.copying import Copying

            Copying(self, self._control).ask(world)

    def action_mouse(self) -> None:
        """Leave the mouse to the terminal, for its own selection, or take it back."""
        from miyabi_tui.screens.mousing import switch_mouse

        self.notify(switch_mouse(self.app), timeout=6, markup=False)
