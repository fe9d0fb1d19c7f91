"""MiyabiApp: themes, style sheets, the palette, and the race screen. Everything else is elsewhere.

The engine is a context manager entered around the app, with a loop and a thread of its own; the app
only holds its `Control`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType

from miyabi_tui.drawn_app import DrawnApp
from miyabi_tui.screens.race import RaceScreen
from miyabi_tui.styles import SHEETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import PurePath

    from textual import events
    from textual.screen import Screen

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.terminal_ground import Question
    from miyabi_tui.terminal_kind import Look

STILL_WITHIN = 3.0  # seconds after which a stop is not held up any longer


class MiyabiApp(DrawnApp):
    """The terminal app over one run."""

    TITLE = "miyabi"
    CSS_PATH: ClassVar[list[str | PurePath]] = [*SHEETS]
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        control: Control,
        *,
        clock: Callable[[], float] = time.time,
        look: Look | None = None,
        question: Question | None = None,
        race: type[RaceScreen] = RaceScreen,
    ) -> None:
        super().__init__(look, question)
        self._control = control
        self._interrupted = False
        self.race = race(control, clock)

    @property
    def state(self) -> RunState:
        """The run as last folded."""
        return self.race.bridge.state

    def settle(self) -> RunState:
        """Fold what came after the screen was closed; the final state."""
        self.race.bridge.pump()
        return self.state

    def get_default_screen(self) -> Screen[None]:
        """The race is the only screen until something is asked."""
        return self.race

    def on_mount(self) -> None:
        """Begin the race once the first frame is out: the engine's imports must not delay it."""
        self.call_after_refresh(self._control.start)

    def on_key(self, event: events.Key) -> None:
        """A letter that was under way when a search opened is one of it, and no key of the race."""
        if self.screen is self.race and self.race.takes(event):
            event.stop()
            event.prevent_default()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: every command of the race, and the themes."""
        if screen is self.race:
            for one in self.race.listed():
                action = f"screen.{one.action}"
                yield SystemCommand(f"{one.title} ({one.key})", one.help, self._later(action))
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)

    def action_command_palette(self) -> None:
        """All commands."""
        from miyabi_tui.palette import Palette

        if not Palette.is_open(self):  # type: ignore[arg-type]
            self.push_screen(Palette(id="--command-palette"))

    def _later(self, action: str) -> Callable[[], None]:
        def run() -> None:
            self.call_later(self.run_action, action)

        return run

    async def action_quit(self) -> None:
        """Leave as `q` does."""
        self._close_dialogs()
        self.race.action_leave()

    async def action_interrupt(self) -> None:
        """As `q`; a second time, leave at once."""
        if self._interrupted:
            self.race.leave()
            return
        self._interrupted = True
        self.set_timer(5, self._calm)
        await self.action_quit()

    async def hold_still(self) -> str:
        """Before a stop: pause what our engine has at work, and wait until it stands still."""
        if self._control.attached or not self.race.hold_still():
            return await super().hold_still()
        import anyio

        with anyio.move_on_after(STILL_WITHIN):
            while not self.race.stands_still:  # noqa: ASYNC110 the timer folds what it hears
                await anyio.sleep(0.02)
        return "miyabi and its worlds stand still; fg goes on, bg goes on without the screen"

    def go_on(self) -> None:
        """After a stop."""
        self.race.go_on()

    def _calm(self) -> None:
        self._interrupted = False

    def _close_dialogs(self) -> None:
        while self.screen is not self.race and len(self.screen_stack) > 1:
            self.pop_screen()
