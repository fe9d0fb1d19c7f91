"""The text of one stream: a bounded buffer of lines, and of the ready rows made from them.

Rows have absolute numbers: `first` is the number of the oldest kept row, `end` that of the next one
to come. So a reader who has scrolled back keeps its place whatever is appended or dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from miyabi_tui.widgets.inert import Cleaner, one_line, overtype
from miyabi_tui.widgets.rows import Span, strip_of
from miyabi_tui.widgets.wrap import breaks, cells, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.strip import Strip

    from miyabi_tui.widgets.palette import Inks

MOST_ROWS = 2_000
MOST_CHARACTERS = 1_000_000
LONGEST_LINE = 4_000
SPARE_ROWS = 256
FIRST_WRAPPED = 200
RULE = "── "


class Look(Enum):
    """How a line looks: its mark, the mark of further rows, their ink, its ink, wrapping."""

    TEXT = ("", "", "text", "text", True)
    THOUGHT = ("", "", "thought", "thought", True)
    DISCARDED = ("", "", "discarded", "discarded", True)
    CALL = ("▸ ", "  ", "name", "world", True)
    WRITING = ("▹ ", "  ", "faded", "faint", False)
    OUTPUT = ("│ ", "│ ", "faint", "output", True)
    ERRORS = ("┃ ", "┃ ", "errors", "errors", True)
    PASSED = ("└ ", "  ", "faint", "good", True)
    FAILED = ("└ ", "  ", "faint", "bad", True)
    YOU = ("» ", "  ", "accent", "strong", True)
    YOU_MORE = ("  ", "  ", "strong", "strong", True)
    NOTE = ("• ", "  ", "accent", "accent", True)
    WARNING = ("! ", "  ", "warn", "warn", True)
    ESCAPE = ("⚠ ", "  ", "warn", "warn", True)
    ESCAPED = ("⚠ ", "  ", "bad", "bad", True)
    WAITING = ("◷ ", "  ", "warn", "warn", True)
    QUESTION = ("? ", "  ", "warn", "warn", True)
    GOOD = ("★ ", "  ", "good", "won", True)
    BAD = ("✗ ", "  ", "bad", "bad", True)
    FACT = ("", "  ", "dim", "dim", True)
    STEP = ("", "", "faint", "faint", False)
    DIVIDER = (RULE, "", "accent", "accent", False)
    BREAK = (RULE, "", "dim", "dim", False)

    def __init__(self, first: str, more: str, mark_ink: str, ink: str, wraps: bool) -> None:
        self.first = first
        self.more = more
        self.mark_ink = mark_ink
        self.ink = ink
        self.wraps = wraps


@dataclass(slots=True)
class Line:
    """A line of the source; `end` is set after its text, `tail` is where its last row starts."""

    look: Look
    text: str
    end: Span | None = None
    tail: int = 0
    height: int = 0


class StreamText:
    """Lines in, ready rows out; both bounded."""

    def __init__(self, most_rows: int = MOST_ROWS) -> None:
        self._most = most_rows
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._unwrapped = 0
        self._open: Line | None = None
        self._open_key = ""
        self._hint: Line | None = None
        self._cleaner = Cleaner()
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
        """Add a piece of streamed text; it goes on in the open line of the same look and key."""
        self._drop_hint()
        key = f"{look.name} {key}"
        if key != self._open_key:
            self._open = None
            self._cleaner.reset()
            self._open_key = key
        first, *others = self._cleaner.feed(text).split("\n")
        self._extend(look, first)
        for piece in others:
            if self._open is None and not self._after_blank():
                self._push(Line(look, ""))
            self._open = None
            self._extend(look, piece)

    def line(self, look: Look, text: str, end: Span | None = None) -> Line:
        """Add a whole line."""
        self._drop_hint()
        self._close()
        line = Line(look, one_line(text)[:LONGEST_LINE], end)
        self._push(line)
        return line

    def mark(self) -> Line | None:
        """The newest line, which is whole now: a place for `amend`."""
        self._drop_hint()
        self._close()
        return self._lines[-1] if self._lines else None

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
        self._drop_hint()
        self._close()
        if self._lines:
            line = self._lines[-1]
            self._unwrap_last()
            line.end = end
            line.tail = 0
            self._wrap_last(line)

    def hint(self, text: str) -> None:
        """Show a passing line at the end, until something else is written."""
        self._drop_hint()
        self._close()
        self._hint = Line(Look.WRITING, text)
        self._push(self._hint)

    def _close(self) -> None:
        self._open = None
        self._open_key = ""
        self._cleaner.reset()

    def _drop_hint(self) -> None:
        if self._hint is not None:
            self._hint = None
            self._unwrap_last()
            self._characters -= len(self._lines.pop().text)

    def _after_blank(self) -> bool:
        return not self._lines or not (self._lines[-1].text or self._lines[-1].look.first)

    def _extend(self, look: Look, piece: str) -> None:
        if not piece:
            return
        if self._open is None or len(self._open.text) > LONGEST_LINE:
            self._open = Line(look, "")
            self._push(self._open)
        for start in range(0, len(piece), LONGEST_LINE):
            self._grow(look, piece[start : start + LONGEST_LINE])

    def _grow(self, look: Look, piece: str) -> None:
        line = self._open
        assert line is not None
        if len(line.text) > LONGEST_LINE:
            line = self._open = Line(look, "")
            self._push(line)
        before = len(line.text)
        text = overtype(line.text, piece)
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
            text = look.first + line.text
            while cells(text) > width - 1 and " · " in text:
                text = text.rpartition(" · ")[0]
            text = fit(text, width - 1)
            if look.first == RULE:
                text += " " + "─" * (width - 2 - cells(text))
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
