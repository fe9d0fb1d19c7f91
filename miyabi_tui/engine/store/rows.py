"""What is read from the journal's tables, as it is handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine import events as e

if TYPE_CHECKING:
    from collections.abc import Iterable

# Events that a fold can do without: they are most of a journal.
STREAMS = tuple(str(kind.__struct_config__.tag) for kind in (e.Output, e.Gauges, e.TurnMetered))

_decoder = msgspec.json.Decoder(list[e.AnyEvent])


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a list shows it. Times are Unix seconds."""

    run_id: str
    issue_number: int | None
    issue_key: str
    title: str
    status: str
    started_at: float
    completed_at: float | None
    total_cost_usd: float
    winner: str | None
    score: float | None
    repo: str
    branch: str | None


# As bytes: text that is no UTF-8 is then told apart from a fault of the file.
RECORD_COLUMNS = "seq, at, CAST(body AS BLOB)"
RUN_COLUMNS = (
    "id, issue_number, issue_key, title, status, started_at, completed_at,"
    " total_cost_usd, winning_world_id, final_score, repo, branch"
)


def run_row(values: Iterable[object]) -> RunRow:
    """The row of `RUN_COLUMNS`."""
    return msgspec.convert(dict(zip(RunRow.__struct_fields__, values, strict=True)), RunRow)


def kind_of(event: e.AnyEvent) -> str:
    """The event's tag, as it stands in its JSON."""
    return str(event.__struct_config__.tag)


def decode(rows: Iterable[tuple[int, float, bytes]]) -> list[e.Record]:
    """Records from rows of `RECORD_COLUMNS`, decoded as one list: quicker than one by one.

    Raises:
        msgspec.DecodeError: something in there is no event that this version knows.
    """
    found = list(rows)
    events = _decoder.decode(b"[" + b",".join(body for _, _, body in found) + b"]")
    return [e.Record(seq, at, event) for (seq, at, _), event in zip(found, events, strict=True)]
