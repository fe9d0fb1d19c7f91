"""Whether a call that failed is made again, and when (REQ-ERR-1), by tenacity's rules.

The loop itself is in `guard.py`: a stream hands on what it gets, so it cannot be a function that
tenacity calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

    from miyabi_tui.engine.errors import ModelError
    from miyabi_tui.engine.terms import Retry

LONGEST_TOLD = 86_400.0  # seconds: a provider that says more is out of its mind
JITTER = 0.25  # of a wait, added at random, so that five worlds do not come back as one


class Patience:
    """What one turn has met so far. `for_ever` waits for any time a provider asks for.

    `clock` counts seconds.
    """

    def __init__(self, terms: Retry, clock: Callable[[], float], *, for_ever: bool) -> None:
        import tenacity  # 30 ms: only where a provider is asked

        self.faults = 0
        self._terms = terms
        self._for_ever = for_ever
        self._limited = 0
        self._clock = clock
        self._since: float | None = None
        self._stop = tenacity.stop_after_attempt(terms.attempts)
        self._wait = tenacity.wait_exponential(
            terms.first_seconds, terms.longest_seconds, terms.factor
        )
        self._policy = tenacity.AsyncRetrying()
        self._random = tenacity.wait_random(0.0, JITTER)

    def after(self, error: ModelError, *, probe: bool) -> float | None:
        """Seconds to wait before the next attempt; None where there is none.

        A provider that says how long to wait is waited for. One that limits the rate has no fault,
        and a `probe` was made for all worlds once the breaker let one call through: neither counts
        as an attempt, but both end when patience does.
        """
        if not error.transient:
            return None
        terms = self._terms
        now = self._clock()
        self._since = now if self._since is None else self._since
        limited = isinstance(error, RateLimited)
        if limited:
            self._limited += 1
        elif not probe:
            self.faults += 1
            if self._stop(self._state(self.faults)):
                return None
        wait = self._wait(self._state(max(1, self._limited if limited else self.faults)))
        wait = min(self._terms.longest_seconds, wait * (1 + self._random(self._state(1))))
        told = None if error.retry_after is None else min(error.retry_after, LONGEST_TOLD)
        if told is not None:
            # A limit that comes again although we waited as told wants more than that.
            wait = max(told, wait if not limited or self._limited > 1 else terms.first_seconds)
        too_long = now + wait - self._since > self._terms.patience_seconds
        return None if too_long and not (self._for_ever and told) else wait

    def _state(self, attempt: int) -> RetryCallState:
        from tenacity import RetryCallState

        state = RetryCallState(self._policy, None, (), {})
        state.attempt_number = attempt
        return state
