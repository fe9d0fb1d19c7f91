"""5 worlds × 1,000 pieces of output a second into a real journal: none lost, no gap over 50 ms.

A ticker on the same event loop notes the longest time in which the loop did nothing else; the same
ticker on the idle loop tells what this machine does by itself. Once with pieces of one channel,
which are joined while they wait, and once with channels in turns, where each piece is an event.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from pathlib import Path

import anyio

from benchmarks.common import verdict
from miyabi_tui.engine import events as e
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.store.journal import Journal, open_journal
from miyabi_tui.engine.subscription import BufferedSubscription
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds

SECONDS, A_SECOND = 5, 1_000
TICK = 0.002


class Ticker:
    """Sleeps for moments, and notes how much longer than that it took to come back."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            before = time.perf_counter()
            await anyio.sleep(TICK)
            self.longest = max(self.longest, time.perf_counter() - before - TICK)


async def talk(bus: Bus, world: WorldId, channels: tuple[e.Channel, ...]) -> str:
    """Post a second's worth of output in a second, again and again; all that was said."""
    said: list[str] = []
    begun = time.perf_counter()
    for number in range(SECONDS * A_SECOND):
        text = f"{world} says line {number} of what it has to say, and then some more\n"
        bus.post(e.Output(world=world, channel=channels[number % len(channels)], text=text))
        said.append(text)
        ahead = begun + (number + 1) / A_SECOND - time.perf_counter()
        if ahead > 0:
            await anyio.sleep(ahead)
    return "".join(said)


def started() -> e.RunStarted:
    """The first event of a run."""
    return e.RunStarted(
        run_id="r1",
        issue=e.Issue("issue-7", "a title", "a text", 7),
        repo="/repo",
        base_ref="main",
        base_commit="b" * 40,
        target="miyabi/issue-7",
        task="task",
        worlds=default_worlds("p/m", "p/n"),
        merge=e.MergePolicy.ASK,
    )


async def gap_of_idle_loop() -> float:
    """The longest gap where nothing else is to be done."""
    ticker = Ticker()
    with anyio.move_on_after(SECONDS):
        await ticker.run()
    return ticker.longest


async def race(
    journal: Journal, channels: tuple[e.Channel, ...]
) -> tuple[float, float, dict[WorldId, str]]:
    """The longest gap, the seconds it took, and what each world said."""
    bus, ticker, said = Bus("r1", journal, masker=Masker()), Ticker(), dict[WorldId, str]()
    reader = BufferedSubscription()
    bus.subscribe(reader)

    async def one(world: WorldId) -> None:
        said[world] = await talk(bus, world, channels)

    async with anyio.create_task_group() as outer:
        outer.start_soon(bus.run)
        await bus.emit(started())
        outer.start_soon(ticker.run)
        begun = time.perf_counter()
        async with anyio.create_task_group() as worlds:
            for world in FIVE:
                worlds.start_soon(one, world)
        await bus.flush()
        seconds = time.perf_counter() - begun
        outer.cancel_scope.cancel()
    return ticker.longest, seconds, said


async def measure(path: Path, channels: tuple[e.Channel, ...]) -> tuple[float, int]:
    """The longest gap, and how many characters did not come through as they were said."""
    async with open_journal(path) as journal:
        longest, seconds, said = await race(journal, channels)
        records = await journal.records("r1")
    kept: dict[WorldId, str] = defaultdict(str)
    for record in records:
        if isinstance(record.event, e.Output):
            kept[record.event.world] += record.event.text
    lost = sum(len(said[world]) for world in FIVE if kept[world] != said[world])
    print(
        f"{len(FIVE) * SECONDS * A_SECOND} pieces in {seconds:.1f} s, {len(records)} events;"
        f" longest gap {longest * 1000:.1f} ms"
    )
    return longest, lost


def main() -> bool:
    """Measure; whether all bounds are kept."""
    idle = anyio.run(gap_of_idle_loop)
    print(f"longest gap of the idle loop {idle * 1000:.1f} ms")
    kept = []
    for channels in ((e.Channel.STDOUT,), (e.Channel.TEXT, e.Channel.REASONING)):
        with tempfile.TemporaryDirectory() as folder:
            busy, lost = anyio.run(measure, Path(folder, "miyabi.db"), channels)
        kept += [
            verdict("characters lost or moved", lost, 0),
            verdict("ms of the longest gap beyond that of the idle loop", (busy - idle) * 1e3, 50),
        ]
    return all(kept)


if __name__ == "__main__":
    raise SystemExit(not main())
