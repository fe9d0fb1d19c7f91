"""The machine's size, and how many worlds' heavy work fits on it at once (REQ-RES-1).

What a container or a control group allows is the size: not what the machine around it has.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from miyabi_tui.engine.hierarchy import (
    allowed_cpus,
    cpu_limits,
    memory_limits,
    read_text,
)

if TYPE_CHECKING:
    from miyabi_tui.engine.terms import Sandboxing

GB = 2**30


class HardwareLimits(msgspec.Struct, frozen=True):
    """Bytes of memory, cores (a part of one where a quota says so), bytes of disk that are free."""

    memory_bytes: int
    cores: float
    disk_bytes: int

    @classmethod
    def detect(cls, folder: Path, root: Path = Path("/")) -> HardwareLimits:
        """The size of this machine, with the disk that `folder` is on. Blocks: in a thread.

        `root` is where the machine's `/proc` and `/sys` are.

        Raises:
            OSError: `folder` is not there.
        """
        return cls(
            min((_memory(root), *(one.limit for one in memory_limits(root)))),
            min((float(_cpus(root)), *(one.cores for one in cpu_limits(root)))),
            psutil.disk_usage(str(folder)).free,
        )

    def max_concurrent_worktrees(self, sandbox: Sandboxing) -> int:
        """How many worlds fit: the least of the three quotients, but at least one."""
        return max(1, min(self._quotients(sandbox).values()))

    def reason(self, sandbox: Sandboxing) -> str:
        """What `max_concurrent_worktrees` is due to, in words."""
        quotients = self._quotients(sandbox)
        return min(quotients, key=lambda text: quotients[text])

    def _quotients(self, sandbox: Sandboxing) -> dict[str, int]:
        """How many worlds each of the three is enough for, by what it is in words."""
        memory, disk = self.memory_bytes / GB, self.disk_bytes / GB
        return {
            f"{self.cores:g} cores, {sandbox.cpus:g} for each world": _times(
                self.cores, sandbox.cpus
            ),
            f"{memory:.1f} GB of memory, {sandbox.memory_gb:g} for each world": _times(
                self.memory_bytes, sandbox.memory_bytes
            ),
            f"{disk:.1f} GB of disk free, {sandbox.disk_gb:g} for each world": _times(
                self.disk_bytes, sandbox.disk_bytes
            ),
        }


def _times(whole: float, part: float) -> int:
    return int(whole / max(part, 1e-9) + 1e-9)  # 0.3 / 0.1 is a little less than 3


def _memory(root: Path) -> int:
    found = re.search(r"^MemTotal:\s*(\d+) kB$", read_text(root / "proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else psutil.virtual_memory().total


def _cpus(root: Path) -> int:
    """How many CPUs this process may run on."""
    allowed = allowed_cpus(root)
    if allowed is None and hasattr(os, "sched_getaffinity"):
        allowed = frozenset(os.sched_getaffinity(0))
    return len(allowed) if allowed else os.cpu_count() or 1
