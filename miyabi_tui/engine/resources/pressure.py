"""Whether memory runs short: by the kernel's pressure stall information, else by what is left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.hierarchy import V2, groups, read_text
from miyabi_tui.engine.resources.load import memory_share

if TYPE_CHECKING:
    from miyabi_tui.engine.terms import Governing

LEAST_LEFT = 0.05  # of the memory's size, where the kernel tells no pressure
_SOME = re.compile(r"^some .*?\bavg10=([0-9.]+)", re.MULTILINE)


class Pressure(msgspec.Struct, frozen=True):
    """`stalled`: percent of the last 10 s in which a task waited for memory, None if not known.

    `left` is the share of the memory that is available, read only where `stalled` is not known.
    """

    stalled: float | None
    left: float = 1.0

    def trouble(self, governing: Governing) -> str:
        """Why nothing new should begin, in words; empty if it may."""
        if self.stalled is None:
            return f"{100 * self.left:.1f} % of it is left" if self.left < LEAST_LEFT else ""
        if self.stalled > governing.pressure_percent:
            return f"tasks stalled for it {self.stalled:.0f} % of the last 10 s"
        return ""


def read_pressure(root: Path = Path("/")) -> Pressure:
    """The machine's pressure or that of the own control group, whichever is more.

    `root` is where the machine's `/proc` and `/sys` are. Blocks: in a thread.
    """
    files = [root / "proc/pressure/memory"]
    files += [folder / "memory.pressure" for folder in groups(root, V2)[:1]]
    found = [float(one.group(1)) for one in map(_SOME.search, map(read_text, files)) if one]
    return Pressure(max(found)) if found else Pressure(None, 1.0 - memory_share(root))
