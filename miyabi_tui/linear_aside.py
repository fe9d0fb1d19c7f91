"""The lines wait while a world's worktree is in the person's editor, or in a shell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from miyabi_tui import aside, beside
from miyabi_tui.beside import BESIDE, PAUSE
from miyabi_tui.engine.errors import MiyabiError

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState

NO_TERMINAL = "Neither editor nor shell can open: what is typed comes from no terminal."


class SteppingAside:
    """Gives the terminal away until the program ends; what the race says is said after it.

    `terminal` is whether what is typed comes from one: from a pipe, a shell would obey the rest.
    """

    def __init__(self, control: Control, *, terminal: bool) -> None:
        self._control = control
        self._terminal = terminal

    def edit(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        """The worktree in `$VISUAL` or `$EDITOR`."""
        try:
            words = aside.editor(os.environ)
        except MiyabiError as error:
            return [str(error)]
        return self._go(run, world, words, rest)

    def shell(self, run: RunState, world: WorldState, rest: str) -> list[str]:
        """A shell in the worktree."""
        return self._go(run, world, [], rest)

    def _go(self, run: RunState, world: WorldState, words: list[str], rest: str) -> list[str]:
        from miyabi_tui.screens.refusals import why_no_diff

        if refusal := why_no_diff(world) or ("" if self._terminal else NO_TERMINAL):
            return [refusal]
        at_work, how = beside.is_at_work(run, world), rest.lower()
        if at_work and how not in (PAUSE, BESIDE):
            verb, name = "edit" if words else "shell", world.id.lower()
            return [
                f"{world.id} is at work in this folder: it may change files under your hands, "
                f"and yours under its. {verb} {name} {PAUSE} lets it stand still until you are "
                f"back, {verb} {name} {BESIDE} does not."
            ]
        try:
            folder = beside.folder_of(self._control, world)
        except MiyabiError as error:
            return [str(error)]
        pauses = at_work and how == PAUSE
        changed = beside.changed_for(words, self._control, world)
        env = beside.environment(run, world, folder)
        what = words[0].rpartition("/")[2] if words else "the shell"
        if pauses:
            self._control.pause(world.id)
        try:
            if words:
                code = aside.edit(words, folder, changed, env)
            else:
                greeting = beside.greeting(world, folder, pauses)
                aside.shell(folder, world.id.value, greeting, env)
                code = 0  # a shell's is that of its last command
        except OSError as error:
            return [f"{what} cannot be started: {error.strerror or error}"]
        finally:
            if pauses:
                self._control.proceed(world.id)
        return [beside.back(world, what, code, pauses)]
