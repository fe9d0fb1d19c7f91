"""Which row of the screen is which row of which block: laid out for one width."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from miyabi_tui.widgets.stream_rows import fold_of, lay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.widgets.stream_blocks import Block

Anchor = tuple["Block | None", int, int, int]
"""A place that stays when rows change: a block, a line of it, an offset in that, a row."""


class Sheet:
    """Numbers the rows of blocks; `first` is the number of the first one, and may be negative."""

    def __init__(self) -> None:
        self.width = 0
        self.folded = False
        self.first = 0
        self._blocks: Sequence[Block] = ()
        self._tops: list[int] = []
        self.end = 0

    def lay(self, blocks: Sequence[Block], start: int = 0) -> int:
        """Lay out the blocks from place `start` on; the number of the first row that changed."""
        self._blocks = blocks
        start = min(start, len(self._tops), len(blocks))
        top = self._tops[start] if start < len(self._tops) else self.end
        if start == 0:
            top = self.first
        del self._tops[start:]
        changed = top
        for number in range(start, len(blocks)):
            block = blocks[number]
            before = len(block.rows) if number == start and block.laid else 0
            stale = block.stale
            lay(block, self.width, fold_of(block, self.folded))
            if number == start and before:
                changed = top + sum(row.line < stale and not row.hidden for row in block.rows)
                if any(row.hidden for row in block.rows):
                    changed = top
            self._tops.append(top)
            top += len(block.rows)
        self.end = top
        return changed

    def has(self, blocks: Sequence[Block]) -> bool:
        """Whether all of these are laid out."""
        return len(self._tops) == len(blocks)

    def shift(self, rows: int) -> None:
        """So many rows came before the first; fewer where it is negative."""
        self.first -= rows

    def at(self, row: int) -> tuple[int, int]:
        """The place of the block at a row, and which of its rows that is."""
        place = max(0, bisect_right(self._tops, row) - 1)
        return place, row - self._tops[place]

    def top(self, place: int) -> int:
        """The number of a block's first row."""
        return self._tops[place]

    def row_of(self, place: int, line: int, start: int) -> int | None:
        """The row where a place in a line stands; None where it is folded away."""
        for number, row in enumerate(self._blocks[place].rows):
            if row.line == line and row.start <= start and not row.hidden:
                if row.stop < 0 or start < row.stop or row.start == row.stop:
                    return self._tops[place] + number
        return None

    def anchor(self, row: int) -> Anchor:
        """What stands at a row, to find it again."""
        if not self._tops:
            return None, 0, 0, 0
        place, at = self.at(row)
        block = self._blocks[place]
        if at >= len(block.rows):
            return block, 0, 0, at
        shown = block.rows[at]
        return block, shown.line, shown.start, at

    def find(self, anchor: Anchor) -> int:
        """Where that stands now."""
        block, line, start, at = anchor
        places = (n for n, one in enumerate(self._blocks) if one is block)
        place = next(places, None)
        if place is None or block is None:
            return self.first
        row = self.row_of(place, line, start)
        if row is not None:
            return row
        return self._tops[place] + min(at, max(0, len(block.rows) - 1))
