"""Worlds side by side: a column each, the rows of figures and files below one head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region, Size
from textual.message import Message

from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.ready_scroll import ReadyScroll
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.compare_rows import Row

NARROWEST = 9  # columns of a world
WIDEST = 26
LABEL_LEAST, LABEL_MOST = 13, 44


class CompareTable(ReadyScroll, can_focus=False):
    """Rows of which one is chosen; what keys mean is the screen's affair."""

    class Chosen(Message):
        """Another row was chosen."""

        def __init__(self, table: CompareTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> CompareTable:
            """The table."""
            return self.table

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self.worlds: Sequence[WorldId] = ()
        self.index = 0
        self.first = 0

    @property
    def chosen(self) -> Row | None:
        """The chosen row."""
        return self.rows[self.index] if self.index < len(self.rows) else None

    def show(self, worlds: Sequence[WorldId], rows: Sequence[Row]) -> None:
        """Show these; the chosen row stays."""
        self.worlds, self.rows = worlds, rows
        self.index = max(0, min(self.index, len(rows) - 1))
        self.virtual_size = Size(1, max(1, len(rows)))
        self.shift(0)
        self.refresh()

    def shift(self, columns: int) -> None:
        """Show other columns, where there is no room for all."""
        last = max(0, len(self.worlds) - self.fitting(self.columns))
        self.first = max(0, min(self.first + columns, last))
        self.refresh()

    def move(self, rows: int) -> None:
        """Choose the row so many further down."""
        self.choose(self.index + rows)

    def choose(self, index: int) -> None:
        """Choose a row, or the nearest there is that is no head."""
        step = 1 if index >= self.index else -1
        index = max(0, min(index, len(self.rows) - 1))
        while 0 < index < len(self.rows) - 1 and self.rows[index].head:
            index += step
        self.index = index
        self.scroll_to_region(Region(0, index, 1, 1), animate=False, x_axis=False, force=True)
        self.refresh()
        self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """A click chooses."""
        event.stop()
        index = self.scroll_offset.y + event.y
        if index < len(self.rows) and not self.rows[index].head:
            self.choose(index)

    # --- columns ---------------------------------------------------------------------------------

    def label_width(self, width: int) -> int:
        """Columns of the names of the rows: longer where there is room."""
        longest = max((cells(row.label[0]) for row in self.rows), default=0) + 2
        room = max(LABEL_LEAST, width - NARROWEST * len(self.worlds) - 1)
        spare = max(LABEL_LEAST, width - 15 * len(self.worlds))
        return min(longest, room, spare, LABEL_MOST)

    def fitting(self, width: int) -> int:
        """How many worlds there is room for."""
        room = width - self.label_width(width) - 1
        return max(1, min(len(self.worlds), room // NARROWEST))

    def line(self, label: Span, row: Sequence[Sequence[Span]], ink: Inks, fill: str) -> Strip:
        """One row, in the columns of this table."""
        width = self.columns
        label_width = self.label_width(width)
        shown = row[self.first : self.first + self.fitting(width)]
        column = min(WIDEST, (width - label_width - 1) // max(1, len(shown)))
        text = fit(label[0], label_width - 1)
        spans: list[Span] = [(" ", fill), (text, label[1])]
        spans.append((" " * (label_width - cells(text)), fill))
        for cell in shown:
            left = column - 1
            for said, name in cell:
                cut = fit(said, left)
                left -= cells(cut)
                spans.append((cut, name))
            spans.append((" " * (left + 1), fill))
        return strip_of(spans, width, ink, fill)

    def render_line(self, y: int) -> Strip:
        """One row."""
        index = self.scroll_offset.y + y
        ink = inks(self, "panel" if index == self.index else "background")
        if index >= len(self.rows):
            return strip_of((), self.columns, inks(self, "background"))
        row = self.rows[index]
        label = (row.label[0], "strong" if index == self.index else row.label[1])
        return self.line(label, row.cells, ink, "text")


class CompareHead(ReadyRows):
    """The worlds' names, each in its colour, and which two the diff is between."""

    GROUND = "surface"

    def __init__(self, table: CompareTable) -> None:
        super().__init__()
        self._table = table
        self.pair: tuple[WorldId | None, WorldId | None] = (None, None)

    def make(self, width: int, height: int) -> list[Strip]:
        """Names, and below them the marks."""
        table = self._table
        names: list[list[Span]] = []
        marks: list[list[Span]] = []
        for world in table.worlds:
            names.append([(f"{world.key} {world}", f"name {world}")])
            mark = "◀ from" if world is self.pair[0] else "▶ to" if world is self.pair[1] else ""
            marks.append([(mark, "accent")])
        ink = Inks(self.ink)
        for world in table.worlds:
            ink[f"name {world}"] = inks(self, self.GROUND, world)["name"]
        more = len(table.worlds) - table.fitting(table.columns or width)
        label = (f"← → {more} more" if more > 0 else "", "warn")
        return [
            table.line(label, names, ink, "text").adjust_cell_length(width, ink["text"]),
            table.line(("", "dim"), marks, ink, "text").adjust_cell_length(width, ink["text"]),
        ]
