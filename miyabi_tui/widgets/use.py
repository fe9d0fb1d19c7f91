"""What a world uses of the machine, each number in the ink of how near it is to its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miyabi_tui.widgets.words import gauge, memory

if TYPE_CHECKING:
    from miyabi_tui.widgets.rows import Span
    from miyabi_tui.widgets.words import PaneView

NEAR = 0.8
LEAST_DISK = 1_000_000  # bytes


@dataclass(frozen=True)
class Use:
    """One number with its name before or after it; `ink` says how near it is to its limit."""

    name: str
    number: str
    ink: str

    @property
    def pressing(self) -> bool:
        """Whether it is to be seen in any case."""
        return self.ink in ("warn", "bad")

    @property
    def before(self) -> list[Span]:
        """`disk 212 MB`, after a blank."""
        return [(f"  {self.name} ", "faint"), (self.number, self.ink)] if self.number else []

    @property
    def after(self) -> list[Span]:
        """`212 MB disk`, after three blanks."""
        return [(f"   {self.number}", self.ink), (f" {self.name}", "faint")] if self.number else []


def near(used: float, limit: float, ink: str = "text") -> str:
    """The ink of a number: plain, near its limit, over it."""
    if used > limit:
        return "bad"
    return "warn" if used >= NEAR * limit else ink


def cpu_and_memory(view: PaneView) -> list[Span]:
    """Both in columns, a dash each where the world has no process."""
    cpu, used = gauge(view.world)
    found, busy = view.world.gauge, "faint" if cpu == "–" else "text"
    ink = near(found.memory_bytes, view.limits.memory_bytes) if found and found.processes else busy
    return [("cpu ", "faint"), (f"{cpu:<4}", busy), (" mem ", "faint"), (used, ink)]


def disk(view: PaneView) -> Use:
    """The world's folders."""
    found = view.world.gauge
    if found is None or found.disk_bytes < LEAST_DISK or view.world.ended:
        return Use("disk", "", "text")
    ink = near(found.disk_bytes, view.limits.disk_bytes)
    return Use("disk", memory(found.disk_bytes), ink)


def processes(view: PaneView) -> Use:
    """How many processes it has."""
    found = view.world.gauge
    if found is None or not found.processes or view.world.ended:
        return Use("procs", "", "text")
    return Use("procs", str(found.processes), near(found.processes, view.limits.processes))


def connections(view: PaneView) -> Use:
    """How many network connections are open; they have no limit."""
    found = view.world.gauge
    open_now = found.connections if found and not view.world.ended else 0
    return Use("conns", str(open_now) if open_now else "", "text")


def in_short(view: PaneView) -> list[Span]:
    """CPU and memory without names; the others where they press."""
    cpu, used = gauge(view.world)
    return [(f"cpu {cpu}  ", "faint"), (used, _memory_ink(view)), *pressing(view, memory=False)]


def pressing(view: PaneView, *, memory: bool = True) -> list[Span]:
    """Only what is near its limit or over it."""
    used = Use("mem", gauge(view.world)[1], _memory_ink(view))
    uses = [*([used] if memory else []), disk(view), processes(view)]
    return [span for use in uses if use.pressing for span in use.before]


def _memory_ink(view: PaneView) -> str:
    found = view.world.gauge
    if found is None or not found.processes:
        return "faint"
    return near(found.memory_bytes, view.limits.memory_bytes, "faint")
