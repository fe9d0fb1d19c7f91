"""A compositor that asks only those widgets to paint which changed.

Textual's own asks each widget that lies in the rectangle around all changes, and cuts every row at
every widget's edge. With five streams growing at once that rectangle is the whole screen. Here it
is known of each row, until the next layout, which widget is on top from where to where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual._compositor import Compositor, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderResult
    from textual.geometry import Region
    from textual.widget import Widget

Piece = tuple[int, int, "Widget"]
"""From this column to before that one a widget is on top."""


class RowsUpdate(CompositorUpdate):
    """Pieces of rows, each with the column and the row where it goes."""

    def __init__(self, placed: list[tuple[int, int, Strip]]) -> None:
        self.placed = placed

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for _, _, strip in self.placed:
            yield from strip

    def render_segments(self, console: Console) -> str:
        """The pieces as a terminal takes them."""
        return "".join(
            f"\x1b[{y + 1};{x + 1}H{strip.render(console)}" for x, y, strip in self.placed
        )


class RowCompositor(Compositor):
    """Textual's, with partial updates row by row."""

    def __init__(self) -> None:
        super().__init__()
        self._tops: dict[int, list[Piece]] = {}
        self._tops_of: object = None

    def render_partial_update(self) -> RowsUpdate | None:  # type: ignore[override]
        """What changed since the last paint; None where nothing did."""
        screen = self.size.region
        regions = [region.intersection(screen) for region in self._dirty_regions]
        self._dirty_regions.clear()
        painted: dict[Widget, list[Strip]] = {}
        placed: list[tuple[int, int, Strip]] = []
        for y, start, stop in self._regions_to_spans(region for region in regions if region):
            for x, end, widget in self._on_top(y):
                if end > start and x < stop:
                    left, right = max(x, start), min(end, stop)
                    placed.append((left, y, self._piece(widget, painted, left, right, y)))
        return RowsUpdate(placed) if placed else None

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """All of it; the simple one is for pictures."""
        if simplify:
            return super().render_full_update(simplify)
        self._dirty_regions.clear()
        whole = self.size.region
        return LayoutUpdate(self.rows(whole), whole)

    def rows(self, crop: Region) -> list[Iterable[Strip]]:
        """The pieces of the rows of a part, from left to right, as they are now."""
        painted: dict[Widget, list[Strip]] = {}
        return [
            [
                self._piece(widget, painted, max(x, crop.x), min(end, crop.right), y)
                for x, end, widget in self._on_top(y)
                if end > crop.x and x < crop.right
            ]
            for y in range(crop.y, crop.bottom)
        ]

    def _on_top(self, y: int) -> list[Piece]:
        """The widgets that are seen in a row, from left to right."""
        if self._tops_of is not self.visible_widgets:
            self._tops_of, self._tops = self.visible_widgets, {}
        if y not in self._tops:
            self._tops[y] = self._find_on_top(y)
        return self._tops[y]

    def _find_on_top(self, y: int) -> list[Piece]:
        width = self.size.width
        found: list[Piece] = []
        free = [(0, width)]
        for widget, (region, clip) in self.visible_widgets.items():  # from front to back
            shown = region.intersection(clip)
            if not shown.y <= y < shown.bottom:
                continue
            left: list[tuple[int, int]] = []
            for start, stop in free:
                x, end = max(start, shown.x), min(stop, shown.right)
                if x >= end:
                    left.append((start, stop))
                    continue
                found.append((x, end, widget))
                left += [(a, b) for a, b in ((start, x), (end, stop)) if a < b]
            free = left
            if not free:
                break
        return sorted(found, key=lambda piece: piece[0])

    def _piece(
        self, widget: Widget, painted: dict[Widget, list[Strip]], left: int, right: int, y: int
    ) -> Strip:
        """A widget's row from one column to before another; a widget paints once a frame."""
        region, clip = self.visible_widgets[widget]
        shown = region.intersection(clip)
        if widget not in painted:
            painted[widget] = widget.render_lines(shown.translate((-region.x, -region.y)))
        rows = painted[widget]
        strip = rows[y - shown.y] if y - shown.y < len(rows) else Strip([])
        if strip.cell_length != shown.width:  # it is already made for the layout that comes next
            strip = strip.adjust_cell_length(shown.width)
        if (left, right) == (shown.x, shown.right):
            return strip
        return strip.crop(left - shown.x, right - shown.x)
