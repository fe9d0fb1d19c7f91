"""What past worlds have cost, for who wants to know what the next ones may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.costs.entries import dollars

if TYPE_CHECKING:
    import sqlite3

_WORLDS = """
SELECT run_id, world, model, repo, sum(cost_nano), sum(cost_nano IS NULL), max(id) AS newest
FROM calls WHERE world != '' GROUP BY run_id, world ORDER BY newest DESC LIMIT ?
"""
AT_MOST = 500  # worlds: what was long ago says little


class WorldCost(msgspec.Struct, frozen=True, kw_only=True):
    """All calls of one world of a past run, in US dollars; `model` is that of its last call."""

    run_id: str
    world: str
    model: str
    repo: str
    cost_usd: float


def worlds(db: sqlite3.Connection, at_most: int = AT_MOST) -> list[WorldCost]:
    """The newest past worlds; those with a call of unknown price tell nothing and are left out."""
    rows = db.execute(_WORLDS, (at_most,)).fetchall()
    return [
        WorldCost(run_id=run, world=world, model=model, repo=repo, cost_usd=dollars(cost or 0))
        for run, world, model, repo, cost, unknown, _ in rows
        if not unknown
    ]
