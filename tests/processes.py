"""Looking at real processes without guessing at times."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import psutil

if TYPE_CHECKING:
    from collections.abc import Callable


def state(pid: int) -> str:
    """The letter of /proc/PID/stat: R, S, T (stopped), Z; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Whether the process still runs or could."""
    return state(pid) not in ("", "Z", "X")


def stands_still(pid: int) -> bool:
    """Whether the kernel lets it do nothing: it is stopped, or its control group is frozen."""
    if state(pid) in ("T", "t"):
        return True
    try:
        own = next(
            line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if "::" in line
        )
        group = own.split("::", 1)[1].lstrip("/")
        roots = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
        return any(
            "frozen 1" in (root / group / "cgroup.events").read_text()
            for root in roots
            if (root / group / "cgroup.events").exists()
        )
    except (OSError, StopIteration):
        return False


async def until(condition: Callable[[], bool]) -> None:
    """Return when something that the kernel does has happened: nobody tells, so it is asked."""
    with anyio.fail_after(60):  # on a busy machine
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.005)


async def until_state(pid: int, wanted: str) -> None:
    """Return when the process is in one of the states of `wanted`; `-` means gone."""
    await until(lambda: (state(pid) or "-") in wanted)


async def until_gone(pid: int) -> None:
    """Return when the process has ended."""
    await until_state(pid, "-ZX")


def left_in(folder: Path) -> list[psutil.Process]:
    """The processes in a folder that do not go: what was killed needs a moment to be gone."""
    end = time.monotonic() + 10
    while left := [one for one in psutil.process_iter(["cwd"]) if _is_in(one, folder)]:
        if time.monotonic() > end:
            break
        time.sleep(0.01)
    return left


def _is_in(process: psutil.Process, folder: Path) -> bool:
    return Path(process.info["cwd"] or "/").is_relative_to(folder)


class Pids:
    """Collects the numbers that a command prints, as they come."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self._more = anyio.Event()

    def __call__(self, channel: object, text: str) -> None:
        self.found += [int(word) for word in text.split() if word.isdigit()]
        self._more.set()

    async def first(self, count: int = 1) -> list[int]:
        """The first `count` numbers, waited for."""
        with anyio.fail_after(60):  # on a busy machine
            while len(self.found) < count:
                await self._more.wait()
                self._more = anyio.Event()
        return self.found[:count]
