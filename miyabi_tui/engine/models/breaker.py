"""The circuit breaker of a provider: after failures in a row it is left alone for a while.

Closed, every call passes. Open, calls wait. Half-open, one call at a time is let through, first
come, first served; successes in a row close it, a failure opens it again. A call that began before
the breaker changed says nothing about what is now, and neither does one that was refused,
rate-limited or cancelled.
"""

from __future__ import annotations

import math
import time
from collections import deque
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from miyabi_tui.engine.events import BreakerState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from miyabi_tui.engine.terms import Breaker

    OnChange = Callable[[BreakerState, float | None, str], None]


class Outcome:
    """How a call went, told before it ends; neutral where it is not told. The last word stands."""

    def __init__(self) -> None:
        self.success: bool | None = None
        self.cause = ""

    def succeeded(self) -> None:
        """The provider answered."""
        self.success, self.cause = True, ""

    def failed(self, cause: str) -> None:
        """The provider failed."""
        self.success, self.cause = False, cause


class _Turn:
    """A call that waits."""

    def __init__(self) -> None:
        self.come = anyio.Event()


class CircuitBreaker:
    """Shared by all calls to one provider in one event loop.

    `on_change` is told the new state, in an open one until when (seconds since 1970), and the
    failure that was the cause. `clock` gives the seconds that the loop's timers count, `wall` those
    since 1970.
    """

    def __init__(
        self,
        terms: Breaker,
        on_change: OnChange | None = None,
        *,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._terms = terms
        self._on_change = on_change
        self._clock = clock
        self._wall = wall
        self._state = BreakerState.CLOSED
        self._era = 0  # how often the state has changed
        self._in_a_row = 0  # failures while closed, successes while half-open
        self._open_until = 0.0
        self._probing = False
        self._queue: deque[_Turn] = deque()

    @property
    def state(self) -> BreakerState:
        """The state now; half-open from the end of the time on, also where nobody calls."""
        return BreakerState.HALF_OPEN if self._is_over() else self._state

    @asynccontextmanager
    async def call(self, on_wait: Callable[[float | None], None]) -> AsyncGenerator[Outcome]:
        """Wait until a call may be made, and learn from its outcome.

        `on_wait` is called when it has to wait, and when that changes: with the time in seconds
        since 1970 until which the breaker is open, or None while another call is let through.
        """
        await self._enter(on_wait)
        era, outcome = self._era, Outcome()
        try:
            yield outcome
        finally:  # nothing is awaited here, so nothing can cut it short
            if era == self._era:
                self._learn(outcome)
            if era == self._era:
                self._probing = False
                self._wake(1)

    async def _enter(self, on_wait: Callable[[float | None], None]) -> None:
        """Return when it is this call's turn."""
        turn, told = _Turn(), -1
        self._queue.append(turn)
        try:
            while not self._passes(turn):
                is_open = self._state is BreakerState.OPEN
                seconds = self._open_until - self._clock() if is_open else math.inf
                if told != self._era:
                    told = self._era
                    on_wait(self._wall() + seconds if is_open else None)
                turn.come = anyio.Event()
                with anyio.move_on_after(seconds):
                    await turn.come.wait()
        finally:
            self._queue.remove(turn)
            self._wake(1)  # the one behind may be the first now

    def _passes(self, turn: _Turn) -> bool:
        """Whether the call may be made now; then, half-open, it is the one that is let through."""
        if self._is_over():
            self._change(BreakerState.HALF_OPEN)
        if self._state is BreakerState.HALF_OPEN and not self._probing:
            self._probing = self._queue[0] is turn
            return self._probing
        return self._state is BreakerState.CLOSED

    def _is_over(self) -> bool:
        return self._state is BreakerState.OPEN and self._clock() >= self._open_until

    def _learn(self, outcome: Outcome) -> None:
        closed = self._state is BreakerState.CLOSED
        if outcome.success is None:
            return
        if outcome.success:
            self._in_a_row = 0 if closed else self._in_a_row + 1
            if not closed and self._in_a_row >= self._terms.successes:
                self._change(BreakerState.CLOSED)
        else:
            self._in_a_row += 1
            if not closed or self._in_a_row >= self._terms.failures:
                self._change(BreakerState.OPEN, outcome.cause)

    def _change(self, state: BreakerState, cause: str = "") -> None:
        self._state = state
        self._era += 1
        self._in_a_row = 0
        self._probing = False
        until = None
        if state is BreakerState.OPEN:
            self._open_until = self._clock() + self._terms.seconds
            until = self._wall() + self._terms.seconds
        self._wake(len(self._queue))
        if self._on_change is not None:
            self._on_change(state, until, cause)

    def _wake(self, count: int) -> None:
        """Let the first of the queue look again."""
        for turn in islice(self._queue, count):
            turn.come.set()
