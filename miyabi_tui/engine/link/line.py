"""A watcher's end of the link: finding the engine, and agreeing with it on how to speak."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui import __version__
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.link import place, wire
from miyabi_tui.engine.store.lock import is_driven

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

ANSWER_SECONDS = 10.0  # for the engine's first word; it may be busy
RETRY_SECONDS = 10.0  # an engine that resumes a run holds it for a while before it listens
RETRY_PAUSE = 0.05


class OtherVersion(UsageError):
    """The engine is of another version of this program; `pid` is its process."""

    def __init__(self, run_id: str, refused: wire.Refused) -> None:
        super().__init__(
            f"run {run_id} is driven by miyabi {refused.program}, and this is {__version__}",
            "they cannot speak to each other",
            f"use that version, or end the run: miyabi stop {run_id}",
        )
        self.pid = refused.pid


class Line:
    """A connected socket: said from any thread, read from one."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._file: BinaryIO = opened.makefile("rb")
        self._turn = threading.Lock()

    def say(self, message: wire.Message) -> None:
        """Send it; on a line that broke it is lost, and the reader finds that out."""
        with self._turn, contextlib.suppress(OSError):
            self._socket.sendall(wire.line(message))

    def read(self) -> bytes:
        """The next line, empty at the end."""
        return self._file.readline()

    def hang_up(self) -> None:
        """Wake the reader, from any thread, as if the other side had closed."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it; for whoever reads."""
        self._file.close()
        self._socket.close()


def connect(journal: Path, run_id: str, hello: wire.Hello, given_up: Callable[[], bool]) -> Line:
    """A line to the engine of a run, on which both sides have agreed to speak.

    Raises:
        UsageError: nobody drives the run, or whoever does cannot be spoken to.
    """
    end = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return _greet(journal, run_id, hello)
        except OSError as error:
            if not is_driven(journal, run_id):
                raise UsageError(
                    f"nobody drives run {run_id}",
                    "",
                    f"go on with it: miyabi resume {run_id}, or look at it: miyabi show {run_id}",
                ) from error
            if given_up() or time.monotonic() > end:
                raise UsageError(
                    f"the engine of run {run_id} does not answer",
                    str(error),
                    "act on it in its own terminal",
                ) from error
        time.sleep(RETRY_PAUSE)


def _greet(journal: Path, run_id: str, hello: wire.Hello) -> Line:
    """One try.

    Raises:
        OSError: nobody is there, or nobody that speaks.
        OtherVersion: they speak otherwise.
    """
    path = place.socket_path(journal, run_id)
    opened = socket.socket(socket.AF_UNIX)
    try:
        with place.address(path) as name:
            opened.settimeout(ANSWER_SECONDS)
            opened.connect(name)
        if not place.is_ours(opened):
            raise PermissionError("another user listens there")
    except BaseException:
        opened.close()
        raise
    line = Line(opened)
    try:
        line.say(hello)
        answer = wire.greeting(line.read())
        if isinstance(answer, wire.Refused):
            raise OtherVersion(run_id, answer)
        opened.settimeout(None)
    except (msgspec.MsgspecError, UnicodeError) as error:
        line.close()
        raise ConnectionError(f"no miyabi speaks there: {error}") from error
    except BaseException:
        line.close()
        raise
    return line
