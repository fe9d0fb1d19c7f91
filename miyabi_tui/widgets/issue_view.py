"""An issue to read: its text as it was written, Markdown told apart by inks, nothing obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from miyabi_tui.widgets.palette import inks
from miyabi_tui.widgets.ready_scroll import ReadyScroll
from miyabi_tui.widgets.rows import Span, strip_of
from miyabi_tui.widgets.stream_markdown import has_code, marked
from miyabi_tui.widgets.visible import visible
from miyabi_tui.widgets.wrap import breaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

    from miyabi_tui.widgets.stream_blocks import Range

BROADEST = 100  # columns of text: longer lines are hard to read
MARGIN = 2
MOST_LINES = 20_000
MOST_COLUMNS = 5_000


class IssueView(ReadyScroll, can_focus=True):
    """Scrollable text, wrapped at words; code is highlighted once a thread has done it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("space", "page_down", "A page on", show=False),
        Binding("g", "scroll_home", "To the beginning", show=False),
        Binding("G", "scroll_end", "To the end", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        lines = text.replace("\r\n", "\n").strip("\n").split("\n")[:MOST_LINES]
        self._lines = [visible(line[:MOST_COLUMNS]) for line in lines]
        self._ranges: Sequence[Sequence[Range]] = ()
        self._rows: list[tuple[int, int, int]] = []

    def on_mount(self) -> None:
        """Tell the text apart: at once, or in a thread where there is code in it."""
        if has_code(self._lines):
            self.run_worker(self._mark, thread=True, exit_on_error=False)
        else:
            self._take(marked(self._lines))

    def _mark(self) -> None:
        ranges = marked(self._lines)
        self.app.call_from_thread(self._take, ranges)

    def _take(self, ranges: Sequence[Sequence[Range]]) -> None:
        self._ranges = ranges
        self.refresh()

    def remeasure(self) -> None:
        """Wrap it for another width."""
        room = max(8, min(BROADEST, self.columns - 2 * MARGIN))
        self._rows = []
        for number, line in enumerate(self._lines):
            starts = [0, *breaks(line, room)]
            stops = [*starts[1:], len(line)]
            self._rows += [(number, a, b) for a, b in zip(starts, stops, strict=True)]
        self.virtual_size = Size(1, len(self._rows) + 1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row."""
        ink, width = inks(self, "background"), self.columns
        index = self.scroll_offset.y + y - 1  # an empty row above
        if not 0 <= index < len(self._rows):
            return strip_of((), width, ink)
        number, start, stop = self._rows[index]
        ranges = self._ranges[number] if number < len(self._ranges) else ()
        spans: list[Span] = [(" " * MARGIN, "text")]
        spans += _cut(self._lines[number], ranges, start, stop)
        return strip_of(spans, width, ink)


def _cut(line: str, ranges: Sequence[Range], start: int, stop: int) -> list[Span]:
    """The characters from `start` to `stop` with the inks of their ranges."""
    spans: list[Span] = []
    at = start
    for one in ranges:
        first, last = max(one.start, at), min(one.stop, stop)
        if first < last:
            spans += [(line[at:first], "text"), (line[first:last], one.ink)]
            at = last
    return [*spans, (line[at:stop], "text")]
