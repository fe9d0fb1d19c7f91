"""When a call may go: sliding windows of requests and of tokens, without a clock or a store.

Times are whole microseconds. A window ending at t holds what was admitted in (t - length, t].
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECOND = 1_000_000
WINDOW = 60 * SECOND
# For so long after a hold, calls of the account go one at a time with this gap: no new storm.
CALM = 60 * SECOND
GAP = SECOND // 2


class Allowance(msgspec.Struct, frozen=True):
    """What an account may use in a minute; 0 is no limit."""

    requests: int = 0
    tokens: int = 0

    def within(self, other: Allowance) -> Allowance:
        """The stricter of both, each for itself."""
        return Allowance(
            _stricter(self.requests, other.requests), _stricter(self.tokens, other.tokens)
        )


def _stricter(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


class Counted(NamedTuple):
    """What counts in the windows from `at` on, until a window's length later."""

    at: int
    requests: int
    tokens: int


class Wanted(NamedTuple):
    """A call that waits for its moment."""

    tokens: int
    allowance: Allowance


class Hold(NamedTuple):
    """Nobody goes before `until`, 0 where there is no hold; `last` is when somebody went last."""

    until: int = 0
    last: int = 0

    def earliest(self, moment: int) -> int:
        """The first moment from `moment` on that the hold, and the calm after it, allow."""
        if not self.until:
            return moment
        moment = max(moment, self.until)
        if self.last >= self.until and moment < self.until + CALM:
            moment = max(moment, self.last + GAP)
        return moment


class Windows:
    """The two windows of an account, which only ever move on.

    `counted` is what is in them, the oldest first; it is read only as far as it has to leave, so
    their sums are given, too.
    """

    def __init__(
        self,
        counted: Iterable[Counted] = (),
        requests: int = 0,
        tokens: int = 0,
        *,
        length: int = WINDOW,
    ) -> None:
        self._length = length
        self._requests = requests
        self._tokens = tokens
        self._counted: Iterator[Counted] = iter(counted)
        self._added: deque[Counted] = deque()
        self._oldest = next(self._counted, None)

    def earliest(self, moment: int, wanted: Wanted) -> int:
        """The first moment from `moment` on with room for the call.

        One that is larger than its whole allowance has room where nothing else is.
        """
        self._forget(moment)
        while not self._has_room(wanted) and self._oldest is not None:
            moment = self._oldest.at + self._length
            self._forget(moment)
        return moment

    def add(self, counted: Counted) -> None:
        """Count something, not older than all that was counted before."""
        self._requests += counted.requests
        self._tokens += counted.tokens
        if self._oldest is None:
            self._oldest = counted
        else:
            self._added.append(counted)

    def _has_room(self, wanted: Wanted) -> bool:
        requests, tokens = wanted.allowance.requests, wanted.allowance.tokens
        if requests and self._requests + 1 > requests:
            return False
        return not tokens or self._tokens + min(wanted.tokens, tokens) <= tokens

    def _forget(self, moment: int) -> None:
        """Let go of what is no longer in a window that ends at `moment`."""
        while self._oldest is not None and self._oldest.at + self._length <= moment:
            self._requests -= self._oldest.requests
            self._tokens -= self._oldest.tokens
            self._oldest = next(self._counted, None) or (
                self._added.popleft() if self._added else None
            )


def plan(windows: Windows, queue: Iterable[Wanted], now: int, hold: Hold) -> list[int]:
    """The moment of each call of the queue: first come, first served, and as early as can be."""
    moments: list[int] = []
    moment = now
    for wanted in queue:
        moment = windows.earliest(hold.earliest(moment), wanted)
        windows.add(Counted(moment, 1, wanted.tokens))
        hold = Hold(hold.until, moment)
        moments.append(moment)
    return moments
