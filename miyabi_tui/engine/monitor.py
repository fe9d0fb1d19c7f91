"""What every world uses: CPU, memory, processes, disk and connections, measured off the event loop.

All worlds share one reading of the machine's processes. However large the machine, the readings
are so far apart that they take less than a hundredth of one core.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import msgspec

from miyabi_tui.engine.events import Gauge, Gauges
from miyabi_tui.engine.sandbox.base import Reading
from miyabi_tui.engine.sandbox.connections import connections
from miyabi_tui.engine.sandbox.disk_use import DiskUse
from miyabi_tui.engine.sandbox.table import TableReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.sandbox.table import ProcessTable
    from miyabi_tui.engine.terms import Sandboxing
    from miyabi_tui.engine.worlds import WorldId

    Folders = Callable[[WorldId], Sequence[Path]]

EVERY_SECONDS, SELDOM_SECONDS = 0.5, 5.0  # between two readings: as a rule, and at most
CONNECTIONS_SECONDS = 2.0
# So many times as long as a reading took nothing is read, and for what is dearer the same; one
# that took unusually long counts by this share.
REST, LONG_REST = 140, 500
WEIGHT = 0.25


class _Share(msgspec.Struct, frozen=True):
    """How much of a world's memory is its own when what is shared is divided, and for how long."""

    share: float
    until: float


class Monitor:
    """Publishes the gauges of all worlds. `folders` are a world's own, to be counted."""

    def __init__(
        self,
        sandboxes: Mapping[WorldId | None, Sandbox],
        publisher: Publisher,
        folders: Folders,
        limits: Sandboxing,
    ) -> None:
        self._sandboxes = sandboxes
        self._publisher = publisher
        self._folders = folders
        self._limits = limits
        self._reader = TableReader()
        self._disk: DiskUse[WorldId] = DiskUse(limits.disk_bytes)
        self._seen: dict[WorldId, Sandbox] = {}
        self._before: dict[WorldId, Reading] = {}
        self._told: dict[WorldId, Gauge] = {}
        self._shares: dict[WorldId, _Share] = {}
        self._connections: dict[WorldId, int] = {}
        self._connections_at = 0.0
        self._read_at = 0.0
        self._cost = 0.0

    async def watch(self) -> None:
        """Publish gauges until cancelled; a world at rest is told once and then left out."""
        self._read_at = time.monotonic()
        rest = EVERY_SECONDS
        while True:
            await anyio.sleep(rest)
            present = {world: one for world, one in self._sandboxes.items() if world}  # it may grow
            folders = {world: self._folders(world) for world in present}
            gauges, rest = await anyio.to_thread.run_sync(self._look, present, folders)
            if gauges:
                self._publisher.post(Gauges(worlds=gauges))

    def _look(
        self, sandboxes: Mapping[WorldId, Sandbox], folders: Mapping[WorldId, Sequence[Path]]
    ) -> tuple[tuple[Gauge, ...], float]:
        """What there is to tell, and for how many seconds to rest. Blocks for milliseconds."""
        began = time.thread_time()
        now = time.monotonic()
        elapsed, self._read_at = now - self._read_at, now
        table = self._reader.read()
        readings = {world: _usage(one, table) for world, one in sandboxes.items()}
        gone = {world: told for world, told in self._told.items() if world not in sandboxes}
        readings |= dict.fromkeys(gone, Reading())
        for world, sandbox in sandboxes.items():
            if self._seen.get(world) is not sandbox:  # begun anew, from a checkpoint
                self._seen[world] = sandbox
                self._disk.forget(world)
        self._look_for_connections(readings, now)
        active = {world for world, reading in readings.items() if reading.processes}
        disk = {world: told.disk_bytes for world, told in gone.items()}
        disk |= self._disk.look(folders, active, elapsed)
        gauges = tuple(
            Gauge(
                world,
                self._cpu_percent(world, reading, elapsed),
                self._memory(world, reading, table, now),
                reading.processes,
                disk[world],
                self._connections.get(world, 0),
            )
            for world, reading in readings.items()
            if self._stirs(world, reading, disk[world])
        )
        self._before = readings
        self._told |= {one.world: one for one in gauges}
        self._cost += WEIGHT * (time.thread_time() - began - self._cost)
        return gauges, min(SELDOM_SECONDS, max(EVERY_SECONDS, REST * self._cost))

    def _stirs(self, world: WorldId, reading: Reading, disk: int) -> bool:
        told = self._told.get(world)
        counted = disk != (told.disk_bytes if told else 0)
        return bool(reading.processes or (told and told.processes) or counted)

    def _cpu_percent(self, world: WorldId, reading: Reading, elapsed: float) -> float:
        # CPU seconds of processes that ended in between are gone with them: never below zero.
        before = self._before.get(world, Reading())
        used = max(0.0, reading.cpu_seconds - before.cpu_seconds)
        return round(100.0 * used / max(elapsed, 1e-3), 1)

    def _memory(self, world: WorldId, reading: Reading, table: ProcessTable, now: float) -> int:
        """The sum over its processes; near a limit, what they share is counted once."""
        total = reading.memory_bytes
        if total <= self._limits.memory_bytes or not reading.pids:
            return total
        known = self._shares.get(world)
        if known is None or now >= known.until:
            began = time.thread_time()
            fair = min(total, table.fair_memory(reading.pids))
            rest = LONG_REST * (time.thread_time() - began)
            known = self._shares[world] = _Share(fair / total, now + rest)
        return int(total * known.share)

    def _look_for_connections(self, readings: Mapping[WorldId, Reading], now: float) -> None:
        if now < self._connections_at:
            return
        began = time.thread_time()
        self._connections = connections({world: one.pids for world, one in readings.items()})
        cost = time.thread_time() - began
        self._connections_at = now + max(CONNECTIONS_SECONDS, LONG_REST * cost)


def _usage(sandbox: Sandbox, table: ProcessTable) -> Reading:
    try:
        return sandbox.usage(table)
    except Exception:  # what cannot be measured now must not end a race
        return Reading()
