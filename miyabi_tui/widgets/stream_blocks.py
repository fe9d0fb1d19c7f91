"""The text of one world as blocks to read: messages, calls that fold, and single lines.

Bounded: what is dropped at an end is read back from the journal by the numbers of its records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from miyabi_tui.widgets.cleaner import Cleaner
from miyabi_tui.widgets.inert import overtype
from miyabi_tui.widgets.stream_lines import LONGEST_LINE, Line, Lines, Look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.widgets.rows import Span

MOST_CHARACTERS = 400_000
MOST_BLOCKS = 4_000
MOST_LINES = 12_000
BLOCK_LINES, BLOCK_CHARACTERS = 1_500, 60_000  # of one block; output without end goes on in more
SPARE = 8  # of so many parts one more than allowed is kept, so that dropping is rare
LONGEST_ANSWER = 40_000  # characters of a call's answer that nothing streamed of

_MESSAGE = (Look.TEXT, Look.THOUGHT, Look.DISCARDED)
_BODY = (Look.OUTPUT, Look.ERRORS, Look.PASSED, Look.FAILED)


class Kind(Enum):
    """What a block is."""

    MESSAGE = "message"
    CALL = "call"
    LINE = "line"


class Fold(Enum):
    """How much of a call is shown: its head, the ends of its output too, or all of it."""

    FOLDED = "folded"
    BRIEF = "brief"
    OPEN = "open"


class Row(NamedTuple):
    """A row on the screen: a part of a line; `hidden` lines stand in its place where it is -1."""

    line: int
    start: int
    stop: int
    hidden: int = 0


class Range(NamedTuple):
    """A part of a line and the name of its ink."""

    start: int
    stop: int
    ink: str


@dataclass(slots=True, eq=False)
class Block:
    """Some lines that belong together, and what was made of them.

    `seq` is the record that began it. `fold` is the person's wish; `silent` says that its output
    is only what the model read. `stale` is the first line whose rows are not right any more.
    """

    kind: Kind
    seq: int
    lines: list[Line] = field(default_factory=list)
    fold: Fold | None = None
    silent: bool = False
    done: bool = False
    stale: int = 0
    rows: list[Row] = field(default_factory=list)
    laid: tuple[int, Fold] | None = None
    inks: list[Sequence[Range]] | None = None
    found: list[tuple[int, int, int]] | None = None

    @property
    def look(self) -> Look:
        """The look of its first line."""
        return self.lines[0].look

    @property
    def headed(self) -> bool:
        """Whether it begins with the head of a call."""
        return self.kind is Kind.CALL and self.look is Look.CALL

    @property
    def body(self) -> int:
        """How many lines of output it has."""
        return len(self.lines) - self.headed if self.kind is Kind.CALL else 0

    @property
    def folds(self) -> bool:
        """Whether there is something to fold, or to open."""
        return self.body > 0

    @property
    def size(self) -> int:
        """Its characters."""
        return sum(len(line.text) for line in self.lines)

    def touch(self, line: int = 0) -> None:
        """Its lines from this number on are not what they were."""
        self.stale = min(self.stale, line)
        self.inks = self.found = None


class Blocks(Lines):
    """Blocks from what is written; whoever writes sets `seq` to the number of the record."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self.seq = 0
        self.characters = 0
        self.count = 0
        self._weight = 0  # characters of the newest block
        self._changed: int | None = None

    def take_changed(self) -> int | None:
        """The lowest place of a block that changed since the last call, if any did."""
        changed, self._changed = self._changed, None
        return changed

    # --- writing ---------------------------------------------------------------------------------

    def _newest(self) -> Line | None:
        return self.blocks[-1].lines[-1] if self.blocks else None

    def _push(self, line: Line) -> None:
        kind = _kind(line.look)
        last = self.blocks[-1] if self.blocks else None
        full = last is not None and (
            len(last.lines) >= BLOCK_LINES or self._weight > BLOCK_CHARACTERS
        )
        if last is None or full or kind is not last.kind or not _joins(last, line):
            if last is not None:
                last.done = True
                last.inks = None
            self._weight = 0
            last = Block(kind, self.seq)
            self.blocks.append(last)
        last.done = False
        last.lines.append(line)
        last.touch(len(last.lines) - 1)
        self._weight += len(line.text)
        self.characters += len(line.text)
        self.count += 1
        self._touched(len(self.blocks) - 1)

    def _retext(self, line: Line, text: str) -> None:
        self._weight += len(text) - len(line.text)
        self.characters += len(text) - len(line.text)
        line.text = text
        self._retouch()

    def _pop(self) -> None:
        last = self.blocks[-1]
        line = last.lines.pop()
        self.characters -= len(line.text)
        self.count -= 1
        last.touch(len(last.lines))
        if not last.lines:
            self.blocks.pop()
        self._touched(max(0, len(self.blocks) - 1))

    def finish_line(self, end: Span) -> None:
        """See `Lines.finish_line`."""
        self._settle()
        if self.blocks:
            self.blocks[-1].lines[-1].end = end
            self._retouch()

    def amend(self, after: Line | None, change: Callable[[Line], None]) -> None:
        """See `Lines.amend`."""
        self._settle()
        for place in range(len(self.blocks) - 1, -1, -1):
            block = self.blocks[place]
            block.touch()
            self._touched(place)
            for line in reversed(block.lines):
                if line is after:
                    return
                change(line)

    def answer(self, text: str) -> None:
        """What the model read as the answer of the newest call, if it has streamed nothing."""
        last = self.blocks[-1] if self.blocks else None
        if last is None or not last.headed or last.body or last.lines[0].end is None:
            return
        clean = Cleaner().feed(text[:LONGEST_ANSWER]).strip("\n")
        for piece in clean.split("\n") if clean else ():
            self._push(Line(Look.OUTPUT, overtype("", piece)[:LONGEST_LINE]))
        last.silent = True

    def _retouch(self) -> None:
        last = self.blocks[-1]
        last.touch(len(last.lines) - 1)
        self._touched(len(self.blocks) - 1)

    def _touched(self, place: int) -> None:
        self._changed = place if self._changed is None else min(self._changed, place)

    # --- both ends -------------------------------------------------------------------------------

    @property
    def too_much(self) -> bool:
        """Whether more is kept than may be."""
        return (
            self.characters > MOST_CHARACTERS + MOST_CHARACTERS // SPARE
            or len(self.blocks) > MOST_BLOCKS + MOST_BLOCKS // SPARE
            or self.count > MOST_LINES + MOST_LINES // SPARE
        )

    @property
    def _over(self) -> bool:
        return (
            self.characters > MOST_CHARACTERS
            or len(self.blocks) > MOST_BLOCKS
            or self.count > MOST_LINES
        )

    def drop_oldest(self) -> list[Block]:
        """Drop whole records at the beginning until the rest is small enough."""
        stop = 0
        while self._over and stop < len(self.blocks) - 1:
            self._forget(self.blocks[stop])
            stop += 1
        dropped, self.blocks[:stop] = self.blocks[:stop], []
        return dropped

    def drop_newest(self) -> list[Block]:
        """The same at the end; writing cannot go on after it."""
        start = len(self.blocks)
        while start > 1 and (self._over or self._in_record(start)):
            start -= 1
            self._forget(self.blocks[start])
        dropped, self.blocks[start:] = self.blocks[start:], []
        self._settle()
        return dropped

    def prepend(self, older: Blocks) -> int:
        """Put older blocks before these; how many they are."""
        for block in older.blocks:
            block.done = True
        self.blocks[:0] = older.blocks
        self.characters += older.characters
        self.count += older.count
        return len(older.blocks)

    def _in_record(self, place: int) -> bool:
        """Whether one record wrote the blocks on both sides of a place."""
        return place < len(self.blocks) and self.blocks[place].seq == self.blocks[place - 1].seq

    def _forget(self, block: Block) -> None:
        self.characters -= block.size
        self.count -= len(block.lines)


def _kind(look: Look) -> Kind:
    if look in _MESSAGE:
        return Kind.MESSAGE
    return Kind.CALL if look is Look.CALL or look in _BODY else Kind.LINE


def _joins(block: Block, line: Line) -> bool:
    """Whether a line of the same kind belongs to this block."""
    if block.kind is Kind.MESSAGE:
        return block.look is line.look
    return block.kind is Kind.CALL and line.look is not Look.CALL
