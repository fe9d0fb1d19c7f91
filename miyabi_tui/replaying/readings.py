"""The gauges of a tape, small in memory: what a sparkline shows at any place of it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.events import Gauge

Reading = tuple[float, float]
"""CPU in percent of a core, memory in bytes."""


class Readings:
    """Those of one world, each with its place; 24 bytes for one."""

    def __init__(self) -> None:
        self._places = array("q")
        self._cpu = array("d")
        self._memory = array("d")

    def add(self, place: int, gauge: Gauge) -> None:
        """Add the next one."""
        self._places.append(place)
        self._cpu.append(gauge.cpu_percent)
        self._memory.append(float(gauge.memory_bytes))

    def before(self, place: int, most: int) -> list[Reading]:
        """The last ones up to a place, oldest first."""
        stop = bisect_right(self._places, place)
        start = max(0, stop - most)
        return list(zip(self._cpu[start:stop], self._memory[start:stop], strict=True))
