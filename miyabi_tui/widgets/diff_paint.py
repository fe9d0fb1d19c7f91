"""The spans of a diff's lines: highlighted a block at a time, with the changed words marked.

A short block is quick enough to be made while it is painted; a long one is made in a thread, and
plain until then.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from miyabi_tui.widgets.code_ink import inked, lexer_of
from miyabi_tui.widgets.diff_rows import change_at
from miyabi_tui.widgets.diff_text import ADDED, DELETED, SAME
from miyabi_tui.widgets.visible import visible

if TYPE_CHECKING:
    from miyabi_tui.widgets.diff_text import Diff, Hunk
    from miyabi_tui.widgets.rows import Span

MOST_COLUMNS = 2_000
BLOCK = 400  # lines that are highlighted together
AT_ONCE = 6_000  # characters that are, while they are painted
MOST_CHARACTERS = 200_000  # of a block; more is plain
MOST_BLOCKS = 60
ALIKE = 0.4  # from here on, two lines are one that was changed
WORDS_LONGEST = 400
MOST_PAIRS = 400
_WORDS = re.compile(r"\w+|\s+|.")

Range = tuple[int, int]


class Painter:
    """Keeps what was highlighted last; `spans` never takes long."""

    def __init__(self, diff: Diff) -> None:
        self._diff = diff
        self._hunks = diff.hunks
        self._starts = [hunk.start for hunk in self._hunks]
        self._blocks: OrderedDict[int, dict[int, tuple[Span, ...]]] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._marks: dict[int, tuple[Range, ...]] = {}
        self._pairs: dict[tuple[int, int, int], dict[int, int]] = {}

    def text(self, line: int) -> str:
        """What a content line says, without its mark, as it can be shown."""
        return visible(self._diff.lines[line][1 : MOST_COLUMNS + 1])

    def spans(self, line: int) -> tuple[tuple[Span, ...], int | None]:
        """A line's spans; and the block that should be made in a thread, if they are plain."""
        block = self._block(line)
        if block is None:
            return ((self.text(line), "text"),), None
        found = self._blocks.get(block)
        if found is None and self._size(block) <= AT_ONCE:
            found = self.make(block)
        if found is None:
            return ((self.text(line), "text"),), block
        self._blocks.move_to_end(block)
        return found.get(line, ((self.text(line), "text"),)), None

    def make(self, block: int) -> dict[int, tuple[Span, ...]]:
        """Highlight a block, from any thread."""
        made: dict[int, tuple[Span, ...]] = {}
        file = self._diff.file_at(block)
        if file is not None and self._size(block) <= MOST_CHARACTERS:
            lexer = lexer_of(file.path)
            for kinds in ((SAME, DELETED), (SAME, ADDED)) if lexer else ():
                lines = [n for n in self._range(block) if self._diff.kinds[n] in kinds]
                if any(self._diff.kinds[n] != SAME for n in lines) or kinds[1] == ADDED:
                    assert lexer is not None
                    made.update(
                        zip(lines, inked(lexer, [self.text(n) for n in lines]), strict=True)
                    )
        self._blocks[block] = made
        while len(self._blocks) > MOST_BLOCKS:
            self._blocks.popitem(last=False)
        return made

    def marks(self, line: int) -> tuple[Range, ...]:
        """The parts of a changed line that its partner has not, if both are one line changed."""
        if line not in self._marks:
            if len(self._marks) > MOST_BLOCKS * BLOCK:
                self._marks.clear()
            self._marks[line] = self._compare(line)
        return self._marks[line]

    def _compare(self, line: int) -> tuple[Range, ...]:
        change = change_at(self._diff, line)
        if change is None:
            return ()
        if change not in self._pairs:
            self._pairs = {change: self._pair(*change)}
        other = self._pairs[change].get(line)
        if other is None:
            return ()
        mine, theirs = self.text(line), self.text(other)
        if max(len(mine), len(theirs)) > WORDS_LONGEST:
            return ()
        return changed_words(theirs, mine)

    def _pair(self, start: int, middle: int, stop: int) -> dict[int, int]:
        """Each deleted line with the next added one that is like it, both ways."""
        found: dict[int, int] = {}
        if (middle - start) * (stop - middle) > MOST_PAIRS:
            return found
        words = [Counter(_WORDS.findall(self.text(line))) for line in range(start, stop)]
        at = middle
        for line in range(start, middle):
            for other in range(at, stop):
                if _alike(words[line - start], words[other - start]):
                    found[line], found[other] = other, line
                    at = other + 1
                    break
        return found

    def _block(self, line: int) -> int | None:
        """The first line of the block that a content line is in."""
        hunk = self._hunk(line)
        if hunk is None or line == hunk.start:
            return None
        first = hunk.start + 1
        return first + (line - first) // BLOCK * BLOCK

    def _hunk(self, line: int) -> Hunk | None:
        at = bisect_right(self._starts, line) - 1
        return self._hunks[at] if at >= 0 and line < self._hunks[at].stop else None

    def _range(self, block: int) -> range:
        hunk = self._hunk(block)
        return range(block, min(block + BLOCK, hunk.stop if hunk else block))

    def _size(self, block: int) -> int:
        if (found := self._sizes.get(block)) is None:
            lines = self._diff.lines
            found = sum(min(len(lines[n]), MOST_COLUMNS) for n in self._range(block))
            self._sizes[block] = found
        return found


def _alike(before: Counter[str], after: Counter[str]) -> bool:
    """Whether two lines have so much in common that one is the other, changed."""
    most = max(_weight(before), _weight(after))
    return most > 0 and _weight(before & after) / most >= ALIKE


def _weight(words: Counter[str]) -> int:
    return sum(len(word) * many for word, many in words.items() if not word.isspace())


def changed_words(before: str, after: str) -> tuple[Range, ...]:
    """The parts of `after` that `before` has not."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    starts = [0]
    for word in new:
        starts.append(starts[-1] + len(word))
    ranges = []
    at = 0
    for one in matcher.get_matching_blocks():
        if one.b > at and not (at == 0 and new[0].isspace() and one.b == 1):  # only moved in
            ranges.append((starts[at], starts[one.b]))
        at = one.b + one.size
    return tuple(ranges)
