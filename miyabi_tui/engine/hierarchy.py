"""This process's control groups, what they allow and use: cgroup v2, v1, and both together.

The one place that reads the hierarchy: the sandbox makes its groups where this finds ours.

A limit holds for everything below its group, so every group from the own one up to the root that
can be seen from here counts. Where there are none, or not on Linux, nothing is limited.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

V2 = ""  # the one hierarchy of cgroup v2, in place of a v1 controller's name
MICRO, NANO = 1e-6, 1e-9
# The kernel can take these back at any time: what it calls available counts them as well.
RECLAIMABLE = ("inactive_file", "active_file", "slab_reclaimable")


class MemoryLimit(msgspec.Struct, frozen=True):
    """A group's limit, and what cannot be taken back of what it uses, in bytes."""

    limit: int
    used: int


class CpuLimit(msgspec.Struct, frozen=True):
    """A group's limit in cores, and the CPU seconds it has used so far, None where not known."""

    folder: Path
    cores: float
    used: float | None


def read_text(path: Path) -> str:
    """What a file of the kernel says; empty where there is none or it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def groups(root: Path, controller: str) -> tuple[Path, ...]:
    """The folders of the own group of a v1 controller, or of V2, and of all above, innermost first.

    `root` is where the machine's `/proc` and `/sys` are.
    """
    own, mounts = _own_group(root, controller), list(_mounts(root, controller))
    if own is None or not mounts:
        return ()
    # In a container the path may be one of the machine outside: then what is mounted is its own.
    below = ((at, _below(own, shown)) for shown, at in mounts)
    top, relative = next(((at, one) for at, one in below if one is not None), (mounts[0][1], ""))
    folders = [top]
    for name in relative.split("/") if relative else ():
        folders.append(folders[-1] / name)
    return tuple(folder for folder in reversed(folders) if folder.is_dir())


def memory_limits(root: Path) -> list[MemoryLimit]:
    """All limits of memory that this process is under."""
    found = [_memory(folder, "memory.max", "memory.current", "") for folder in groups(root, V2)] + [
        _memory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        for folder in groups(root, "memory")
    ]
    return [one for one in found if one is not None]


def cpu_limits(root: Path) -> list[CpuLimit]:
    """All limits of CPU time that this process is under."""
    found: list[CpuLimit] = []
    for folder in groups(root, V2):
        quota, _, period = read_text(folder / "cpu.max").strip().partition(" ")
        used = _table(folder / "cpu.stat").get("usage_usec")
        _add(found, folder, quota, period, None if used is None else used * MICRO)
    for folder in groups(root, "cpu"):
        quota = read_text(folder / "cpu.cfs_quota_us").strip()
        period = read_text(folder / "cpu.cfs_period_us").strip()
        used = _number(read_text(folder / "cpuacct.usage"))
        _add(found, folder, quota, period, None if used is None else used * NANO)
    return found


def allowed_cpus(root: Path) -> frozenset[int] | None:
    """The numbers of the CPUs this process may run on; None where the system does not say."""
    allowed = re.search(r"^Cpus_allowed_list:(.*)$", read_text(root / "proc/self/status"), re.M)
    sets = [
        cpu_list(allowed.group(1) if allowed else ""),
        cpu_list(read_text(root / "sys/devices/system/cpu/online")),
        *(cpu_list(read_text(one / "cpuset.cpus.effective")) for one in groups(root, V2)),
        *(cpu_list(read_text(one / "cpuset.cpus")) for one in groups(root, "cpuset")),
    ]
    if not sets[0]:
        return None
    return frozenset.intersection(*filter(None, sets)) or sets[0]


def cpu_list(text: str) -> frozenset[int]:
    """The numbers of a list such as `0-3,8`; none for what is no such list."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _own_group(root: Path, controller: str) -> str | None:
    """The path of the own group within a hierarchy, from `/proc/self/cgroup`."""
    for line in read_text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if (number == "0" and not names) if controller == V2 else controller in names.split(","):
            return path
    return None


def _mounts(root: Path, controller: str) -> Iterator[tuple[str, Path]]:
    """Where a hierarchy is mounted: the group that is seen there, and the folder."""
    for line in read_text(root / "proc/self/mountinfo").splitlines():
        place, _, what = line.partition(" - ")
        fields, kind = place.split(" "), what.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        is_v2 = kind[0] == "cgroup2"
        if is_v2 if controller == V2 else kind[0] == "cgroup" and controller in kind[2].split(","):
            yield _plain(fields[3]), root / _plain(fields[4]).lstrip("/")


def _below(own: str, shown: str) -> str | None:
    """The own group's path below the one that is seen in a mount; None where it is not there."""
    if ".." in own.split("/"):
        return None
    if shown == "/" or own == shown or own.startswith(f"{shown}/"):
        return own[len(shown.rstrip("/")) :].strip("/")
    return None


def _plain(path: str) -> str:
    r"""A path of `mountinfo`, where a space is written as `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), path)


def _memory(folder: Path, limit: str, usage: str, prefix: str) -> MemoryLimit | None:
    most = _number(read_text(folder / limit))  # v2 says "max" where there is none
    if not most:
        return None
    stat = _table(folder / "memory.stat")
    spare = sum(stat.get(f"{prefix}{name}", 0) for name in RECLAIMABLE)
    return MemoryLimit(most, max(0, (_number(read_text(folder / usage)) or 0) - spare))


def _add(found: list[CpuLimit], folder: Path, quota: str, period: str, used: float | None) -> None:
    share, of = _number(quota), _number(period)  # no number: "max", or -1
    if share and of:
        found.append(CpuLimit(folder, share / of, used))


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() else None


def _table(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in read_text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
