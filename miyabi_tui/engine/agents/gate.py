"""The gate a paused world waits at, and the clock that stands still meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.deadline import Deadline


class Gate:
    """Open while a world runs; `worked` counts its seconds.

    Those spent paused are not counted, nor those in which it waits for something that is not its
    own: a rate limit, a provider that is down, a person.
    """

    def __init__(self) -> None:
        self._open = anyio.Event()
        self._open.set()
        self._started = anyio.current_time()
        self._stood = 0.0
        self._stands_since: float | None = None
        self._waits = False
        self._deadline: Deadline | None = None

    def start(self, worked: float, deadline: Deadline) -> None:
        """Count from `worked` seconds on, and let a time limit run whenever the clock does."""
        self._started, self._stood = anyio.current_time() - worked, 0.0
        if self._stands_since is not None:
            self._stands_since = anyio.current_time()
        self._deadline = deadline
        if self._stands_since is None:
            deadline.run()

    @property
    def is_open(self) -> bool:
        """Whether the world may go on."""
        return self._open.is_set()

    def close(self) -> None:
        """Hold whoever comes to the gate."""
        if self.is_open:
            self._open = anyio.Event()
            self._stand_or_run()

    def open(self) -> None:
        """Let everyone through."""
        if not self.is_open:
            self._open.set()
            self._stand_or_run()

    def wait(self, waits: bool) -> None:
        """Say whether the world waits for something that is not its own; the gate stays open."""
        if waits is not self._waits:
            self._waits = waits
            self._stand_or_run()

    async def passed(self) -> None:
        """Wait until the gate is open."""
        while not self.is_open:
            await self._open.wait()

    def _stand_or_run(self) -> None:
        stands = self._waits or not self.is_open
        if stands and self._stands_since is None:
            self._stands_since = anyio.current_time()
            if self._deadline is not None:
                self._deadline.suspend()
        elif not stands and self._stands_since is not None:
            self._stood += anyio.current_time() - self._stands_since
            self._stands_since = None
            if self._deadline is not None:
                self._deadline.run()

    @property
    def worked(self) -> float:
        """Seconds since the beginning in which the world could work."""
        now = anyio.current_time() if self._stands_since is None else self._stands_since
        return now - self._started - self._stood
