"""ctrl+z: the shell has its terminal back, and we are one of its jobs, until `fg` or `bg`.

With `bg` what the screen shows goes on without it, and `fg` brings it back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import time
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType

from miyabi_tui.paced_app import PacedApp

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.driver import Driver
    from textual.timer import Timer

    from miyabi_tui.terminal_ground import Question

SETTLED = 0.1  # seconds after which a size is taken to stay
LOOKS = 0.1  # seconds between looks whether the terminal is ours again


class JobApp(PacedApp):
    """An app that the shell can stop, as it can any program.

    `question` knows how the terminal was set before.
    """

    question: Question
    _begun = False
    _settling: Timer | None = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "stop_job", "Stop", show=False, priority=True),
        Binding("ctrl+l", "paint_anew", "Paint anew", show=False, priority=True),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a text ctrl+z takes back what was typed last."""
        if action == "stop_job" and self.focused is not None:
            from textual.widgets import TextArea

            return not isinstance(self.focused, TextArea)
        return super().check_action(action, parameters)

    def action_paint_anew(self) -> None:
        """Paint every cell: something else has written over the screen."""
        if (terminal := self._terminal) is not None:
            terminal.begin_anew()
        self.refresh(layout=True)

    def on_resize(self, event: events.Resize) -> None:
        """Once the size stays: what became smaller and is as before again is torn all the same."""
        if (terminal := self._terminal) is not None:
            terminal.forget_picture()  # a terminal of another size may show anything
        if self._settling is not None:
            self._settling.stop()
        if self._begun:
            self._settling = self.set_timer(SETTLED, self._settle)
        self._begun = True

    def _settle(self) -> None:
        """Have the present size heard by a screen that came up between two, and paint anew."""
        self._settling = None
        if not self.screen_stack:  # it leaves meanwhile
            return
        self.screen.post_message(events.Resize(self.size, self.size))
        self.call_later(self.action_paint_anew)

    async def hold_still(self) -> str:
        """Before the stop: what goes on by itself stands still from here on; what that means."""
        return "miyabi is stopped; fg brings it back"

    def go_on(self) -> None:
        """After the stop: what stood still goes on."""

    async def action_stop_job(self) -> None:
        """Give the terminal back and stop, until the shell lets us go on."""
        driver = self._driver
        if driver is None or self._terminal is None:
            return
        said = await self.hold_still()
        try:
            with driver.no_automatic_restart():
                driver.suspend_application_mode()
                _say(said)
                ours = _stopped(driver, lambda: self._exit, self.go_on)
            if ours:
                self.terminal_again(driver)
            else:
                self.question.settings = None  # the terminal is the shell's: it stays as it is
        finally:
            self.go_on()

    def terminal_again(self, driver: Driver) -> None:
        """Take a terminal that is ours and empty."""
        driver.resume_application_mode()
        self.refresh(layout=True)

    def retake_terminal(self) -> None:
        """We were stopped without a word, and whoever had the terminal meanwhile has set it."""
        if self._driver is not None and not self._exit:
            self._driver.suspend_application_mode()
            self.terminal_again(self._driver)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\r\n".encode())


def _stopped(driver: Driver, leaving: Callable[[], bool], go_on: Callable[[], None]) -> bool:
    """Stop this job, and wait for the terminal; False where we are to leave without it.

    The signal goes to whoever started us too: the shell waits for the whole job. One without a
    shell, which nobody could bring back, the kernel does not stop.
    """
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        os.kill(0, signal.SIGTSTP)
        while not leaving():
            if _in_front():
                return True
            go_on()
            time.sleep(LOOKS)
        return False
    finally:
        signal.signal(signal.SIGTSTP, before)


def _in_front() -> bool:
    """Whether the terminal is ours, or there is none that could be anybody else's."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp()  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError, termios.error):
        return True
