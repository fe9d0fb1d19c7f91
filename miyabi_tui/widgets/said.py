"""What the person says to a world, in its stream: waiting for a turn, read, or never read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from miyabi_tui.widgets.stream_lines import Line, Lines, Look

if TYPE_CHECKING:
    from miyabi_tui.widgets.rows import Span

QUEUED: Span = ("  ◷ joins with the next turn", "warn")
READ: Span = ("  ✓", "good")
UNREAD: Span = ("  ✗ not read", "bad")


class Said:
    """Writes messages to a stream, each with a mark at its end that changes with its fate."""

    def __init__(self, text: Lines) -> None:
        self._text = text
        self._unread: list[tuple[Line | None, Line]] = []

    def told(self, message: str) -> None:
        """A message that no turn has read yet."""
        first, *more = message.splitlines() or [""]
        before = self._text.mark()
        line = self._text.line(Look.YOU, f"you: {first}", None if more else QUEUED)
        for number, text in enumerate(more, 1):
            before = line
            line = self._text.line(Look.YOU_MORE, text, QUEUED if number == len(more) else None)
        self._unread.append((before, line))

    def read(self, count: int) -> None:
        """A turn has taken the oldest so many."""
        self._mark(count, READ)

    def never_read(self) -> None:
        """No turn will take those that are left."""
        self._mark(len(self._unread), UNREAD)

    def _mark(self, count: int, mark: Span) -> None:
        for before, line in self._unread[:count]:
            self._text.amend(before, partial(_close_with, line, mark))
        del self._unread[:count]


def _close_with(meant: Line, mark: Span, line: Line) -> None:
    if line is meant:
        line.end = mark
