"""How busy the machine is: shares of its size, which is what control groups allow."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from miyabi_tui.engine.hierarchy import allowed_cpus, cpu_limits, memory_limits

if TYPE_CHECKING:
    from collections.abc import Callable


class Load(msgspec.Struct, frozen=True):
    """Shares in use, 0 to 1: of the memory, of the CPU time since the last reading, of the disk."""

    memory: float
    cpu: float
    disk: float


def memory_share(root: Path = Path("/")) -> float:
    """The share of the memory that is not available. Blocks: in a thread."""
    groups = (one.used / one.limit for one in memory_limits(root))
    return min(1.0, max((psutil.virtual_memory().percent / 100.0, *groups)))


class LoadMeter:
    """Reads the load, with the disk of `folder`; `root` is where `/proc` and `/sys` are."""

    def __init__(
        self,
        folder: Path,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._root = root
        self._clock = clock
        self._times: tuple[float, float] | None = None
        self._at = 0.0
        self._used: dict[Path, float] = {}

    def read(self) -> Load:
        """One reading; the CPU's share of the first one is 0. Blocks: in a thread.

        Raises:
            OSError: the folder is gone.
        """
        disk = psutil.disk_usage(str(self._folder)).percent / 100.0
        return Load(memory_share(self._root), max(self._cpu(), self._quota()), disk)

    def _cpu(self) -> float:
        """The share of the CPUs this process may run on, whoever uses them."""
        before, now = self._times, _cpu_times(self._root)
        self._times = now
        if before is None or now[1] <= before[1]:
            return 0.0
        return min(1.0, max(0.0, (now[0] - before[0]) / (now[1] - before[1])))

    def _quota(self) -> float:
        """The share of the CPU time that is granted, where it is limited."""
        at, used = self._clock(), self._used
        limits = [one for one in cpu_limits(self._root) if one.used is not None]
        self._used = {one.folder: one.used for one in limits if one.used is not None}
        elapsed, self._at = at - self._at, at
        shares = [
            (self._used[one.folder] - used[one.folder]) / (elapsed * one.cores)
            for one in limits
            if one.folder in used and elapsed > 0
        ]
        return min(1.0, max(shares, default=0.0))


def _cpu_times(root: Path) -> tuple[float, float]:
    """Busy and all CPU seconds since the machine began, of the CPUs that count here."""
    every = psutil.cpu_times(percpu=True)
    allowed = allowed_cpus(root) or frozenset()
    busy = whole = 0.0
    for one in [cpu for number, cpu in enumerate(every) if number in allowed] or every:
        # A guest's time is in its host's user time already.
        everything = sum(one) - getattr(one, "guest", 0.0) - getattr(one, "guest_nice", 0.0)
        whole += everything
        busy += everything - one.idle - getattr(one, "iowait", 0.0)
    return busy, whole
