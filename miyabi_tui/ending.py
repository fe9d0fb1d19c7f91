"""Ends: signals, closed terminals, readers that go away. Nothing is left running or unreadable."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import termios
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType
    from typing import TextIO

    from miyabi_tui.engine.engine import Engine

INTERRUPTED = 3  # the exit code, as in `cli`
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Leave the other screen, show the cursor, release mouse, focus and paste, tell of dark and light no
# more, order right-to-left text again.
SANE = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l"
    b"\x1b[?2031l\x1b[8h\r\n"
)


@contextlib.contextmanager
def on_signals(
    engine: Engine | None,
    leave: Callable[[], None],
    signals: Sequence[signal.Signals] = SIGNALS,
    *,
    resumable: bool = True,
    at_last: Callable[[], None] | None = None,
) -> Iterator[None]:
    """The first signal ends the run in order and calls `leave`; a second one ends at once.

    Without an engine the run is another process's, and goes on. `resumable` says that ours could
    go on later; `at_last` is called before an end at once.
    """
    terminal = _Terminal()
    asked = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        # The engine first: a screen whose terminal does not read cannot even leave.
        if engine is not None and asked <= 2:  # also the second: it may interrupt the first here
            with contextlib.suppress(Exception):  # its thread may be ending in this very moment
                engine.stop()
        if asked == 1:
            leave()
            return
        if engine is not None and asked == 2:  # later ones do not even wait for the journal
            with contextlib.suppress(Exception):  # whatever it meets, we end
                engine.abandon()
        if at_last is not None:
            at_last()
        terminal.restore()
        if engine is not None and resumable and engine.state.run_id:
            terminal.say(f"nothing is lost; go on with: miyabi resume {engine.run_id}\n")
        os._exit(INTERRUPTED)

    before = {one: signal.signal(one, handle) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as ctrl+c does, unless they are ignored."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()  # the only one that may
    plain = [one for one in SIGNALS if here and signal.getsignal(one) is signal.SIG_DFL]
    for one in plain:
        signal.signal(one, handle)
    try:
        yield
    finally:
        for one in plain:
            signal.signal(one, signal.SIG_DFL)


@contextlib.contextmanager
def stops_as_before() -> Iterator[None]:
    """Afterwards ctrl+z and fg are as before: Textual would go on with a screen that is gone."""
    here = threading.current_thread() is threading.main_thread()
    before = {one: signal.getsignal(one) for one in (signal.SIGTSTP, signal.SIGCONT) if here}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Terminal:
    """The terminal as it was found, and its real descriptors: a screen replaces sys.stdout."""

    def __init__(self) -> None:
        self._in = _descriptor(sys.__stdin__)
        self._out = _descriptor(sys.__stdout__)
        self._err = _descriptor(sys.__stderr__)
        self._settings: list[object] | None = None
        with contextlib.suppress(termios.error, OSError, ValueError):
            self._settings = list(termios.tcgetattr(self._in))

    def restore(self) -> None:
        """Make it usable, without waiting for one that does not read."""
        if self._settings is None:
            return
        _put(self._out, SANE)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._in, termios.TCSANOW, self._settings)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """A last line, also where nobody can read it any more."""
        _put(self._err, line.encode())


def _descriptor(stream: TextIO | None) -> int:
    try:
        return stream.fileno() if stream is not None else -1
    except (OSError, ValueError):
        return -1


def _put(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(OSError):
        os.set_blocking(descriptor, False)
        os.write(descriptor, data)
    with contextlib.suppress(OSError):  # the shell has the same terminal
        os.set_blocking(descriptor, True)


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
