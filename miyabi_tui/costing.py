"""What has been spent, read from the ledger alone: `miyabi costs`."""

from __future__ import annotations

import shutil
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len, set_cell_size

from miyabi_tui import config
from miyabi_tui.engine.costs.ledger import ledger_path, open_ledger
from miyabi_tui.engine.costs.report import By, Line, total
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.terms import Budgets

if TYPE_CHECKING:
    from collections.abc import Callable

UNBOUNDED = 1_000  # columns, where nobody's terminal is written to
NAME_AT_LEAST, NAME_AT_MOST = 28, 60  # most models' names, and enough of a title
GAP = "  "


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be shown: a month like 2026-11, or everything for an empty one.

    `month_usd` is the month's budget in US dollars, None where there is none; `remark` what is to
    be known of the ledger.
    """

    by: By
    month: str
    rows: list[Line]
    month_usd: float | None
    remark: str = ""
    ever: bool = True


async def costs(journal: Path, by: str, month: str | None, *, everything: bool) -> Costs:
    """What was spent in that month (None: in this one), or ever.

    Raises:
        StoreError: the ledger cannot be read.
    """
    chosen = "" if everything else month or time.strftime("%Y-%m")
    found = Costs(by=By(by), month=chosen, rows=[], month_usd=_month_budget(), ever=False)
    if not ledger_path(journal).exists():
        return found
    async with open_ledger(journal) as ledger:
        rows = await ledger.lines(found.by, chosen)
        ever = bool(rows or await ledger.lines(By.REPO))
        return msgspec.structs.replace(found, rows=rows, ever=ever, remark=ledger.remark)


def _month_budget() -> float | None:
    """The month's budget as it is set here; as it is by default where this is no repository."""
    try:
        git = open_repository(Path())
    except UsageError:
        return Budgets().month_usd or None
    try:
        return config.load(git.work_tree).budgets.month_usd or None
    except UsageError:  # what was spent is to be seen whatever the settings look like
        return None


def page(found: Costs, *, as_json: bool) -> str:
    """The costs as a table for this terminal, or as JSON."""
    if as_json:
        return _json(found)
    if not found.ever:
        return 'nothing has been spent yet: each model call will be here; try: miyabi run "…"'
    if not found.rows:
        return f"nothing was spent in {found.month}; see all: miyabi costs --all"
    width = shutil.get_terminal_size((UNBOUNDED, 24)).columns
    table = _table(found, width)
    notes = [part for note in _notes(found) for part in textwrap.wrap(note, width)]
    return "\n".join([*table, "", *notes])


def _json(found: Costs) -> str:
    def line(one: Line) -> dict[str, object]:
        return msgspec.structs.asdict(one) | {"hit_rate": one.hit_rate}

    return msgspec.json.encode(
        {
            "by": found.by,
            "month": found.month or None,
            "month_usd": found.month_usd,
            "rows": [line(one) for one in found.rows],
            "total": line(total(found.rows)),
        }
    ).decode()


# The columns of numbers, the least important first: they go where there is no room.
_COLUMNS: tuple[tuple[str, Callable[[Line], str]], ...] = (
    ("hits", lambda one: "–" if one.hit_rate is None else f"{one.hit_rate:.0%}"),
    ("cached", lambda one: _many(one.cached_tokens)),
    ("output", lambda one: _many(one.output_tokens)),
    ("input", lambda one: _many(one.input_tokens)),
    ("calls", lambda one: str(one.calls)),
    ("cost", lambda one: _money(one)),
)
_SHOWN = ("calls", "input", "output", "cached", "hits", "cost")


def _table(found: Costs, width: int) -> list[str]:
    """One line for each row and one for all, never wider than the terminal."""
    sum_ = total(found.rows)
    lines = [*found.rows, sum_] if len(found.rows) > 1 else found.rows
    repos = {one.repo for one in found.rows}
    names = [_name(one, several=len(repos) > 1) for one in found.rows]
    names += ["total"] if len(lines) > len(names) else []
    columns = {title: [title, *map(show, lines)] for title, show in _COLUMNS}
    needed = max(map(cell_len, (found.by, *names)))
    least = min(needed, NAME_AT_LEAST)
    for title, _ in _COLUMNS[:-1]:
        if width >= least + _width(columns):
            break
        del columns[title]
    room = min(max(width - _width(columns), 1), needed, NAME_AT_MOST if found.by.titled else needed)
    shown = [columns[title] for title in _SHOWN if title in columns]
    rows = zip((found.by, *names), *shown, strict=True)
    sizes = [max(map(cell_len, cells)) for cells in shown]
    return [
        GAP.join(
            [
                _fit(name, room),
                *(f"{cell:>{size}}" for cell, size in zip(cells, sizes, strict=True)),
            ]
        )
        for name, *cells in rows
    ]


def _width(columns: dict[str, list[str]]) -> int:
    return sum(len(GAP) + max(map(cell_len, cells)) for cells in columns.values())


def _fit(text: str, room: int) -> str:
    if cell_len(text) <= room:
        return set_cell_size(text, room)
    return set_cell_size(text, room - 1) + "…"


def _name(one: Line, *, several: bool) -> str:
    """What a line is called; nothing in it can act on the terminal."""
    place = f"{Path(one.repo).name} " if several else ""
    text = f"{place}{one.key}{GAP}{one.title}" if one.title else one.key
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _many(tokens: int) -> str:
    """A number of tokens, short: 980, 12.3k, 4.5M."""
    if tokens < 1_000:
        return str(tokens)
    return f"{tokens / 1_000:.1f}k" if tokens < 999_950 else f"{tokens / 1_000_000:.1f}M"


def _money(one: Line) -> str:
    """A sum: ≈ where it has estimates in it, + where something of unknown price comes on top."""
    if one.unknown and not one.cost_usd:
        return "unknown"
    sign = "≈" if one.estimated else ""
    return f"{sign}${one.cost_usd:,.4f}{'+' if one.unknown else ''}"


def _notes(found: Costs) -> list[str]:
    """What the signs mean, and at the end the sum and its budget."""
    sum_ = total(found.rows)
    notes = []
    if sum_.estimated:
        notes.append("≈ with estimates: calls in progress, cut off, or without a bill of their own")
    if sum_.unknown:
        many = "1 call" if sum_.unknown == 1 else f"{sum_.unknown} calls"
        notes.append(f"+ {many} without a known price: set it under [prices] in miyabi.toml")
    if sum_.hits:
        notes.append(f"hits: {sum_.hits} of {sum_.answers} turns came from the cache, for nothing")
    last = f"{found.month or 'in all'}: {_money(sum_)}"
    if found.month and found.month_usd:
        share = sum_.cost_usd / found.month_usd
        last += f" of ${found.month_usd:,.2f} ({share:.1%})"
    return [*notes, last]
