"""The gate a paused world waits at, and the clock that stands still meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.deadline import Deadline


class Gate:
    """Open while a world runs; `worked` counts its seconds without the paused ones."""

    def __init__(self) -> None:
        self._open = anyio.Event()
        self._open.set()
        self._started = anyio.current_time()
        self._paused = 0.0
        self._closed_at: float | None = None
        self._deadline: Deadline | None = None

    def start(self, worked: float, deadline: Deadline) -> None:
        """Count from `worked` seconds on, and let a time limit run whenever the gate is open."""
        self._started, self._paused = anyio.current_time() - worked, 0.0
        if self._closed_at is not None:
            self._closed_at = anyio.current_time()
        self._deadline = deadline
        if self.is_open:
            deadline.run()

    @property
    def is_open(self) -> bool:
        """Whether the world may go on."""
        return self._closed_at is None

    def close(self) -> None:
        """Hold whoever comes to the gate."""
        if self._closed_at is None:
            self._closed_at = anyio.current_time()
            self._open = anyio.Event()
            if self._deadline is not None:
                self._deadline.suspend()

    def open(self) -> None:
        """Let everyone through."""
        if self._closed_at is not None:
            self._paused += anyio.current_time() - self._closed_at
            self._closed_at = None
            self._open.set()
            if self._deadline is not None:
                self._deadline.run()

    async def passed(self) -> None:
        """Wait until the gate is open."""
        while not self.is_open:
            await self._open.wait()

    @property
    def worked(self) -> float:
        """Seconds since the beginning, without those spent paused."""
        now = anyio.current_time() if self._closed_at is None else self._closed_at
        return now - self._started - self._paused
