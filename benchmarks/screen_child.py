"""What `benchmarks/screen.py` runs in its terminal: the cockpit, or five `RichLog`s, fed alike.

python -m benchmarks.screen_child cockpit|richlog TOKENS_A_SECOND SECONDS REPORT [TOKENS_BEFORE]

`TOKENS_BEFORE` are what all worlds together have said before the clock starts.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.worlds import FIVE, WorldId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TICK = 0.02
WORDS = "the row is split at every comma so the csv module reads it again and keeps quotes ".split()
GAUGES = 0.2
LITTLE = 100_000  # tokens after which memory is looked at for the first time
AT_ONCE = 1_000  # tokens a world and tick, of what was said before


def text(world: WorldId) -> Iterator[str]:
    """Tokens of about four characters, now and then a line ends; some tell their time."""
    number = 0
    while True:
        word = WORDS[(number + ord(world[0])) % len(WORDS)]
        number += 1
        if number % 17 == 0:
            yield f"{word}\n"
        elif number % 5 == 0:  # one in each row of a pane
            made = int(time.monotonic() % 1_000_000 * 1000)
            yield f"@{chr(ord('A') + FIVE.index(world))}{made:09d} "
        else:
            yield f"{word[:4]} "


class Feeder(threading.Thread):
    """Puts so many tokens a second for each world, and gauges five times a second."""

    def __init__(
        self, rate: float, seconds: float, put: Callable[[list[e.AnyEvent]], None], before: int = 0
    ):
        super().__init__(daemon=True)
        self.memory = 0
        self.begun = threading.Event()
        self._before = before
        self.fed = self.characters = 0
        self.late: list[float] = []
        self._rate, self._seconds, self._put = rate, seconds, put
        self._texts = {world: text(world) for world in FIVE}

    def run(self) -> None:
        """Feed until the time is over; how late each tick was is the lag of the engine's thread."""
        self._say_before()
        self.begun.set()
        begun, gauged = time.monotonic(), 0.0
        while (now := time.monotonic() - begun) < self._seconds:
            due = int(now * self._rate) - self.fed
            events: list[e.AnyEvent] = []
            if due > 0:
                events += [self._said(world, due) for world in FIVE]
                self.fed += due
            if now - gauged > GAUGES:
                gauged = now
                events += [gauges(now)]
            self._put(events)
            before = time.monotonic()
            time.sleep(TICK)
            self.late.append(time.monotonic() - before - TICK)

    def _say_before(self) -> None:
        """What was said before; the memory after little of it."""
        said = 0
        while said < self._before:
            self._put([self._said(world, AT_ONCE) for world in FIVE])
            said += AT_ONCE * len(FIVE)
            time.sleep(TICK)
            if said >= LITTLE and not self.memory:
                time.sleep(1.0)
                self.memory = resident()
        self.characters = 0

    def _said(self, world: WorldId, tokens: int) -> e.Output:
        piece = "".join(next(self._texts[world]) for _ in range(tokens))
        self.characters += len(piece)
        return e.Output(world=world, channel=e.Channel.TEXT, text=piece)


def gauges(now: float) -> e.Gauges:
    """What the worlds use at a moment."""
    used = 40 + int(now * 37) % 60
    return e.Gauges(
        worlds=tuple(
            e.Gauge(world, cpu_percent=used, memory_bytes=(100 + used) << 20, processes=3)
            for world in FIVE
        )
    )


def cockpit(rate: float, seconds: float, report: Path, before: int = 0) -> None:
    """The race screen over a control that is fed."""
    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.engine.subscription import BufferedSubscription
    from miyabi_tui.quick import quick
    from tests.board_states import FakeControl, Script, opened

    script: Script = opened(recorded=False)
    for world in FIVE:
        script.add(e.WorldStarted(world=world, system="", messages=()))
    control = FakeControl(script)
    subscription = BufferedSubscription()
    subscription.put(script.records)
    control.subscription = subscription  # type: ignore[assignment]
    seq = len(script.records)

    def put(events: list[e.AnyEvent]) -> None:
        nonlocal seq
        records = []
        for event in events:
            seq += 1
            records.append(e.Record(seq, time.time(), event))
        subscription.put(records)

    feeder = Feeder(rate, seconds, put, before)
    app = MiyabiApp(control)
    control.start = feeder.start  # type: ignore[method-assign]
    feeding(feeder, seconds, report)
    with quick():
        app.run()


def richlog(rate: float, seconds: float, report: Path, before: int = 0) -> None:
    """Five of Textual's own, side by side, a line a write, with gauges above."""
    from textual.app import App, ComposeResult
    from textual.containers import Horizontal, Vertical
    from textual.widgets import RichLog, Static

    class Five(App[int]):
        """Five logs."""

        def compose(self) -> ComposeResult:
            """Side by side."""
            with Horizontal():
                for world in FIVE:
                    with Vertical():
                        yield Static("", id=f"gauge-{world}")
                        yield RichLog(id=f"log-{world}", max_lines=2_000, wrap=True)

        def on_mount(self) -> None:
            """Begin once it stands."""
            feeder.start()

    app = Five()
    held: dict[WorldId, str] = dict.fromkeys(FIVE, "")

    def put(events: list[e.AnyEvent]) -> None:
        app.call_from_thread(show, events)

    def show(events: list[e.AnyEvent]) -> None:
        for event in events:
            if isinstance(event, e.Output):
                *lines, held[event.world] = (held[event.world] + event.text).split("\n")
                for line in lines:
                    app.query_one(f"#log-{event.world}", RichLog).write(line)
            elif isinstance(event, e.Gauges):
                for gauge in event.worlds:
                    line = f"cpu {gauge.cpu_percent:.0f}%  mem {gauge.memory_bytes >> 20} MB"
                    app.query_one(f"#gauge-{gauge.world}", Static).update(line)

    feeder = Feeder(rate, seconds, put, before)
    feeding(feeder, seconds, report)
    app.run()


def feeding(feeder: Feeder, seconds: float, report: Path) -> None:
    """Write down what it took, a second in and at the end; then leave."""

    def watch() -> None:
        feeder_started = time.monotonic()
        while not feeder.is_alive() and time.monotonic() - feeder_started < 20:
            time.sleep(0.05)
        feeder.begun.wait()
        report.with_suffix(".begun").touch()
        time.sleep(1.0)
        before, at = cpu(), time.monotonic()
        feeder.join()
        took = time.monotonic() - at
        late = sorted(feeder.late)
        told = {
            "cpu": (cpu() - before) / took,
            "fed": feeder.fed,
            "raw": feeder.characters / seconds,
            "asked": int(feeder._rate * seconds),
            "late_p99": late[int(len(late) * 0.99)] if late else 0.0,
            "memory": resident(),
            "memory_after_little": feeder.memory,
        }
        made = report.with_suffix(".part")
        made.write_text(json.dumps(told))
        made.rename(report)  # whole at once

    threading.Thread(target=watch, daemon=True).start()


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def cpu() -> float:
    """Seconds of CPU of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    what, rate_, seconds_, report_, *more = sys.argv[1:]
    run = {"cockpit": cockpit, "richlog": richlog}[what]
    run(float(rate_), float(seconds_), Path(report_), int(more[0]) if more else 0)
