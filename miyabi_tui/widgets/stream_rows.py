"""The rows of blocks: laid out for a width, painted as they come into view."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from miyabi_tui.widgets.rows import Span, strip_of
from miyabi_tui.widgets.stream_blocks import Block, Fold, Kind, Range, Row
from miyabi_tui.widgets.stream_lines import Line, Look, in_one_row
from miyabi_tui.widgets.wrap import breaks, cells, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.strip import Strip

    from miyabi_tui.widgets.palette import Inks

HEAD_ROWS, TAIL_ROWS = 5, 8  # of output that is longer than both and one more
MARGIN = 1  # before the mark; a sign stands there where the search is


def fold_of(block: Block, folded: bool) -> Fold:
    """How much of it is shown: as the person said, else all folded, or by what it is."""
    if block.fold is not None:
        return block.fold
    return Fold.FOLDED if block.headed and (folded or block.silent) else Fold.BRIEF


def lay(block: Block, width: int, fold: Fold) -> None:
    """Make its rows for this width; those that are still right stay."""
    if block.laid != (width, fold):
        block.laid, block.stale, block.rows = (width, fold), 0, []
    if block.stale >= len(block.lines) and block.rows:
        return
    if block.folds and fold is Fold.FOLDED:
        block.rows = [Row(0, 0, -1)]
    elif block.kind is Kind.CALL and fold is Fold.BRIEF:
        block.rows = _brief(block, width)
    else:
        while block.rows and block.rows[-1].line >= block.stale:
            block.rows.pop()
        for number in range(block.stale, len(block.lines)):
            block.rows += line_rows(block.lines[number], number, width)
    block.stale = len(block.lines)


def _brief(block: Block, width: int) -> list[Row]:
    """The head, and the first and the last rows of its output."""
    head = 1 if block.headed else 0
    rows = line_rows(block.lines[0], 0, width) if head else []
    first: list[Row] = []
    number = head
    while number < len(block.lines) and len(first) <= HEAD_ROWS + TAIL_ROWS + 1:
        first += line_rows(block.lines[number], number, width)
        number += 1
    if number == len(block.lines) and len(first) <= HEAD_ROWS + TAIL_ROWS + 1:
        return rows + first
    last: list[Row] = []
    number = len(block.lines)
    while number > head and len(last) < TAIL_ROWS:
        number -= 1
        last = line_rows(block.lines[number], number, width) + last
    first, last = first[:HEAD_ROWS], last[-TAIL_ROWS:]
    hidden = last[0].line - first[-1].line - (last[0].start == 0)
    return [*rows, *first, Row(-1, 0, 0, max(1, hidden)), *last]


def line_rows(line: Line, number: int, width: int) -> list[Row]:
    """The rows of one line; its closing mark has one of its own where it does not fit."""
    if not line.look.wraps:
        return [Row(number, 0, len(line.text))]
    room = _room(line.look, width)
    starts = [0, *breaks(line.text, room)]
    stops = [*starts[1:], len(line.text)]
    rows = [Row(number, start, stop) for start, stop in zip(starts, stops, strict=True)]
    if line.end and cells(line.text[starts[-1] :]) + cells(line.end[0]) > room:
        rows.append(Row(number, len(line.text), len(line.text)))
    return rows


def _room(look: Look, width: int) -> int:
    return max(2, width - 1 - MARGIN - max(len(look.first), len(look.more)))


@dataclass(frozen=True)
class Brush:
    """What rows are painted with: `match` is the one that the search is at, `chosen` the call."""

    ink: Inks
    width: int
    chosen: Block | None = None
    match: tuple[Block, tuple[int, int, int]] | None = None


def paint(block: Block, at: int, brush: Brush) -> Strip:
    """One row of a block that is laid out."""
    row = block.rows[at]
    if row.hidden:
        lines = f"{row.hidden} line{'s' * (row.hidden != 1)}"
        return _strip([("⋮ ", "faint"), (f"… {lines} · enter opens", "dim")], brush)
    line = block.lines[row.line]
    look = line.look
    if row.stop < 0:
        return _strip(_folded(block, brush), brush, look.ink)
    if not look.wraps:
        return _strip([(in_one_row(line, brush.width - MARGIN - 1), look.ink)], brush, look.ink)
    mark = (line.lead or look.first) if row.start == 0 else look.more
    if row.line == 0 and row.start == 0 and block.headed:
        mark = "▾ " if block.folds else mark
    spans: list[Span] = [(mark, _mark_ink(block, row, brush))]
    spans += _inked(block, row, line, brush)
    if line.end and row.stop == len(line.text) and _ends(block, at):
        spans.append(line.end)
    return _strip(spans, brush, look.ink, here=_is_here(block, row, brush))


def _ends(block: Block, at: int) -> bool:
    """Whether this is the last row of its line."""
    return at + 1 >= len(block.rows) or block.rows[at + 1].line != block.rows[at].line


def _mark_ink(block: Block, row: Row, brush: Brush) -> str:
    head = row.line == 0 and row.start == 0 and block.headed
    chosen = head and block is brush.chosen
    return "band" if chosen else block.lines[row.line].look.mark_ink


def _folded(block: Block, brush: Brush) -> list[Span]:
    """A call in one row: what was called, how it ended, how much it said."""
    line = block.lines[0]
    last = block.lines[-1]
    end: list[Span] = []
    if line.end:
        end.append(line.end)
    elif last.look in (Look.PASSED, Look.FAILED):
        end.append((f"  {last.text}", last.look.ink))
    said = block.body - (not line.end and last.look in (Look.PASSED, Look.FAILED))
    if said:
        end.append((f"  {said} line{'s' * (said != 1)}", "faint"))
    room = brush.width - MARGIN - 1 - 2 - sum(cells(text) for text, _ in end)
    mark = "band" if block is brush.chosen else line.look.mark_ink
    text = fit(line.text, max(8, room))
    spans: list[Span] = [("▸ ", mark)]
    if len(text) < len(line.text):
        return [*spans, (text, line.look.ink), *end]
    return [*spans, *_inked(block, Row(0, 0, len(line.text)), line, brush), *end]


def _inked(block: Block, row: Row, line: Line, brush: Brush) -> list[Span]:
    """The text of a row in the inks of its ranges, what was searched for on top of them."""
    plain = line.look.ink
    stop = row.stop
    while stop > row.start and stop < len(line.text) and line.text[stop - 1] == " ":
        stop -= 1
    ranges = block.inks[row.line] if block.inks is not None and row.line < len(block.inks) else ()
    found = [one for one in block.found or () if one[0] == row.line]
    here = brush.match[1] if brush.match is not None and brush.match[0] is block else None
    marks = [Range(a, b, "alarm" if (n, a, b) == here else "band") for n, a, b in found]
    spans: list[Span] = []
    for start, end, ink in _merged(row.start, stop, plain, ranges, marks):
        spans.append((line.text[start:end], ink))
    return spans


def _merged(
    start: int, stop: int, plain: str, under: Sequence[Range], over: Sequence[Range]
) -> Iterator[Range]:
    """`start` to `stop` in pieces of one ink each; `over` lies on `under`."""
    cuts = {start, stop}
    for one in (*under, *over):
        cuts.update(cut for cut in (one.start, one.stop) if start < cut < stop)
    edges = sorted(cuts)
    for left, right in pairwise(edges):
        yield Range(left, right, _ink_at(left, over) or _ink_at(left, under) or plain)


def _ink_at(place: int, ranges: Sequence[Range]) -> str:
    at = bisect_right(ranges, place, key=lambda one: one.start) - 1
    return ranges[at].ink if at >= 0 and place < ranges[at].stop else ""


def _is_here(block: Block, row: Row, brush: Brush) -> bool:
    if brush.match is None or brush.match[0] is not block:
        return False
    line, start, _ = brush.match[1]
    return line == row.line and row.start <= start < max(row.stop, row.start + 1)


def _strip(spans: list[Span], brush: Brush, fill: str = "text", *, here: bool = False) -> Strip:
    gutter: Span = ("›", "warn") if here else (" ", fill)
    return strip_of([gutter, *spans], brush.width, brush.ink, fill)
