"""Control groups of our own for a world: limits that hold, a freezer, one stroke that ends all.

Version 2 where the hierarchy is delegated to us; version 1, as root has it on hybrid machines, for
the limits. What cannot be had is left out: `holds` names the limits that are real.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.hierarchy import V2, groups, read_text

if TYPE_CHECKING:
    from miyabi_tui.engine.terms import Sandboxing

MEMORY, PROCESSES, CPU = "memory", "processes", "cpu"
OLD = ("memory", "pids", "cpu")  # the controllers of version 1 that have something to give
ROOT = Path("/")
PERIOD = 100_000  # microseconds, of which a share may be used
REMOVED_WITHIN = 2.0  # seconds; a group goes when its last process is reaped
_PREFIX = "miyabi-"


class Cgroup:
    """The groups of one world, in every hierarchy that has something to give. Use `make`."""

    def __init__(self, unified: Path | None, others: tuple[Path, ...], holds: set[str]) -> None:
        self._unified = unified
        self._folders = (*((unified,) if unified else ()), *others)
        self.holds = frozenset(holds)

    @classmethod
    def make(cls, name: str, limits: Sandboxing) -> Cgroup | None:
        """New groups of that name with these limits; None where nothing can be had. Blocks."""
        holds: set[str] = set()
        others = []
        unified = _made(_parents(V2), name)
        if unified is not None:
            holds |= _limit(unified, _version_2(limits))
        for controller, (kind, files) in _version_1(limits).items():
            if kind in holds:
                continue
            folder = _made(_parents(controller), name)
            if folder is None:
                continue
            got = _limit(folder, {kind: files})
            holds |= got
            if got:
                others.append(folder)
            else:
                _remove(folder)
        if unified is None and not others:
            return None
        return cls(unified, tuple(others), holds)

    @property
    def entrances(self) -> list[Path]:
        """The files into which a process writes itself to join."""
        return [folder / "cgroup.procs" for folder in self._folders]

    @property
    def freezes(self) -> bool:
        """Whether everything in it can be frozen at once."""
        return self._unified is not None and (self._unified / "cgroup.freeze").exists()

    def freeze(self, frozen: bool) -> None:
        """Freeze everything in it, or let it go on; only where it `freezes`."""
        assert self._unified is not None
        with contextlib.suppress(OSError):
            (self._unified / "cgroup.freeze").write_text("1" if frozen else "0")

    def pids(self) -> set[int]:
        """Every process in it, of groups inside too."""
        found: set[int] = set()
        for folder in self._folders:
            for procs in (folder / "cgroup.procs", *folder.glob("**/*/cgroup.procs")):
                with contextlib.suppress(OSError):
                    found |= {int(word) for word in procs.read_text().split()}
        return found - {0}

    @property
    def out_of_memory(self) -> int:
        """How many of its processes the kernel ended because the memory limit was reached."""
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    if found := re.search(r"^oom_kill (\d+)", (folder / name).read_text(), re.M):
                        return int(found[1])
        return 0

    def kill(self) -> None:
        """End everything in it, where the kernel does that at one stroke."""
        if self._unified is not None:
            with contextlib.suppress(OSError):
                (self._unified / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Remove the groups, once nothing is in them any more. Blocks for a moment."""
        for folder in self._folders:
            _remove(folder)


def remove_left_over(prefix: str) -> None:
    """Remove what a killed engine left: the groups whose names begin with `prefix`. Blocks."""
    for controller in (V2, *OLD):
        for parent in _parents(controller):
            for folder in parent.glob(f"{_PREFIX}{prefix}*"):
                with contextlib.suppress(OSError):
                    (folder / "cgroup.kill").write_text("1")
                _remove(folder)


def _made(parents: tuple[Path, ...], name: str) -> Path | None:
    """A group in the first of the parents that take one, and take processes in it."""
    for parent in parents:
        folder = parent / f"{_PREFIX}{name}"
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            continue
        if os.access(folder / "cgroup.procs", os.W_OK) and os.access(
            parent / "cgroup.procs", os.W_OK
        ):
            return folder
        _remove(folder)
    return None


def _limit(folder: Path, wanted: dict[str, dict[str, str]]) -> set[str]:
    """Write the limits; those that the kernel has taken."""
    taken = set()
    for kind, files in wanted.items():
        done = []
        for name, value in files.items():
            with contextlib.suppress(OSError):
                if (folder / name).exists():
                    (folder / name).write_text(value)
                    done.append(name)
        if done and done[0] == next(iter(files)):  # the first is the one that counts
            taken.add(kind)
    return taken


def _version_2(limits: Sandboxing) -> dict[str, dict[str, str]]:
    return {
        MEMORY: {"memory.max": str(limits.memory_bytes), "memory.swap.max": "0"},
        PROCESSES: {"pids.max": str(limits.processes)},
        CPU: {"cpu.max": f"{int(limits.cpus * PERIOD)} {PERIOD}"},
    }


def _version_1(limits: Sandboxing) -> dict[str, tuple[str, dict[str, str]]]:
    most = str(limits.memory_bytes)
    memory = {"memory.limit_in_bytes": most, "memory.memsw.limit_in_bytes": most}
    processes = {"pids.max": str(limits.processes)}
    cpu = {"cpu.cfs_quota_us": str(int(limits.cpus * PERIOD))}
    kinds = ((MEMORY, memory), (PROCESSES, processes), (CPU, cpu))
    return dict(zip(OLD, kinds, strict=True))


@functools.cache
def _parents(controller: str) -> tuple[Path, ...]:
    """Where a group of ours could be in a hierarchy: in our own, then, in version 2, above it."""
    found = groups(ROOT, controller)
    if controller != V2:
        return found[:1]
    # With a group beside ours come the controllers, which our own, having processes, cannot give.
    return tuple(sorted(found, key=lambda one: not _gives(one)))


def _gives(folder: Path) -> bool:
    return "memory" in read_text(folder / "cgroup.subtree_control").split()


def _remove(folder: Path) -> None:
    until = time.monotonic() + REMOVED_WITHIN
    while True:
        try:
            for inner in sorted(folder.glob("**/*/"), reverse=True):
                inner.rmdir()
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > until:
                return
            time.sleep(0.01)
