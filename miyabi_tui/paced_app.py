"""An app that paints no faster than its terminal takes it in."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from textual.app import App

from miyabi_tui.pacing import QUESTION, Pacer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen
    from textual.timer import Timer

    from miyabi_tui.driver import ScreenDriver

LOOKS = 0.5  # seconds between looks at a terminal that does not answer
FULL_QUEUE = 20  # writes that wait: a terminal that reads nothing is not asked again


class PacedApp(App[int]):
    """Each frame waits for the terminal's answer to the one before; keys are never waited for."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pacer = Pacer()
        self._held = False
        self._lost = False

    @property
    def _terminal(self) -> ScreenDriver | None:
        driver: Any = self._driver  # of Textual's own kinds, none counts what it writes
        return driver if hasattr(driver, "written") else None

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """A new layout is painted at once, also while all is held back: then it is owed."""
        self._lost = self._lost or (self._held and renderable is not None)
        terminal = self._terminal
        with nullcontext() if terminal is None else terminal.one_write():
            super()._display(screen, renderable)

    def post_display_hook(self) -> None:
        """A frame went out: ask, and paint nothing more before the answer."""
        terminal = self._terminal
        if terminal is None or not self.pacer.asks or not self.is_running:
            return
        if size := terminal.written():
            terminal.ask(QUESTION)
            self.pacer.sent(size, time.monotonic())
            self._hold(not self.pacer.open)

    def let_out(self) -> None:
        """A key has changed something: it need not wait for the frame that is under way."""
        if self._held and self.pacer.open_for_keys:
            self._hold(False)

    def frame_seen(self, at: float) -> None:
        """The terminal has answered; `at` by the monotonic clock."""
        self.pacer.answered(at)
        self._hold(not self.pacer.open)

    def terminal_is_back(self) -> None:
        """The terminal was given away and is ours again."""
        self.pacer.forget()
        self._hold(False)

    def set_timer(self, *given: Any, **options: Any) -> Timer:
        """A timer of the app; it rings for certain.

        Textual skips what should have rung already, also what rings but once. So a machine that
        stood still for 8 ms at the wrong moment made it wait for ever for the next size.
        """
        timer = super().set_timer(*given, **options)
        timer._skip = False
        return timer

    def on_mount(self) -> None:
        """Begin to look after the terminal's answers."""
        self.set_interval(LOOKS, self._look, name="pacing")

    def _look(self) -> None:
        """Ask again where an answer got lost, and give up a terminal that never answers."""
        terminal = self._terminal
        if terminal is None:
            return
        if self.pacer.due(time.monotonic()) and terminal.waiting < FULL_QUEUE:
            terminal.ask(QUESTION)
            self.pacer.sent(0, time.monotonic())
        self._hold(not self.pacer.open)

    def _hold(self, held: bool) -> None:
        """Hold all painting back, or let it go; what changed meanwhile is painted as it is then."""
        if held is self._held:
            return
        self._held = held
        if held:
            self._begin_batch()
        else:
            self._end_batch()
            if self._lost:
                self._lost = False
                self.screen.refresh()
            self.screen.check_idle()
