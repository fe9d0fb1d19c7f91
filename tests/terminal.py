"""A real terminal for tests: a pty with a program in it, and a screen that can be read."""

from __future__ import annotations

import copy
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import TYPE_CHECKING, Any, Self

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Makes the pty the program's controlling terminal, so that closing it hangs up, then becomes it.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
ALTERNATE = 1049


def _sizeless() -> dict[str, str]:
    """The environment without a size of a terminal, which would go before that of the pty."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Screen(pyte.Screen):
    """One that has, as real ones do, another screen for whole programs."""

    _below: dict[int, Any] | None = None

    def set_mode(self, *modes: int, **how: Any) -> None:
        """Turn to the other screen, or whatever else is asked."""
        if ALTERNATE in modes and how.get("private") and self._below is None:
            self.save_cursor()
            self._below = copy.deepcopy(dict(self.buffer))
            self.erase_in_display(2)
        super().set_mode(*modes, **how)

    def reset_mode(self, *modes: int, **how: Any) -> None:
        """Turn back."""
        super().reset_mode(*modes, **how)
        if ALTERNATE in modes and how.get("private") and self._below is not None:
            self.erase_in_display(2)
            self.buffer.update(self._below)
            self._below = None
            self.restore_cursor()


class Terminal:
    """A program, `python ARGS`, in a terminal of `columns` × `rows`."""

    def __init__(
        self,
        *args: str,
        cwd: Path,
        columns: int = 120,
        rows: int = 40,
        python: str = sys.executable,
        **env: str,
    ) -> None:
        self.screen = Screen(columns, rows)
        self.said = b""  # all that the program wrote
        self.held: list[str] | None = None  # answers that are still under way, where they take long
        self.screen.write_process_input = self._answer  # type: ignore[method-assign]
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [python, "-c", TAKE_TERMINAL, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            start_new_session=True,
            env={**_sizeless(), "TERM": "xterm-256color", "COLORTERM": "truecolor", **env},
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    @property
    def text(self) -> str:
        """The screen as it is now."""
        return "\n".join(self.screen.display)

    def until(
        self, seen: str | Callable[[str], bool], timeout: float = 40, *, poll: bool = False
    ) -> str:
        """Read until the screen shows what is wanted; the screen then.

        With `poll` look also when nothing is written: what is wanted is not on the screen.
        """
        wanted = (lambda text: seen in text) if isinstance(seen, str) else seen
        end = time.monotonic() + timeout
        while not wanted(self.text):
            left = end - time.monotonic()
            assert left > 0, f"never saw {seen!r}:\n{self.text}"
            if not self._read(0.05 if poll else left):
                assert wanted(self.text), f"ended without {seen!r}:\n{self.text}"
        return self.text

    def _read(self, timeout: float) -> bool:
        """Take in what there is; False at the end."""
        if not select.select([self._master], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self.said += data
        self._stream.feed(data)
        return bool(data)

    def _answer(self, data: str) -> None:
        """Where the cursor is, as every terminal says when it is asked."""
        if data.endswith("R") and self.held is not None:
            self.held.append(data)
        elif data.endswith("R"):
            os.write(self._master, data.encode())

    def press(self, *keys: str) -> None:
        """Type keys."""
        for key in keys:
            os.write(self._master, key.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, as a window manager does."""
        self.screen.resize(rows, columns)
        ioctl(self._master, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def end(self, timeout: float = 40) -> int:
        """Read until the program has ended; its exit code."""
        limit = time.monotonic() + timeout
        while self._read(1.0):
            assert time.monotonic() < limit, f"does not end:\n{self.text}"
        return self.process.wait(timeout)

    def hang_up(self) -> None:
        """Close the terminal, as a dropped line does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
