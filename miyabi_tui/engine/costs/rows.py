"""The ledger's one table: what is written to it and read from it, call by call."""

from __future__ import annotations

from typing import Any

import msgspec

from miyabi_tui.engine.costs.entries import Call, Entry, Status, dollars, nano
from miyabi_tui.engine.models.base import Usage

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
MONTH = "day BETWEEN :month || '-01' AND :month || '-31'"
COUNT = """
UPDATE calls SET input_tokens = :input_tokens, output_tokens = :output_tokens,
    cache_read_tokens = :cache_read_tokens, cache_write_tokens = :cache_write_tokens,
    cost_nano = :cost_nano, estimated = :estimated, status = :status, ended_at = :ended_at
WHERE id = :id AND status = 'open'
"""
DISCARD = "UPDATE calls SET status = 'discarded', ended_at = ? WHERE id = ? AND status = 'open'"
DEAD = "SELECT id FROM calls WHERE status = 'open' AND run_id = ? AND owner != ? ORDER BY id"
ENTRY = """
SELECT id, status, started_at, ended_at, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, estimated, cost_nano, run_id, repo, issue_key, title, world, step, model
FROM calls WHERE id = ?
"""
SPENT = f"""
SELECT coalesce(sum(cost_nano), 0), coalesce(sum(iif(run_id = :run_id, cost_nano, 0)), 0),
    count(DISTINCT iif(run_id = :run_id, NULL, run_id)), sum(cost_nano IS NULL),
    max(estimated AND cost_nano IS NOT NULL),
    (SELECT coalesce(sum(cost_nano), 0) FROM days WHERE {MONTH})
FROM calls WHERE repo = :repo AND issue_key = :issue_key
"""


def counted(id: int, usage: Usage, cost_usd: float | None) -> dict[str, Any]:
    """The values of `COUNT` that a usage and its price in US dollars give."""
    cost = None if cost_usd is None else nano(cost_usd)
    return tokens(usage) | {"id": id, "cost_nano": cost}


def tokens(usage: Usage) -> dict[str, int]:
    """A usage as the table has it."""
    values = msgspec.structs.asdict(usage)
    return {name: values[name] for name in TOKENS}


def entry(row: tuple[Any, ...]) -> Entry:
    """The row of `ENTRY`."""
    id, status, started_at, ended_at, given, made, read, written, estimated, cost, *whose = row
    return Entry(
        id=id,
        call=Call(**dict(zip(Call.__struct_fields__, whose, strict=True))),
        status=Status(status),
        started_at=started_at,
        ended_at=ended_at,
        usage=Usage(given, made, read, written, bool(estimated)),
        cost_usd=None if cost is None else dollars(cost),
    )
