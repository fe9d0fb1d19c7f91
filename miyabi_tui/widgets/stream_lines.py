"""What a stream is written as: lines with a look, whole or piece by piece, made harmless."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from miyabi_tui.widgets.cleaner import Cleaner
from miyabi_tui.widgets.inert import one_line, overtype
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.widgets.rows import Span

LONGEST_LINE = 4_000
RULE = "── "
TIME = " " * 12


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
    EVENT = (TIME, TIME, "faint", "dim", True)
    EVENT_TEXT = (TIME, TIME, "faint", "text", True)
    EVENT_CALL = (TIME, TIME, "faint", "world", True)
    EVENT_NOTE = (TIME, TIME, "faint", "accent", True)
    EVENT_WARN = (TIME, TIME, "faint", "warn", True)
    EVENT_GOOD = (TIME, TIME, "faint", "good", True)
    EVENT_BAD = (TIME, TIME, "faint", "bad", True)

    def __init__(self, first: str, more: str, mark_ink: str, ink: str, wraps: bool) -> None:
        self.first = first
        self.more = more
        self.mark_ink = mark_ink
        self.ink = ink
        self.wraps = wraps


@dataclass(slots=True)
class Line:
    """A line of the source; `end` is set after its text, `tail` is where its last row starts.

    `lead` stands in place of the mark of its look, and is as wide.
    """

    look: Look
    text: str
    end: Span | None = None
    tail: int = 0
    height: int = 0
    lead: str = ""


def in_one_row(line: Line, width: int) -> str:
    """A line that does not wrap, mark and all, shortened part by part to `width` cells."""
    text = line.look.first + line.text
    while cells(text) > width and " · " in text:
        text = text.rpartition(" · ")[0]
    text = fit(text, width)
    if line.look.first == RULE:
        text += " " + "─" * (width - 1 - cells(text))
    return text


class Lines(ABC):
    """Takes what is written; what becomes of the lines is the affair of who keeps them."""

    def __init__(self) -> None:
        self._open: Line | None = None
        self._open_key = ""
        self._hint: Line | None = None
        self._cleaner = Cleaner()

    @abstractmethod
    def _newest(self) -> Line | None:
        """The newest line."""

    @abstractmethod
    def _push(self, line: Line) -> None:
        """Keep a new line, as the newest."""

    @abstractmethod
    def _retext(self, line: Line, text: str) -> None:
        """Give the newest line another text."""

    @abstractmethod
    def _pop(self) -> None:
        """Drop the newest line."""

    @abstractmethod
    def finish_line(self, end: Span) -> None:
        """Set a closing mark at the end of the newest line."""

    @abstractmethod
    def amend(self, after: Line | None, change: Callable[[Line], None]) -> None:
        """Change the lines after a mark, or all if it is not kept any more."""

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
        self._settle()
        line = Line(look, one_line(text)[:LONGEST_LINE], end)
        self._push(line)
        return line

    def mark(self) -> Line | None:
        """The newest line, which is whole now: a place for `amend`."""
        self._settle()
        return self._newest()

    def hint(self, text: str) -> None:
        """Show a passing line at the end, until something else is written."""
        self._settle()
        self._hint = Line(Look.WRITING, text)
        self._push(self._hint)

    def _settle(self) -> None:
        """Nothing goes on in the newest line, and no passing one is left."""
        self._drop_hint()
        self._open = None
        self._open_key = ""
        self._cleaner.reset()

    def _drop_hint(self) -> None:
        if self._hint is not None:
            self._hint = None
            self._pop()

    def _after_blank(self) -> bool:
        newest = self._newest()
        return newest is None or not (newest.text or newest.look.first)

    def _extend(self, look: Look, piece: str) -> None:
        if not piece:
            return
        if self._open is None or len(self._open.text) > LONGEST_LINE:
            self._begin(look)
        for start in range(0, len(piece), LONGEST_LINE):
            self._grow(look, piece[start : start + LONGEST_LINE])

    def _begin(self, look: Look) -> Line:
        self._open = line = Line(look, "")
        self._push(line)
        return line

    def _grow(self, look: Look, piece: str) -> None:
        line = self._open
        assert line is not None
        if len(line.text) > LONGEST_LINE:
            line = self._begin(look)
        self._retext(line, overtype(line.text, piece))
