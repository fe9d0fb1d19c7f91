"""Measured CPU and memory of every world's own processes, twice a second, off the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from miyabi_tui.engine.events import Gauge, Gauges
from miyabi_tui.engine.sandbox.base import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.worlds import WorldId

EVERY_SECONDS = 0.5


async def sample(sandboxes: Mapping[WorldId | None, Sandbox], publisher: Publisher) -> None:
    """Publish gauges until cancelled; a world at rest is told once and then left out."""
    before: dict[WorldId, Reading] = {}
    last = anyio.current_time()
    while True:
        await anyio.sleep(EVERY_SECONDS)
        present = {world: one for world, one in sandboxes.items() if world}  # it may grow
        now = await anyio.to_thread.run_sync(_read, present)
        elapsed, last = anyio.current_time() - last, anyio.current_time()
        gauges = tuple(
            _gauge(world, before.get(world, Reading()), reading, elapsed)
            for world, reading in now.items()
            if reading.processes or before.get(world, Reading()).processes
        )
        if gauges:
            publisher.post(Gauges(worlds=gauges))
        before = now


def _read(sandboxes: Mapping[WorldId, Sandbox]) -> dict[WorldId, Reading]:
    return {world: sandbox.usage() for world, sandbox in sandboxes.items()}


def _gauge(world: WorldId, before: Reading, now: Reading, elapsed: float) -> Gauge:
    # CPU seconds of processes that ended in between are gone with them: never below zero.
    used = max(0.0, now.cpu_seconds - before.cpu_seconds)
    return Gauge(world, round(100.0 * used / elapsed, 1), now.memory_bytes, now.processes)
