"""What a world has too much of, in numbers and words."""

from __future__ import annotations

import math

import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.worlds import WorldId

GB = 2**30


class Excess(msgspec.Struct, frozen=True):
    """What a world has too much of: bytes, processes or seconds."""

    world: WorldId
    resource: e.Resource
    used: float
    limit: float

    @property
    def key(self) -> str:
        """The id of its question, the same whenever it is asked."""
        return f"limit:{self.world}:{self.resource}"

    @property
    def amount(self) -> str:
        """How much of how much, in words."""
        match self.resource:
            case e.Resource.MEMORY | e.Resource.DISK:
                tenths = math.ceil(self.used / GB * 10 - 1e-6)  # so that it reads as more
                return f"{tenths / 10:g} of {self.limit / GB:g} GB"
            case e.Resource.PROCESSES:
                return f"{self.used:g} of {self.limit:g}"
            case e.Resource.TIME:
                return f"{self.used / 60:.0f} of {self.limit / 60:.3g} minutes"

    @property
    def limit_name(self) -> str:
        """The limit that it is over."""
        processes = self.resource is e.Resource.PROCESSES
        return "process limit" if processes else f"{self.resource} limit"

    @property
    def reason(self) -> str:
        """Why the world cannot simply go on."""
        return f"over its {self.limit_name}: {self.amount}"

    @property
    def raised(self) -> float:
        """The limit when the person lets it run: doubled until it is within."""
        limit = 2 * self.limit
        while limit <= self.used:
            limit *= 2
        return limit
