"""The cockpit against five `RichLog`s, in a real terminal of 200×50, also over slow lines.

CPU of `miyabi run`, its engine fed by a recording of 5 × 200 tokens/s, ≤ 1/6 of RichLog's, bytes ≤
1/7; at 5 × 5,000 all is taken in with ≤ 30 % of a core; key → paint under 5 × 1,000 tokens/s p50 ≤
25, p99 ≤ 60 ms, also after 10 million tokens, which take ≤ 10 MB more than 100,000; over 125 KB/s
p99 ≤ 100 ms, over 8 KB/s p50 ≤ 150 ms and p99 ≤ 400 ms. The slow lines are made here: what the
program writes comes through at that many bytes a second, behind a buffer of 64 KB as ssh has.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import statistics
import struct
import sys
import tempfile
import threading
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import TYPE_CHECKING

import psutil

from benchmarks.common import COLUMNS, NO_BYTECODE, ROWS, verdict
from benchmarks.screen_child import text
from miyabi_tui.engine.worlds import FIVE
from tests import racing

if TYPE_CHECKING:
    from collections.abc import Mapping

BUFFER = 65_536
WARM = 3.0
_QUESTIONS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[?2026$p": b"\x1b[?2026;2$y"}
_PEN = rb"(?:\x1b\[[0-9;]*[mX]|\s)*"
NAMES = (b"1 Alpha", b"2 Beta", b"3 Gamma", b"4 Delta", b"5 Epsilon")


class Line:
    """A terminal behind a line of so many bytes a second; 0: as quick as it can."""

    def __init__(self, argv: list[str], rate: float, env: Mapping[str, str] | None = None) -> None:
        self.total = 0
        self.seen = b""
        self._rate = rate
        self._buffer = b""
        self._over = False
        self._lock = threading.Condition()
        pid, self.terminal = pty.fork()
        if pid == 0:
            base = {key: value for key, value in os.environ.items() if key != NO_BYTECODE}
            base |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(argv[0], argv, {**base, **(env or {})})
        self.pid = pid
        ioctl(self.terminal, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        threading.Thread(target=self._take, daemon=True).start()
        threading.Thread(target=self._show, daemon=True).start()

    def _take(self) -> None:
        """What the program writes, into the buffers of the line."""
        while True:
            with self._lock:
                while len(self._buffer) >= BUFFER:
                    self._lock.wait()
            try:
                data = os.read(self.terminal, 65_536)
            except OSError:
                data = b""
            with self._lock:
                self._buffer += data
                self._over = not data
                self._lock.notify_all()
            if not data:
                return

    def _show(self) -> None:
        """What comes out of the line: the terminal sees it, and answers."""
        tail = b""
        while True:
            with self._lock:
                while not self._buffer and not self._over:
                    self._lock.wait()
                if not self._buffer:
                    return
                size = len(self._buffer) if not self._rate else max(1, int(self._rate * 0.005))
                data, self._buffer = self._buffer[:size], self._buffer[size:]
                self._lock.notify_all()
            if self._rate:
                time.sleep(len(data) / self._rate)
            with self._lock:
                self.total += len(data)
                self.seen = (self.seen + data)[-200_000:]
                self._lock.notify_all()
            tail += data
            for question, answer in _QUESTIONS.items():
                if question in tail:
                    os.write(self.terminal, answer * tail.count(question))
                    tail = tail.replace(question, b"")
            tail = tail[-12:]

    def press(self, key: str, shown: re.Pattern[bytes], patience: float = 5.0) -> float:
        """Seconds from a key until the terminal sees this pattern."""
        with self._lock:
            self.seen = b""
        started = time.perf_counter()
        os.write(self.terminal, key.encode())
        with self._lock:
            while not shown.search(self.seen):
                left = patience - (time.perf_counter() - started)
                if left <= 0:
                    return patience
                self._lock.wait(left)
        return time.perf_counter() - started

    def end(self) -> None:
        """End the program."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def raced(rate: float, seconds: float) -> dict[str, float]:
    """The whole program racing five recorded worlds that say so many tokens a second."""
    with tempfile.TemporaryDirectory() as scratch:
        project = racing.make_project(Path(scratch, "project"))
        turns = Path(scratch, "turns")
        turns.mkdir()
        for world in FIVE:
            words = text(world)
            said = "".join(next(words) for _ in range(int(rate * (seconds + 40))))
            finish = {"name": "finish", "arguments": {"summary": "said all"}}
            turn = {"text": said, "tool_calls": [finish]}
            (turns / f"{world.lower()}.json").write_text(json.dumps([turn]))
        pace = len(said) / (seconds + 40)
        (turns / "recording.json").write_text(json.dumps({"characters_per_second": pace}))
        argv = [sys.executable, "-m", "miyabi_tui", "run", "talk", "--repo", str(project)]
        settings = {"MIYABI_STATE_DIR": scratch, "MIYABI_ISOLATION": "process"}
        at = Line([*argv, "--model", f"replay/{turns}"], 0, settings)
        while b"the row" not in at.seen:
            time.sleep(0.1)
        time.sleep(WARM)
        program = psutil.Process(at.pid)
        bytes_before, before, begun = at.total, sum(program.cpu_times()[:2]), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - begun
        used = sum(program.cpu_times()[:2]) - before
        told = {"cpu": used / took, "bytes": (at.total - bytes_before) / took}
        os.kill(at.pid, signal.SIGTERM)
        os.waitpid(at.pid, 0)
    return told


def child(
    what: str, rate: float, seconds: float, line: float = 0, keys: bool = False, before: int = 0
) -> dict[str, float]:
    """Run one; what it took, its bytes, and in milliseconds how late its keys were seen."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report")
        argv = [sys.executable, "-m", "benchmarks.screen_child", what, str(rate), str(seconds)]
        at = Line([*argv, str(report), str(before)], line)
        while not report.with_suffix(".begun").exists():
            time.sleep(0.1)
        time.sleep(WARM + (6 if line and line < 20_000 else 0))
        total, begun = at.total, time.monotonic()
        found: list[float] = []
        number = 0
        while time.monotonic() - begun < seconds - WARM - 2 and keys:
            number = (number + 1) % 5
            shown = re.compile("▸".encode() + _PEN + NAMES[number])
            found.append(at.press(str(number + 1), shown) * 1000)
            time.sleep(0.11 + 0.013 * (len(found) % 7))
        if not keys:
            time.sleep(seconds - WARM - 1)
        told: dict[str, float] = {"bytes": (at.total - total) / (time.monotonic() - begun)}
        until = time.monotonic() + seconds + 30
        while not report.exists() and time.monotonic() < until:
            time.sleep(0.1)
        told |= json.loads(report.read_text())
        at.end()
    if found:
        found.sort()
        told |= {"p50": statistics.median(found), "p99": found[int(len(found) * 0.99)]}
        told["keys"] = len(found)
    return told


def main() -> bool:
    """Measure; whether all bounds are kept."""
    kept = []
    ours, theirs = raced(200, 12), child("richlog", 200, 14)
    print(f"     5 × 200: miyabi {told(ours)}; RichLog {told(theirs)}")
    kept.append(verdict("CPU ÷ RichLog's", ours["cpu"] / theirs["cpu"], 1 / 6))
    kept.append(verdict("bytes ÷ RichLog's", ours["bytes"] / theirs["bytes"], 1 / 7))
    flood = child("cockpit", 5_000, 14)
    print(f"     5 × 5,000: {told(flood)}")
    kept.append(verdict("5 × 5,000 tokens/s: CPU of a core", flood["cpu"], 0.30))
    kept.append(verdict("… left out of what was fed", 1 - flood["fed"] / flood["asked"], 0.01))
    quick = child("cockpit", 1_000, 20, keys=True)
    kept.append(verdict("key → paint under 5 × 1,000, p50 ms", quick["p50"], 25))
    kept.append(verdict("… p99 ms", quick["p99"], 60))
    long = child("cockpit", 1_000, 20, keys=True, before=10_000_000)
    kept.append(verdict("key → paint after 10 million tokens, p50 ms", long["p50"], 25))
    kept.append(verdict("… p99 ms", long["p99"], 60))
    more = (long["memory"] - long["memory_after_little"]) / 1e6
    kept.append(verdict("MB more after 10 million tokens than after 100,000", more, 10))
    for rate, least, most in ((125_000, None, 100), (8_000, 150, 400)):
        slow = child("cockpit", 200, 40, line=rate, keys=True)
        print(
            f"     {rate / 1000:g} KB/s: {told(slow)},"
            f" {slow['keys']:.0f} keys, p50 {slow['p50']:.0f} ms"
        )
        if least:
            kept.append(verdict("… key → paint p50 ms", slow["p50"], least))
        kept.append(verdict(f"{rate / 1000:g} KB/s: key → paint p99 ms", slow["p99"], most))
    return all(kept)


def told(one: dict[str, float]) -> str:
    """CPU, bytes and lag in words."""
    late = f", engine late p99 {one['late_p99'] * 1000:.1f} ms" if "late_p99" in one else ""
    return f"{one['cpu'] * 100:.1f} % of a core, {one['bytes'] / 1000:.1f} KB/s{late}"


if __name__ == "__main__":
    raise SystemExit(not main())
