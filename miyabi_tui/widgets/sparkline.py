"""The last readings of a gauge as a row of eighths, newest on the right."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.events import Gauge

EIGHTHS = "▁▂▃▄▅▆▇█"
KEPT = 64


class Trail:
    """The last readings of one world: CPU in percent of a core, memory in bytes."""

    def __init__(self) -> None:
        self._last: Gauge | None = None
        self.cpu: deque[float] = deque(maxlen=KEPT)
        self.memory: deque[float] = deque(maxlen=KEPT)

    def take(self, gauge: Gauge | None) -> None:
        """Remember a reading that is new."""
        if gauge is None or gauge is self._last:
            return
        self._last = gauge
        self.cpu.append(gauge.cpu_percent)
        self.memory.append(float(gauge.memory_bytes))


def sparkline(readings: deque[float], width: int, least_top: float) -> str:
    """The newest `width` readings against the highest of them, or `least_top` where that is more.

    Before there were so many it is padded on the left; nothing at all is a blank.
    """
    shown = list(readings)[-width:]
    top = max([least_top, *shown])
    made = "".join(EIGHTHS[min(7, int(8 * one / top))] if one > 0 else " " for one in shown)
    return made.rjust(width)
