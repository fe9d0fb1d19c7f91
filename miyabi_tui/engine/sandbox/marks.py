"""Processes by the mark in their environment, also after their engine was killed.

`python -m miyabi_tui.engine.sandbox.marks OWNER` waits for the end of its standard input, which an
engine holds open as long as it lives, and then ends whatever carries that owner's mark.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "MIYABI_SANDBOX"
AT_MOST = 100  # rounds; whoever forks faster than it is killed must not hold us for ever


def marked(owner: str) -> set[int]:
    """The processes of this user whose mark begins with `owner`."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.uids().real == os.getuid() and process.environ().get(MARK, "").startswith(
                owner
            ):
                found.add(process.pid)
    return found


def end_marked(owner: str) -> int:
    """Kill whatever carries a mark that begins with `owner`; how many there were. Blocks."""
    ended: set[int] = set()
    for _ in range(AT_MOST):
        found = marked(owner)
        if not found:
            break
        ended |= found
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    return len(ended)


@contextlib.contextmanager
def watched(owner: str) -> Iterator[None]:
    """As long as this lasts, another process watches: if we are killed, it ends what is ours."""
    command = [sys.executable, "-P", "-m", "miyabi_tui.engine.sandbox.marks", owner]
    try:
        watcher = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
    except OSError:  # nothing to start it with: a resume looks for what is left anyway
        yield
        return
    try:
        yield
    finally:
        assert watcher.stdin is not None
        watcher.stdin.close()
        watcher.wait()


def main(owner: str) -> None:
    """Wait for the engine's end, then end what it left."""
    from miyabi_tui.engine.sandbox.remains import end_remains

    for one in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_remains(owner)


if __name__ == "__main__":
    main(sys.argv[1])
