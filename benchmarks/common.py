"""Timing in a noisy place: interleaved rounds, medians, and a verdict against a bound."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROWS, COLUMNS = 50, 200
_ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62c"}
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def run_seconds(argv: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """Wall seconds of a command."""
    started = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True, env={**os.environ, **(env or {})})
    return time.perf_counter() - started


def compare(rounds: int, **measured: Callable[[], float]) -> dict[str, float]:
    """The median of each measurement, taken in turns so that noise meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds):
        for name, measure in measured.items():
            times[name].append(measure())
    return {name: statistics.median(values) for name, values in times.items()}


def verdict(what: str, ratio: float, bound: float) -> bool:
    """Print one line; whether the ratio keeps the bound."""
    kept = ratio <= bound
    print(f"{'ok  ' if kept else 'OVER'} {what}: {ratio:.2f} (at most {bound:g})")
    return kept


def first_frame_seconds(
    argv: Sequence[str], marker: bytes, env: Mapping[str, str], key: bytes = b"", shown: bytes = b""
) -> float:
    """Wall seconds until `marker`, a pattern, is written to a real terminal of 200×50.

    With a key, until that is pressed then and answered by `shown`.
    """
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        # Installed packages have their bytecode; ours must be as warm, so it may be written.
        base = {key: value for key, value in os.environ.items() if key != NO_BYTECODE}
        os.execvpe(argv[0], list(argv), {**base, "TERM": "xterm-256color", **env})
    try:
        ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        seen = b""
        while not re.search(marker, seen):
            if not select.select([terminal], [], [], 20)[0]:
                raise TimeoutError(f"{argv} never painted {marker!r}: {seen[-500:]!r}")
            data = os.read(terminal, 65536)
            seen += data
            for question, answer in _ANSWERS.items():
                os.write(terminal, answer * data.count(question))
            if key and re.search(marker, seen):
                os.write(terminal, key)
                marker, key, seen = shown, b"", b""
        return time.perf_counter() - started
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


PYTHON = sys.executable
