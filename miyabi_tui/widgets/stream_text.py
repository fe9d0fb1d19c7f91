"""The text of one stream: a bounded buffer of lines, and of the ready rows made from them.

Rows have absolute numbers: `first` is the number of the oldest kept row, `end` that of the next one
to come. So a reader who has scrolled back keeps its place whatever is appended or dropped.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from miyabi_tui.widgets.rows import Span, strip_of
from miyabi_tui.widgets.stream_lines import LONGEST_LINE, Line, Lines, Look, in_one_row
from miyabi_tui.widgets.wrap import breaks, cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.strip import Strip

    from miyabi_tui.widgets.palette import Inks

__all__ = ["LONGEST_LINE", "Line", "Look", "StreamText"]

MOST_ROWS = 2_000
MOST_CHARACTERS = 1_000_000
MOST_AT_ONCE = 60_000  # characters of one piece that are looked at: no eye follows more in a frame
SPARE_ROWS = 256
FIRST_WRAPPED = 200


class StreamText(Lines):
    """Lines in, ready rows out; both bounded."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        super().__init__()
        self._most = most_rows
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._unwrapped = 0
        self._ink: Inks | None = None
        self._width = 0
        self._rows: list[Strip] = []
        self._changed: int | None = None
        self.first = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def end(self) -> int:
        """The number of the row after the newest."""
        return self.first + len(self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """The width and the inks that the rows are made for."""
        return self._width, id(self._ink)

    def window(self, top: int, height: int) -> list[Strip]:
        """The kept rows from number `top` on, at most `height`."""
        start = max(0, top - self.first)
        return self._rows[start : start + height]

    def take_changed(self) -> int | None:
        """The lowest row number that changed since the last call, if any did."""
        changed, self._changed = self._changed, None
        return changed

    # --- writing ---------------------------------------------------------------------------------

    def write(self, look: Look, text: str, key: str = "") -> None:
        """See `Lines.write`. Of a flood only the end is kept, from a whole line on."""
        if len(text) > MOST_AT_ONCE:
            start = len(text) - MOST_AT_ONCE
            start = text.find("\n", start) + 1 or start
            self.line(Look.FACT, f"… {start:,} characters more: z shows all")
            text = text[start:]
        super().write(look, text, key)

    def amend(self, after: Line | None, change: Callable[[Line], None]) -> None:
        """Change the lines after a mark, or all if it is not kept any more, and their rows."""
        self.mark()
        kept = list(self._lines)
        where = (n for n in range(len(kept), 0, -1) if kept[n - 1] is after)
        start = next(where, 0)
        with_rows = kept[max(start, self._unwrapped) :] if self._width else []
        rows = sum(line.height for line in with_rows)
        del self._rows[max(0, len(self._rows) - rows) :]
        self._mark_changed()
        for line in kept[start:]:
            change(line)
            line.tail = line.height = 0
        for line in with_rows:
            self._wrap_last(line)

    def finish_line(self, end: Span) -> None:
        """Set a closing mark at the end of the newest line."""
        self._settle()
        if self._lines:
            line = self._lines[-1]
            self._unwrap_last()
            line.end = end
            line.tail = 0
            self._wrap_last(line)

    def _newest(self) -> Line | None:
        return self._lines[-1] if self._lines else None

    def _pop(self) -> None:
        self._unwrap_last()
        self._characters -= len(self._lines.pop().text)

    def _retext(self, line: Line, text: str) -> None:
        before = len(line.text)
        if not text.startswith(line.text):
            self._unwrap_last()
            line.tail = 0
        elif self._width and line.height:
            self._pop_row(line)
        line.text = text
        self._characters += len(text) - before
        self._wrap_last(line)

    def _push(self, line: Line) -> None:
        self._lines.append(line)
        self._characters += len(line.text)
        while len(self._lines) > self._most or self._characters > MOST_CHARACTERS:
            self._characters -= len(self._lines.popleft().text)
            self._unwrapped = max(0, self._unwrapped - 1)
        if not self._width:
            self._unwrapped = len(self._lines)
        self._wrap_last(line)

    # --- rows ------------------------------------------------------------------------------------

    def _pop_row(self, line: Line) -> None:
        self._rows.pop()
        line.height -= 1
        self._mark_changed()

    def _unwrap_last(self) -> None:
        line = self._lines[-1]
        if self._width and line.height:
            del self._rows[-line.height :]
            line.height = 0
            self._mark_changed()

    def _mark_changed(self) -> None:
        self._changed = self.end if self._changed is None else min(self._changed, self.end)

    def _wrap_last(self, line: Line) -> None:
        if not self._width:
            return
        self._mark_changed()
        made = self._wrap(line)
        self._rows.extend(made)
        line.height += len(made)
        if len(self._rows) > self._most + SPARE_ROWS:
            extra = len(self._rows) - self._most
            del self._rows[:extra]
            self.first += extra
            self._unwrapped = 0

    def _wrap(self, line: Line) -> list[Strip]:
        """The rows of a line from its tail on."""
        ink = self._ink
        assert ink is not None
        look = line.look
        width = self._width - 1
        room = max(2, width - 1 - max(len(look.first), len(look.more)))
        if not look.wraps:
            text = in_one_row(line, width - 1)
            return [strip_of([(" ", look.ink), (text, look.ink)], self._width, ink, look.ink)]
        starts = [line.tail, *breaks(line.text, room, line.tail)]
        rows = []
        mark = look.more if line.tail else look.first
        for start, stop in zip(starts, [*starts[1:], len(line.text)], strict=True):
            text = line.text[start:stop]
            text = text.rstrip() if stop < len(line.text) else text
            spans: list[Span] = [(" ", look.ink), (mark, look.mark_ink), (text, look.ink)]
            if line.end and stop == len(line.text):
                if cells(text) + cells(line.end[0]) <= room:
                    spans.append(line.end)
                else:
                    rows.append(strip_of(spans, self._width, ink, look.ink))
                    spans = [(" " + look.more, look.ink), (line.end[0].strip(), line.end[1])]
            rows.append(strip_of(spans, self._width, ink, look.ink))
            mark = look.more
        line.tail = starts[-1]
        return rows

    def reshape(self, width: int, ink: Inks, top: int, height: int) -> int:
        """Make the rows anew for another width or theme; the new number of the row at `top`."""
        behind = self._lines_from(top) if self._width else 0
        self._width, self._ink = width, ink
        self._rows = []
        self.first = 0
        self._unwrapped = len(self._lines)
        for line in self._lines:
            line.tail = line.height = 0
        if not width:
            return 0
        while self._unwrapped and (
            len(self._rows) < max(FIRST_WRAPPED, 2 * height)
            or len(self._lines) - self._unwrapped < behind
        ):
            self.wrap_older(max(FIRST_WRAPPED, behind))
        rows_behind = sum(line.height for line in list(self._lines)[len(self._lines) - behind :])
        return self.end - rows_behind

    def _lines_from(self, top: int) -> int:
        """How many of the newest lines stand at or below row number `top`."""
        rows, count = self.end - top, 0
        for line in reversed(self._lines):
            if rows <= 0:
                break
            rows -= line.height
            count += 1
        return count

    def wrap_older(self, count: int = FIRST_WRAPPED) -> None:
        """Make rows of up to `count` older lines that have none yet."""
        older: list[Strip] = []
        lines = list(self._lines)[max(0, self._unwrapped - count) : self._unwrapped]
        for line in lines:
            made = self._wrap(line)
            line.height = len(made)
            older.extend(made)
        self._rows[:0] = older
        self.first -= len(older)
        self._unwrapped -= len(lines)
