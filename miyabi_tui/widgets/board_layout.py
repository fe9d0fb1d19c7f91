"""Where the panes of the board go, by the terminal's size and nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from textual.geometry import Offset, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.widget import Widget

COLUMNS_FROM = 180
ROWS_FROM = 120
COLUMN = 30
ROW = 12
STRIP = 2
LEAST_OPEN = 8
TABLE_BELOW = Size(60, 16)
AROUND = 4  # rows of the screen that are not the board's: head line, race bar, footer


def is_table(size: Size) -> bool:
    """Whether a board of this size shows a row a world: its screen is smaller than 60×16."""
    return size.width < TABLE_BELOW.width or size.height + AROUND < TABLE_BELOW.height


def places(size: Size, count: int, open_: int, zoomed: bool = False) -> list[Region | None]:
    """The regions of `count` panes; None where a pane is not shown.

    Side by side from 180 columns, in two or three rows from 120, else strips of two rows above pane
    `open_`, which has the rest; a row a world where there is little room.
    """
    if zoomed or count == 1:
        return [Region(0, 0, *size) if index == open_ else None for index in range(count)]
    if size.width >= ROWS_FROM and not is_table(size):
        if count < 4 or (size.width >= COLUMNS_FROM and size.width // count >= COLUMN):
            return list(_columns(Region(0, 0, *size), count))
        for rows in (2, 3):
            across = -(-count // rows)
            if size.width // across >= COLUMN and size.height // rows >= ROW:
                return list(_rows(size, count, rows))
    return _stack(size, count, open_)


def _rows(size: Size, count: int, rows: int) -> list[Region]:
    """Rows of columns; the upper ones take what does not divide."""
    found: list[Region] = []
    y = 0
    for left in range(rows, 0, -1):
        height = -(-(size.height - y) // left)
        found += _columns(Region(0, y, size.width, height), -(-(count - len(found)) // left))
        y += height
    return found


def _columns(region: Region, count: int) -> list[Region]:
    cuts = [region.width * index // count for index in range(count + 1)]
    return [
        Region(region.x + left, region.y, right - left, region.height)
        for left, right in pairwise(cuts)
    ]


def _stack(size: Size, count: int, open_: int) -> list[Region | None]:
    """The closed ones on top in their order; the open one below has the rest, always in place."""
    closed = count - 1
    roomy = size.height >= closed * STRIP + LEAST_OPEN and not is_table(size)
    strip = STRIP if roomy else 1
    if size.height < count:
        return [Region(0, 0, *size) if index == open_ else None for index in range(count)]
    found: list[Region | None] = []
    y = 0
    for index in range(count):
        if index == open_:
            top = closed * strip
            found.append(Region(0, top, size.width, size.height - top))
        else:
            found.append(Region(0, y, size.width, strip))
            y += strip
    return found


class BoardLayout(Layout):
    """Arranges panes by `places`; `stand` says which of them is open, and whether zoomed."""

    name = "board"

    def __init__(self, stand: Callable[[], tuple[int, bool]]) -> None:
        super().__init__()
        self._stand = stand

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        """Where the panes go."""
        regions = places(size, len(children), *self._stand())
        return [
            WidgetPlacement(region, Offset(), Spacing(), pane)
            for pane, region in zip(children, regions, strict=True)
            if region is not None
        ]
