"""What was spent, added up by what a person asks for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.costs.entries import dollars, nano

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence


class By(StrEnum):
    """What the lines of a report are."""

    DAY = "day"
    MODEL = "model"
    WORLD = "world"
    REPO = "repo"
    RUN = "run"
    ISSUE = "issue"

    @property
    def titled(self) -> bool:
        """Whether each line is of one issue, whose title says more than its key."""
        return self in (By.RUN, By.ISSUE)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of one day, model, …, and what they cost in US dollars.

    `title` and `repo` are those of a run or an issue. Tokens are those that the provider
    counted: `cached_tokens` are a part of `input_tokens`. `answers` of the cache and of the
    provider, of which `hits` are the cache's, and cost nothing. `unknown` calls have no known
    price, and are not in `cost_usd`; `estimated` says that a part of it is an estimate.
    """

    key: str = ""
    repo: str = ""
    title: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    estimated: bool = False
    unknown: int = 0
    answers: int = 0
    hits: int = 0

    @property
    def hit_rate(self) -> float | None:
        """The share of answers that came from the cache, None without any answer."""
        return self.hits / self.answers if self.answers else None


_KEYS = {
    By.DAY: "day",
    By.MODEL: "model",
    By.WORLD: "world",
    By.REPO: "repo",
    By.RUN: "run_id",
    By.ISSUE: "issue_key",
}
_GROUPS = {**_KEYS, By.ISSUE: "repo, issue_key"}
_ORDERS = {By.DAY: "day", By.RUN: "newest DESC"}
_LINES = """
SELECT {key}, repo, title, sum(status != 'cached'),
    sum(iif(status = 'cached', 0, input_tokens)),
    sum(iif(status = 'cached', 0, output_tokens)),
    sum(iif(status = 'cached', 0, cache_read_tokens)),
    coalesce(sum(cost_nano), 0), sum(estimated AND cost_nano IS NOT NULL), sum(cost_nano IS NULL),
    sum(status IN ('finished', 'cached')), sum(status = 'cached'),
    max(id) AS newest  -- which makes repo and title those of the newest, too
FROM calls
WHERE ? = '' OR day BETWEEN ? || '-01' AND ? || '-31'
GROUP BY {group}
ORDER BY {order}
"""


def lines(db: sqlite3.Connection, by: By, month: str) -> list[Line]:
    """The calls of a month like 2026-11, or of all for an empty one, grouped."""
    order = _ORDERS.get(by, f"sum(cost_nano) DESC, {_KEYS[by]}")
    query = _LINES.format(key=_KEYS[by], group=_GROUPS[by], order=order)
    return [_line(by, row) for row in db.execute(query, (month, month, month))]


def _line(by: By, row: tuple[Any, ...]) -> Line:
    key, repo, title, calls, given, made, cached, cost, estimated, unknown, answers, hits, _ = row
    return Line(
        key=key,
        repo=repo if by.titled else "",
        title=title if by.titled else "",
        calls=calls,
        input_tokens=given,
        output_tokens=made,
        cached_tokens=cached,
        cost_usd=dollars(cost),
        estimated=bool(estimated),
        unknown=unknown,
        answers=answers,
        hits=hits,
    )


def total(found: Sequence[Line]) -> Line:
    """All lines in one."""
    return Line(
        calls=sum(one.calls for one in found),
        input_tokens=sum(one.input_tokens for one in found),
        output_tokens=sum(one.output_tokens for one in found),
        cached_tokens=sum(one.cached_tokens for one in found),
        cost_usd=dollars(sum(nano(one.cost_usd) for one in found)),
        estimated=any(one.estimated for one in found),
        unknown=sum(one.unknown for one in found),
        answers=sum(one.answers for one in found),
        hits=sum(one.hits for one in found),
    )
