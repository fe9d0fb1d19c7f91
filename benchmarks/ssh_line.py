"""The cockpit over a real ssh, behind a relay of 125 KB/s, and of 8 KB/s with 20 ms each way.

5 × 200 tokens/s. Over 125 KB/s key → paint p99 ≤ 100 ms, over 8 KB/s p50 ≤ 150 and p99 ≤ 400 ms; no
stream more than 1 s stale; the engine takes in ≥ 99 %; on the slow line ≤ 3 × the raw text. The
relay stands between ssh and sshd, with a buffer of 16 KB each way besides those of ssh and sockets.
Also, without a bound, 125 KB/s with 20 ms each way, which no key can be quicker than.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common import PYTHON, verdict
from benchmarks.screen import child
from tests.sshd import NoSshd, Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 45
LATER = 0.02  # seconds each way
RATES = ((125_000, 0.0, None, 100), (8_000, LATER, 150, 400))
TERMINAL = {"COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}


@contextmanager
def relayed(port: int, rate: float, later: float) -> Iterator[int]:
    """A relay to that port; its own."""
    command = [PYTHON, "-m", "benchmarks.relay", str(port), str(rate), str(later)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield int(relay.stdout.readline())
        finally:
            relay.terminate()


def main() -> bool:
    """Measure; whether all bounds are kept."""
    kept = []
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with Sshd(Path(scratch), {"PATH": os.environ["PATH"], **TERMINAL}) as sshd:
                for rate, later, middle, most in RATES:
                    kept += verdicts(rate, middle, most, over(sshd, rate, later))
                over(sshd, RATES[0][0], LATER)
        except NoSshd as error:
            print(f"left out: {error}")
    return all(kept)


def over(sshd: Sshd, rate: float, later: float) -> dict[str, float]:
    """What was measured over a line of so many bytes a second."""
    with relayed(sshd.port, rate, later) as port:

        def through(argv: list[str]) -> list[str]:
            there = ["sh", "-c", 'cd "$0" && exec "$@"', str(Path.cwd()), *argv]
            return sshd.command(there, port=port, options=["-tt"])

        found = child("cockpit", 200, SECONDS, keys=True, through=through, settle=8.0)
    print(
        f"     {rate / 1000:g} KB/s, {later * 1000:g} ms each way: {found['keys']:.0f} keys,"
        f" p50 {found['p50']:.0f}, p99 {found['p99']:.0f} ms; {found['bytes'] / 1000:.1f} KB/s of"
        f" {found['raw'] / 1000:.1f} KB/s raw; stale p50 {found['stale_p50']:.2f},"
        f" p99 {found['stale_p99']:.2f} s"
    )
    return found


def verdicts(rate: float, middle: float | None, most: float, found: dict[str, float]) -> list[bool]:
    """Whether the bounds of one rate are kept."""
    name = f"ssh {rate / 1000:g} KB/s"
    kept = [
        verdict(f"{name}: key → paint p99 ms", found["p99"], most),
        verdict("… streams stale, p99 s", found["stale_p99"], 1),
        verdict("… left out of what was fed", 1 - found["fed"] / found["asked"], 0.01),
    ]
    if middle is not None:
        kept.append(verdict("… key → paint p50 ms", found["p50"], middle))
        kept.append(verdict("… bytes ÷ raw text", found["bytes"] / found["raw"], 3))
    return kept


if __name__ == "__main__":
    raise SystemExit(not main())
