"""What all worlds that use one provider's account share: its rate limit, its breaker."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.models.base import LimitsReport, Turn, Usage
    from miyabi_tui.engine.models.breaker import CircuitBreaker
    from miyabi_tui.engine.models.limiter import RateLimiter

FIRST_OUTPUT = 2_000  # tokens, as long as nothing is known
REMEMBERED = 20


class Account:
    """A provider as one key sees it. `counts_cached`: its rate limit counts cached input too."""

    def __init__(
        self, name: str, limiter: RateLimiter, breaker: CircuitBreaker, *, counts_cached: bool
    ) -> None:
        self.name = name
        self.limiter = limiter
        self.breaker = breaker
        self._counts_cached = counts_cached
        self._outputs: deque[int] = deque(maxlen=REMEMBERED)

    def estimate(self, turn: Turn, asked: Usage) -> int:
        """The tokens that a turn takes of the rate limit, if its output is the largest of late."""
        output = max(self._outputs, default=FIRST_OUTPUT)
        return self.taken(asked) + min(output, turn.max_tokens)

    def taken(self, usage: Usage) -> int:
        """The tokens that a turn has taken of the rate limit."""
        return usage.total - (0 if self._counts_cached else usage.cache_read_tokens)

    def learn(self, usage: Usage) -> None:
        """Remember how much a complete turn put out."""
        self._outputs.append(usage.output_tokens)

    async def heed(self, limits: LimitsReport) -> None:
        """Keep to what the provider says of its own limits, where that is stricter."""
        await self.limiter.tighten(limits.requests, limits.tokens)
        if limits.resets_in:
            await self.limiter.hold(limits.resets_in)
