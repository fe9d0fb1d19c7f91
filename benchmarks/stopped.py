"""A terminal that reads nothing for a minute (ctrl+s, a closed lid) stops the painting alone.

5 × 200 tokens/s: the engine takes in ≥ 99 %, late by ≤ 5 ms (p99); memory grows by ≤ 5 MB more than
beside a terminal that reads; within a second after it reads again all streams are of now and a key
is answered.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.common import verdict
from benchmarks.screen import NAMES, WARM, Line

STOPPED, BEFORE, AFTER = 60.0, 6.0, 10.0
MEGABYTE = 1 << 20


def main() -> bool:
    """Measure; whether all bounds are kept."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report")
        argv = [sys.executable, "-m", "benchmarks.screen_child", "cockpit", "200"]
        argv.append(str(BEFORE + STOPPED + AFTER))
        reads = Line([*argv, str(Path(scratch, "other"))], 0)
        stops = Line([*argv, str(report)], 0)
        try:
            time.sleep(WARM + BEFORE)
            before = [memory(one) for one in (reads, stops)]
            stops.stop()
            time.sleep(STOPPED)
            usual, grown = (
                memory(one) - old for one, old in zip((reads, stops), before, strict=True)
            )
            stops.go_on()
            back = until_now(stops)
            key = max(stops.press(str(n + 1), f"▸ {NAMES[n]}") for n in (1, 3))
            until = time.monotonic() + AFTER + 30
            while not report.exists() and time.monotonic() < until:
                time.sleep(0.1)
            told = json.loads(report.read_text())
        finally:
            reads.end()
            stops.end()
    print(
        f"     back after {back:.2f} s; memory {grown:+.1f} MB, beside one that reads {usual:+.1f}"
    )
    return all(
        [
            verdict("left out of what was fed", 1 - told["fed"] / told["asked"], 0.01),
            verdict("engine late, p99 ms", told["late_p99"] * 1000, 5),
            verdict("memory more than one that reads, MB", grown - usual, 5),
            verdict("all streams of now after, s", back, 1),
            verdict("then a key answered after, s", key, 1),
        ]
    )


def memory(line: Line) -> float:
    """What its program holds, in MB."""
    return float(psutil.Process(line.pid).memory_info().rss) / MEGABYTE


def until_now(line: Line) -> float:
    """Seconds until all streams show what was said since it was asked."""
    begun = time.monotonic()
    while time.monotonic() - begun < AFTER and not all(age < 1 for age in line.ages(since=begun)):
        time.sleep(0.01)
    return time.monotonic() - begun


if __name__ == "__main__":
    raise SystemExit(not main())
