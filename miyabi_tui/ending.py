"""Ends: signals, closed terminals, readers that go away. Nothing is left running or unreadable."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from miyabi_tui.engine.engine import Engine

INTERRUPTED = 3  # the exit code, as in `cli`
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Leave the other screen, show the cursor, release mouse, focus and paste.
SANE = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\r\n"


@contextlib.contextmanager
def on_signals(
    engine: Engine | None,
    leave: Callable[[], None],
    signals: Sequence[signal.Signals] = SIGNALS,
) -> Iterator[None]:
    """The first signal ends the run in order and calls `leave`; a second one ends at once.

    Without an engine the run is another process's, and goes on.
    """
    terminal = _terminal()
    asked = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > 2:  # not even the journal is waited for
            _restore(terminal)
            os._exit(INTERRUPTED)
        if asked == 2:
            if engine is not None:
                engine.abandon()
            _restore(terminal)
            if engine is not None:
                _say(f"nothing is lost; go on with: miyabi resume {engine.run_id}\n")
            os._exit(INTERRUPTED)
        # The engine first: a screen whose terminal does not read cannot even leave.
        if engine is not None:
            engine.stop()
        leave()

    before = {one: signal.signal(one, handle) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _terminal() -> list[object] | None:
    try:
        return list(termios.tcgetattr(sys.stdin.fileno()))
    except (termios.error, OSError, ValueError):
        return None


def _say(line: str) -> None:
    """A last line, also where nobody can read it any more."""
    with contextlib.suppress(OSError):
        os.set_blocking(sys.stderr.fileno(), False)
        os.write(sys.stderr.fileno(), line.encode())


def _restore(settings: list[object] | None) -> None:
    """Make the terminal usable, without waiting for one that does not read."""
    if settings is None:
        return
    with contextlib.suppress(OSError, termios.error):
        os.set_blocking(sys.stdout.fileno(), False)
        os.write(sys.stdout.fileno(), SANE)
    with contextlib.suppress(OSError, termios.error):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, settings)  # type: ignore[arg-type]


@contextlib.contextmanager
def reader_may_go() -> Iterator[None]:
    """Whoever reads us may go away; then Python must not flush to them at exit either."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(silence, stream.fileno())
