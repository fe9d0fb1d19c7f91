"""A time limit that stands still while its sandbox is frozen."""

from __future__ import annotations

import math

import anyio


class Deadline:
    """A cancel scope's deadline that can be suspended and resumed. Times are loop seconds."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._running = False
        self.scope = anyio.CancelScope()

    def run(self) -> None:
        """Let the time pass."""
        if not self._running:
            self._running = True
            self.scope.deadline = anyio.current_time() + self._left

    def suspend(self) -> None:
        """Hold the time."""
        if self._running:
            self._running = False
            self._left = max(0.0, self.scope.deadline - anyio.current_time())
            self.scope.deadline = math.inf

    def add(self, seconds: float) -> None:
        """Put the limit off by so many seconds."""
        if self._running:
            self.scope.deadline += seconds
        else:
            self._left += seconds

    @property
    def passed(self) -> bool:
        """Whether the limit was reached and the scope cancelled for it."""
        return self.scope.cancelled_caught
