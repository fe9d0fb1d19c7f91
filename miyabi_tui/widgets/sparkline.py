"""The last readings of a gauge as a row of eighths, newest on the right."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.events import Gauge

EIGHTHS = "▁▂▃▄▅▆▇█"
KEPT = 64


class Trail:
    """The last readings of one world: CPU in percent of a core, memory in bytes.

    The `past` ends with the reading `last`.
    """

    def __init__(self, past: Sequence[tuple[float, float]] = (), last: Gauge | None = None) -> None:
        self._last = last
        self.cpu: deque[float] = deque((cpu for cpu, _ in past), maxlen=KEPT)
        self.memory: deque[float] = deque((memory for _, memory in past), maxlen=KEPT)

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
