"""The app steps aside: the focused world's worktree in the person's editor, or in a shell."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, ClassVar

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from miyabi_tui import aside, beside
from miyabi_tui.beside import BESIDE, PAUSE
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.screens.dialog import HEIGHTS, WIDTHS
from miyabi_tui.screens.veiled import Veiled

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.screens.race_base import RaceBase


class StepQuestion(Veiled[str]):
    """A world is at work in the folder: pause it meanwhile, or not?"""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p,y", f"answer('{PAUSE}')", "Pause it and go", show=False),
        Binding("b", f"answer('{BESIDE}')", "Go while it works", show=False),
        Binding("n,q,escape", "answer('')", "Stay", show=False),
        Binding("left", "app.focus_previous", "Other button", show=False),
        Binding("right", "app.focus_next", "Other button", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = f"#{PAUSE}"

    def __init__(self, world: WorldState, what: str) -> None:
        super().__init__()
        self._world = world
        self._what = what

    def compose(self) -> ComposeResult:
        """Title, text, three buttons."""
        name = self._world.id
        text = (
            f"{name} is at work in this folder: it may change files under your hands, and yours "
            f"under its.\nPaused, it stands still at once and goes on when you come back. "
            f"The other worlds go on in any case."
        )
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(f"{self._what} in {name}'s worktree", classes="dialog-title", markup=False)
            yield Static(text, classes="dialog-text", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("p  pause it", id=PAUSE, compact=True)
                yield Button("b  as it works", id=BESIDE, compact=True)
                yield Button("n  stay", id="stay", compact=True)

    def action_answer(self, choice: str) -> None:
        """Answer and close."""
        self.dismiss(choice)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        event.stop()
        self.dismiss("" if event.button.id == "stay" else event.button.id)


class Stepping:
    """Lets go of the terminal and takes it back; one at a time, as the terminal is one."""

    def __init__(self, race: RaceBase, control: Control) -> None:
        self._race = race
        self._control = control

    def edit(self, world: WorldState) -> None:
        """The worktree in `$VISUAL` or `$EDITOR`."""
        try:
            words = aside.editor(os.environ)
        except MiyabiError as error:
            self._race.say(str(error))
            return
        self._begin(world, words)

    def shell(self, world: WorldState) -> None:
        """A shell in the worktree."""
        self._begin(world, [])

    def _begin(self, world: WorldState, words: list[str]) -> None:
        """Ask where the world is at work, then find its folder in a thread, then go."""
        what = words[0].rpartition("/")[2] if words else "A shell"

        def go(choice: str | None) -> None:
            if choice:
                work = functools.partial(self._find, world, words, choice == PAUSE)
                self._race.run_worker(work, thread=True, group="aside", exclusive=True)

        if beside.is_at_work(self._race.run_state, world):
            self._race.app.clear_notifications()
            self._race.app.push_screen(StepQuestion(world, what), go)
        else:
            go(BESIDE)

    def _find(self, world: WorldState, words: list[str], pause: bool) -> None:
        """Where to, and with which files: git and the file system, so in a thread."""
        app = self._race.app
        try:
            folder = beside.folder_of(self._control, world)
        except MiyabiError as error:
            app.call_from_thread(self._race.say, str(error))
            return
        changed = beside.changed_for(words, self._control, world)
        app.call_from_thread(self._go, world.id.value, folder, words, changed, pause)

    def _go(
        self, name: str, folder: Path, words: list[str], changed: list[str], pause: bool
    ) -> None:
        """Give the terminal away, until the program ends."""
        world = next(one for one in self._race.run_state.worlds if one.id.value == name)
        pauses = pause and beside.is_at_work(self._race.run_state, world)
        if pauses:
            self._control.pause(world.id)
        env = beside.environment(self._race.run_state, world, folder)
        what = f"{words[0].rpartition('/')[2]}" if words else "the shell"
        try:
            with self._race.app.suspend():
                if words:
                    code = aside.edit(words, folder, changed, env)
                else:
                    code = aside.shell(folder, name, beside.greeting(world, folder, pauses), env)
        except SuspendNotSupported:
            self._race.say("This terminal cannot be given away: the screen is not on a terminal.")
        except OSError as error:
            self._race.say(f"{what} cannot be started: {error.strerror or error}")
        else:
            said = beside.back(world, what, code if words else 0, pauses)
            self._race.notify(said, timeout=6, markup=False)
        finally:
            if pauses:
                self._control.proceed(world.id)
