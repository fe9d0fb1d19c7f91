"""Whether a call may be made: one transaction, so that two engines never spend the same dollar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.costs.entries import (
    Call,
    Caps,
    Go,
    Spent,
    Status,
    Sums,
    Verdict,
    Wait,
    dollars,
    nano,
)
from miyabi_tui.engine.costs.rows import MONTH, TOKENS
from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.store.lock import is_driven

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_SUMS = f"""
SELECT
    (SELECT coalesce(sum(cost_nano), 0) FROM calls WHERE run_id = :run_id AND world = :world),
    (SELECT coalesce(sum(cost_nano), 0) FROM calls WHERE repo = :repo AND issue_key = :issue_key),
    (SELECT coalesce(sum(cost_nano), 0) FROM days WHERE {MONTH})
"""
MORE, COST, FIRST_SCOPE = 2, 3, 4  # columns of what follows
# What each open call may cost beyond what is in the sums already, and in which scopes it counts.
_RESERVED = f"""
SELECT run_id, owner, worst_nano - coalesce(cost_nano, 0), coalesce(cost_nano, 0),
    run_id = :run_id AND world = :world, repo = :repo AND issue_key = :issue_key, {MONTH}
FROM calls
WHERE status = 'open' AND worst_nano > coalesce(cost_nano, 0)
"""
_INSERT = """
INSERT INTO calls (run_id, owner, repo, issue_key, title, world, step, provider, model, day,
    started_at, ended_at, status, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, cost_nano, worst_nano, estimated)
VALUES (:run_id, :owner, :repo, :issue_key, :title, :world, :step, :provider, :model, :day,
    :started_at, :ended_at, :status, :input_tokens, :output_tokens, :cache_read_tokens,
    :cache_write_tokens, :cost_nano, :worst_nano, :estimated)
"""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody would like to make now. `generation` is handed back in a `Wait`."""

    call: Call
    owner: str
    day: str
    at: float
    worst_usd: float | None
    floor_usd: float | None
    caps: Caps
    generation: int

    @property
    def names(self) -> dict[str, Any]:
        """The values of the queries."""
        return msgspec.structs.asdict(self.call) | {"month": self.day[:7]}


def admit(db: sqlite3.Connection, journal: Path, wish: Wish) -> Verdict:
    """Weigh the call against its caps and enter it, within the transaction that is open."""
    sums: tuple[int, ...] = db.execute(_SUMS, wish.names).fetchone()
    refused = _refusal(db, journal, wish, sums) if wish.worst_usd else None
    if refused is not None:
        return refused
    floor = None if wish.floor_usd is None else nano(wish.floor_usd)
    worst = None if wish.worst_usd is None else nano(wish.worst_usd)
    id = insert(db, wish, Status.OPEN, cost_nano=floor, worst_nano=worst, estimated=True)
    return Go(id, Sums(*map(dollars, sums)))


def _refusal(
    db: sqlite3.Connection, journal: Path, wish: Wish, sums: tuple[int, ...]
) -> Spent | Wait | None:
    """Why the call may not be made, None where it may."""
    worst = nano(wish.worst_usd or 0.0)
    capped = [
        (place, scope, spent, nano(limit))
        for place, (scope, spent) in enumerate(zip(Scope, sums, strict=True))
        if (limit := wish.caps.of(scope)) is not None
    ]
    rows = db.execute(_RESERVED, wish.names).fetchall() if capped else []
    if all(spent + worst + _total(rows, MORE, place) <= limit for place, _, spent, limit in capped):
        return None
    living = _living(journal, wish, rows)  # looked at only where it makes a difference
    # What calls in progress have cost is an estimate, and may turn out less: no reason to give up.
    billed = [
        (place, scope, spent - _total(living, COST, place), limit)
        for place, scope, spent, limit in capped
    ]
    for _, scope, spent, limit in billed:
        if spent + worst > limit:
            return Spent(scope, dollars(spent), dollars(worst), dollars(limit))
    for place, scope, spent, limit in billed:
        reserved = _total(living, COST, place) + _total(living, MORE, place)
        if spent + worst + reserved > limit:
            amounts = dollars(spent), dollars(reserved), dollars(limit)
            return Wait(scope, *amounts, generation=wish.generation)
    return None


def _total(rows: list[tuple[Any, ...]], column: int, place: int) -> int:
    """What the open calls of one scope have cost, or may cost more."""
    return sum(row[column] for row in rows if row[FIRST_SCOPE + place])


def _living(journal: Path, wish: Wish, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The calls that can still cost more. Of our own run, an engine before us died with its."""
    others = {row[0] for row in rows if row[1] != wish.owner} - {wish.call.run_id}
    alive = {run_id for run_id in others if is_driven(journal, run_id)}
    return [row for row in rows if row[1] == wish.owner or row[0] in alive]


def insert(
    db: sqlite3.Connection,
    wish: Wish,
    status: Status,
    *,
    cost_nano: int | None,
    worst_nano: int | None = None,
    estimated: bool = False,
    tokens: dict[str, int] | None = None,
) -> int:
    """Enter a call; its id."""
    values = {
        **wish.names,
        "owner": wish.owner,
        "provider": wish.call.model.partition("/")[0],
        "day": wish.day,
        "started_at": wish.at,
        "ended_at": None if status is Status.OPEN else wish.at,
        "status": status,
        "cost_nano": cost_nano,
        "worst_nano": worst_nano,
        "estimated": estimated,
        **(tokens or dict.fromkeys(TOKENS, 0)),
    }
    return db.execute(_INSERT, values).lastrowid or 0
