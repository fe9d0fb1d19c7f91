"""One more or one less at once, by how busy the machine is (REQ-RES-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from miyabi_tui.engine.resources.load import Load
    from miyabi_tui.engine.terms import Governing


class Step(msgspec.Struct, frozen=True):
    """How much runs at once from now on, and why, in words; no reason where nothing changed."""

    at_once: int
    reason: str = ""


def step(at_once: int, load: Load, most: int, governing: Governing) -> Step:
    """What a reading of the load makes of `at_once`: one less, one more, never below 1.

    CPU above its mark is the normal state of a build on a small machine, and takes one off all the
    same: that is what is required.
    """
    marks = (
        ("memory", load.memory, governing.memory_high, governing.memory_low),
        ("CPU", load.cpu, governing.cpu_high, governing.cpu_low),
        ("disk", load.disk, governing.disk_high, governing.disk_low),
    )
    over = [
        f"{name} {_percent(share)} (above {_percent(high)})"
        for name, share, high, _ in marks
        if share > high
    ]
    if over:
        return Step(at_once - 1, ", ".join(over)) if at_once > 1 else Step(1)
    if at_once < most and all(share < low for _, share, _, low in marks):
        room = ", ".join(f"{name} {_percent(share)}" for name, share, _, _ in marks)
        return Step(at_once + 1, f"there is room: {room}")
    return Step(at_once)


class DynamicScaler:
    """Keeps count over the readings; it begins with the maximum.

    `at_once` is what the last reading made of it, `reason` why it changed then, in words.
    """

    def __init__(self, governing: Governing, most: int) -> None:
        self._governing = governing
        self.most = most
        self.at_once = most
        self.reason = ""

    def after(self, load: Load) -> int:
        """How much may run at once after this reading."""
        done = step(self.at_once, load, self.most, self._governing)
        self.at_once, self.reason = done.at_once, done.reason
        return self.at_once


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"
