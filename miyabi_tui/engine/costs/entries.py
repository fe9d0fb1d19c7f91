"""What the ledger is asked and what it answers. Money is in US dollars, times in Unix seconds."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.models.base import Usage

NANOS = 1_000_000_000  # in a dollar: a token of the cheapest model costs some
MOST_USD = 1e9  # no sum of such fits into SQLite's integers otherwise


class Status(StrEnum):
    """How far a call is. What was discarded has been paid for, too; what was cached has not."""

    OPEN = "open"
    FINISHED = "finished"
    DISCARDED = "discarded"
    CACHED = "cached"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to get a turn: whose it is. `model` is PROVIDER/MODEL, `title` the issue's."""

    run_id: str
    repo: str
    issue_key: str
    title: str
    world: str
    step: int
    model: str


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent at most, in US dollars; None where there is no cap."""

    world_usd: float | None = None
    issue_usd: float | None = None
    month_usd: float | None = None

    def of(self, scope: Scope) -> float | None:
        """The cap of one scope."""
        return {
            Scope.WORLD: self.world_usd,
            Scope.ISSUE: self.issue_usd,
            Scope.MONTH: self.month_usd,
        }[scope]


class Sums(msgspec.Struct, frozen=True):
    """What is spent already, the estimates of calls in progress included, in US dollars."""

    world_usd: float
    issue_usd: float
    month_usd: float


class Go(msgspec.Struct, frozen=True):
    """The call may be made and is in the ledger as `id`; `spent` is what was spent before it."""

    id: int
    spent: Sums


class Wait(msgspec.Struct, frozen=True):
    """Not now: calls in progress may need what is left of the cap, and may turn out cheaper.

    `reserved_usd` is what those may still cost. Give `generation` to `Ledger.settled_since`.
    """

    scope: Scope
    spent_usd: float
    reserved_usd: float
    limit_usd: float
    generation: int


class Spent(msgspec.Struct, frozen=True):
    """No: with `spent_usd` spent, a call that may cost `worst_usd` could pass the cap."""

    scope: Scope
    spent_usd: float
    worst_usd: float
    limit_usd: float


Verdict = Go | Wait | Spent


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it stands in the ledger; `cost_usd` is None where its price is unknown."""

    id: int
    call: Call
    status: Status
    started_at: float
    ended_at: float | None
    usage: Usage
    cost_usd: float | None


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What an issue, one run of it and this month have cost, in US dollars.

    `earlier_runs` counts the issue's other runs that made calls, `earlier_usd` is theirs;
    `unknown_calls` of the issue have no known price; `estimated`: a part of the issue's sum is.
    """

    run_usd: float
    issue_usd: float
    month_usd: float
    earlier_runs: int
    earlier_usd: float
    unknown_calls: int
    estimated: bool


def nano(usd: float) -> int:
    """Whole nano-dollars; none for what is no number (no tokens at an infinite price)."""
    return round(min(usd, MOST_USD) * NANOS) if usd > 0 else 0


def dollars(amount: int) -> float:
    """US dollars of nano-dollars."""
    return amount / NANOS
