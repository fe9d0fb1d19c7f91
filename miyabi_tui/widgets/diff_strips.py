"""The rows of a diff as ready strips: only those that come into view are made."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip

from miyabi_tui.widgets.diff_rows import NONE, Rows
from miyabi_tui.widgets.diff_text import ADDED, DELETED, FILE, HUNK, NO_END, ODD, SAME, Diff, counts
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import row as two_parts
from miyabi_tui.widgets.rows import strip_of
from miyabi_tui.widgets.visible import visible
from miyabi_tui.widgets.wrap import breaks, cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from textual.widget import Widget

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.diff_paint import Painter, Range
    from miyabi_tui.widgets.rows import Span

BOTH_NUMBERS = 60  # columns from which a unified diff has the numbers of both sides
LEAST = 4  # columns of text, however narrow
PLAIN = "plain"
_SIGNS = {ADDED: ("+", "added"), DELETED: ("−", "deleted"), SAME: (" ", "faint")}
_GROUNDS = {ADDED: "added", DELETED: "deleted", SAME: PLAIN}
_TINTS = {
    "added": ("ink-good", 0.10, ""),
    "deleted": ("ink-bad", 0.10, ""),
    "added word": ("ink-good", 0.32, "bold"),
    "deleted word": ("ink-bad", 0.32, "bold"),
}


def diff_inks(widget: Widget) -> dict[str, Inks]:
    """The inks on each ground of a diff; without colour, changed words are underlined."""
    look = "bold underline" if widget.app.no_color else "bold"
    made = {PLAIN: inks(widget, "background"), "head": inks(widget, "panel")}
    for name, (towards, share, bold) in _TINTS.items():
        made[name] = inks(widget, "background", tint=(towards, share, bold and look))
    return made


class Sheet:
    """A diff laid out for a width: how many screen rows there are, and each as a strip."""

    def __init__(
        self, diff: Diff, painter: Painter, rows: Rows, width: int, *, split: bool, wrap: bool
    ) -> None:
        self.rows = rows
        self.split = split
        self.wrap = wrap
        self.width = width
        self.also: Mapping[str, Sequence[WorldId]] = {}
        self.wanted: int | None = None
        self._diff = diff
        self._painter = painter
        last = max(max(diff.old, default=0), max(diff.new, default=0))
        self._digits = max(2, len(str(last)))
        both = not split and width >= BOTH_NUMBERS
        self._gutter = self._digits * (1 + both) + both + 4
        self._left = (width - 1) // 2 if split else width
        self._tops = self._measure() if wrap else None

    @property
    def room(self) -> int:
        """Columns of text on the narrower side."""
        return max(LEAST, self._left - self._gutter)

    @property
    def height(self) -> int:
        """Screen rows of the whole."""
        return len(self.rows) if self._tops is None else self._tops[-1]

    def top(self, row: int) -> int:
        """The screen row at which a row begins."""
        return row if self._tops is None else self._tops[row]

    def row_at(self, y: int) -> int:
        """The row that is shown at a screen row."""
        if self._tops is None:
            return min(y, len(self.rows) - 1)
        return min(bisect_right(self._tops, y) - 1, len(self.rows) - 1)

    def _measure(self) -> array[int]:
        tops = array("l", [0])
        top = 0
        for left, right in zip(self.rows.left, self.rows.right, strict=True):
            high = self._high(right)
            if left not in (right, NONE):
                high = max(high, self._high(left))
            top += high
            tops.append(top)
        return tops

    def _high(self, line: int) -> int:
        if line == NONE or self._diff.kinds[line] not in _SIGNS:
            return 1
        said = self._diff.lines[line]
        if len(said) <= self.room and said.isascii() and said.isprintable():
            return 1
        return 1 + len(breaks(self._painter.text(line), self.room))

    # --- strips ----------------------------------------------------------------------------------

    def strip(self, y: int, x: int, current: int, ink: dict[str, Inks]) -> Strip:
        """The screen row `y`, its text scrolled by `x`; `current` is the hunk that is marked."""
        at = self.row_at(y)
        part = y - self.top(at)
        line = self.rows.line(at)
        mine = current >= 0 and self.rows.hunk_at(at) == current
        if line == NONE:
            return strip_of((), self.width, ink[PLAIN])
        kind = self._diff.kinds[line]
        if kind == FILE:
            return self._file(line, ink["head"])
        edge: Span = ("▎", "accent") if mine else (" ", "text")
        if kind == HUNK:
            return self._hunk(line, edge, ink[PLAIN])
        if not self.split or kind in (NO_END, ODD):
            return Strip.join([*self._side(line, x, part, edge, self.width, ink, both=True)])
        right = self.width - 1 - self._left
        bar = Segment("│", ink[PLAIN]["faint"])
        return Strip.join(
            [
                *self._side(self.rows.left[at], x, part, edge, self._left, ink, old=True),
                Strip([bar], 1),
                *self._side(self.rows.right[at], x, part, (" ", "text"), right, ink),
            ]
        )

    def _file(self, line: int, ink: Inks) -> Strip:
        file = self._diff.file_at(line)
        assert file is not None
        left: list[Span] = [(visible(file.path), "strong")]
        if file.words:
            left.append((f"  {visible(file.words)}", "warn"))
        right: list[Span] = []
        if others := self.also.get(file.path):
            names = ", ".join(one.key for one in others)
            right.append((f"also in {names}  ", "warn"))
        right += counts(file)
        return two_parts(self.width, left, right, ink, keep=20)

    def _hunk(self, line: int, edge: Span, ink: Inks) -> Strip:
        file = self._diff.file_at(line)
        assert file is not None
        hunk = file.hunks[bisect_right(file.hunks, line, key=lambda one: one.start) - 1]
        where = f"line {hunk.new or hunk.old:,}"
        indent = " " * max(1, self._gutter - 1)
        place = visible(hunk.place)
        spans = [edge, (f"{indent}{where}", "accent")]
        return strip_of([*spans, (f"  {place}" if place else "", "faint")], self.width, ink)

    def _side(
        self,
        line: int,
        x: int,
        part: int,
        edge: Span,
        width: int,
        ink: dict[str, Inks],
        *,
        both: bool = False,
        old: bool = False,
    ) -> Iterator[Strip]:
        """Gutter and text of one side, `width` columns together."""
        plain = ink[PLAIN]
        kind = self._diff.kinds[line] if line != NONE else NONE
        if kind not in _SIGNS:
            said = ""
            if kind == NO_END:
                said = "no newline at the end"
            elif kind == ODD:
                said = visible(self._diff.lines[line][:width])
            indent = " " * max(0, self._gutter - 1)
            yield strip_of([edge, (indent + said, "faint")], width, plain)
            return
        ground = _GROUNDS[kind]
        own = ink[ground]
        sign, sign_ink = _SIGNS[kind]
        numbers = self._numbers(line, both=both, old=old) if part == 0 else ""
        numbers = f"{numbers:>{self._gutter - 4}} "
        gutter = [edge, (numbers, "faint"), (sign if part == 0 else " ", sign_ink), (" ", "text")]
        yield strip_of([(text, name) for text, name in gutter], min(self._gutter, width), own)
        room = width - self._gutter
        if room > 0:
            yield self._text(line, x, part, room, ground, ink)

    def _numbers(self, line: int, *, both: bool, old: bool) -> str:
        before, after = self._diff.old[line], self._diff.new[line]
        if both and self._gutter > self._digits + 4:
            return f"{before or '':>{self._digits}} {after or '':>{self._digits}}"
        return str((before if old else after) or before or after)

    def _text(
        self, line: int, x: int, part: int, room: int, ground: str, ink: dict[str, Inks]
    ) -> Strip:
        spans, wanted = self._painter.spans(line)
        if wanted is not None:
            self.wanted = wanted
        marks = self._painter.marks(line)
        own = ink[ground]
        start, stop = 0, None
        if self.wrap:
            found = [0, *breaks(self._painter.text(line), self.room)]
            if part >= len(found):
                return strip_of((), room, own)
            start, stop = found[part], (found[part + 1] if part + 1 < len(found) else None)
        words = ink.get(f"{ground} word", own)
        segments = list(_segments(spans, marks, own, words, start, stop))
        strip = Strip(segments)
        length = strip.cell_length
        strip = strip.crop(x, x + room)
        if length > x + room and not self.wrap:  # wrapped, only a blank is cut
            strip = Strip.join([strip.crop(0, room - 1), Strip([Segment("…", own["faint"])], 1)])
        return strip.extend_cell_length(room, own["text"])


def _segments(
    spans: Sequence[Span],
    marks: Sequence[Range],
    own: Inks,
    words: Inks,
    start: int,
    stop: int | None,
) -> Iterator[Segment]:
    """The characters from `start` to `stop`, those within `marks` with the inks of `words`."""
    at = 0
    for text, name in spans:
        end = at + len(text)
        first = max(at, start)
        last = end if stop is None else min(end, stop)
        cut = [first, *(n for mark in marks for n in mark if first < n < last), last]
        for a, b in pairwise(cut):
            if b > a:
                marked = any(low <= a < high for low, high in marks)
                yield Segment(text[a - at : b - at], (words if marked else own)[name])
        at = end


def widest(diff: Diff) -> int:
    """Columns of the longest line."""
    return max(
        (
            len(line) if line.isascii() and line.isprintable() else cells(visible(line))
            for line in diff.lines
        ),
        default=0,
    )
