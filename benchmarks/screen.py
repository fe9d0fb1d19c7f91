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
    from collections.abc import Callable, Mapping

BUFFER = 65_536
WARM = 3.0
BEGINNING = 3.0  # seconds that a program may take until it is fed
DAYS = 1_000_000  # seconds in a stamp
_QUESTIONS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[?2026$p": b"\x1b[?2026;2$y"}
_STAMP = re.compile(rb"@([A-E])(\d{9})")  # see `screen_child`
_TOKEN = re.compile(
    r"\x1b\[(\d+);(\d+)H|\x1b\[(\d+)X|\x1b\[[0-9;?]*[ -/]*[@-~]|([^\x1b\n\r]+)|.", re.DOTALL
)
# An escape sequence or a letter of several bytes at the end that has begun.
_BEGUN = re.compile(
    rb"(?:\x1b(?:\[[0-9;?]*[ -/]*)?|[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?"
    rb"|[\xf0-\xf7][\x80-\xbf]{0,2})\Z"
)
NAMES = ("1 Alpha", "2 Beta", "3 Gamma", "4 Delta", "5 Epsilon")


class Glass:
    """What stands on the terminal, of the few things that are written."""

    def __init__(self) -> None:
        self._rows = [[" "] * (COLUMNS + 1) for _ in range(ROWS + 1)]
        self._row = self._column = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in what comes; what is not whole yet waits for the rest."""
        data = self._rest + data
        begun = _BEGUN.search(data)
        whole = data[: begun.start()] if begun else data
        self._rest = data[len(whole) :]
        for found in _TOKEN.finditer(whole.decode("utf-8", "replace")):
            row, column, erased, text = found.groups()
            if row:
                self._row, self._column = int(row) - 1, int(column) - 1
            elif erased:
                self._write(" " * int(erased))
            elif text:
                self._write(text)
                self._column += len(text)

    def _write(self, text: str) -> None:
        row = self._rows[min(self._row, ROWS)]
        row[self._column : self._column + len(text)] = text

    def shows(self, text: str, rows: int = 8) -> bool:
        """Whether one of the upper rows has this text."""
        return any(text in "".join(row) for row in self._rows[:rows])


class Line:
    """A terminal behind a line of so many bytes a second; 0: as quick as it can."""

    def __init__(self, argv: list[str], rate: float, env: Mapping[str, str] | None = None) -> None:
        self.total = 0
        self._glass = Glass()
        self.stamps: dict[bytes, float] = {}  # when the newest text of each stream was made
        self._rate = rate
        self._buffer = b""
        self._over = False
        self._reads = threading.Event()
        self._reads.set()
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
            self._reads.wait()
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
                self._glass.feed(data)
                self._lock.notify_all()
            tail += data
            for stream, made in _STAMP.findall(tail):
                self.stamps[stream] = max(self.stamps.get(stream, 0.0), int(made) / 1000)
            for question, answer in _QUESTIONS.items():
                if question in tail:
                    os.write(self.terminal, answer * tail.count(question))
                    tail = tail.replace(question, b"")
            tail = tail[-14:]

    def stop(self) -> None:
        """Read no more, until `go_on`."""
        self._reads.clear()

    def go_on(self) -> None:
        """Read again."""
        self._reads.set()

    def ages(self, since: float = 0.0) -> list[float]:
        """How old the newest text of each stream is; endless where none came after `since`."""
        now, since = time.monotonic() % DAYS, since % DAYS
        stamps = list(self.stamps.values())
        return [now - made if made >= since else float("inf") for made in stamps]

    def press(self, key: str, shown: str, patience: float = 5.0) -> float:
        """Seconds from a key until the terminal shows this."""
        started = time.perf_counter()
        os.write(self.terminal, key.encode())
        with self._lock:
            while not self._glass.shows(shown):
                left = patience - (time.perf_counter() - started)
                if left <= 0:
                    return patience
                self._lock.wait(left)
        return time.perf_counter() - started

    def until(self, shown: str) -> None:
        """Wait until the terminal shows this anywhere."""
        with self._lock:
            while not self._glass.shows(shown, ROWS):
                self._lock.wait()

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
        at.until("comm")
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
    what: str,
    rate: float,
    seconds: float,
    line: float = 0,
    keys: bool = False,
    through: Callable[[list[str]], list[str]] | None = None,
    settle: float = 0.0,
    before: int = 0,
) -> dict[str, float]:
    """Run one; what it took, its bytes, and in milliseconds how late its keys were seen.

    `through` makes the words that run it elsewhere; `settle` are seconds before anything counts;
    `before` tokens were said before that.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report")
        argv = [sys.executable, "-m", "benchmarks.screen_child", what, str(rate), str(seconds)]
        argv = [*argv, str(report), str(before)]
        at = Line(through(argv) if through else argv, line)
        while before and not report.with_suffix(".begun").exists():
            time.sleep(0.1)
        settle = settle or (6 if line and line < 20_000 else 0)
        time.sleep(WARM + settle)
        left = (
            seconds - WARM - settle - BEGINNING
        )  # while it is fed: what stands still is not quick
        stale: list[float] = []
        sampled = threading.Thread(target=sample, args=(at, stale, left))
        sampled.start()
        total, begun = at.total, time.monotonic()
        found: list[float] = []
        number = 0
        while time.monotonic() - begun < left and keys:
            number = (number + 1) % 5
            found.append(at.press(str(number + 1), f"▸ {NAMES[number]}") * 1000)
            time.sleep(0.11 + 0.013 * (len(found) % 7))
        if not keys:
            time.sleep(left)
        told: dict[str, float] = {"bytes": (at.total - total) / (time.monotonic() - begun)}
        sampled.join()
        until = time.monotonic() + seconds + 30
        while not report.exists() and time.monotonic() < until:
            time.sleep(0.1)
        told |= json.loads(report.read_text())
        at.end()
    if found:
        found.sort()
        told |= {"p50": statistics.median(found), "p99": found[int(len(found) * 0.99)]}
        told["keys"] = len(found)
    if stale:
        stale.sort()
        told |= {"stale_p50": statistics.median(stale), "stale_p99": stale[int(len(stale) * 0.99)]}
    return told


def sample(at: Line, stale: list[float], seconds: float) -> None:
    """How old the newest text of each stream is that the terminal has seen, now and again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
        stale.extend(at.ages())


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
