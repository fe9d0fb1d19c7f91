"""Ready rows: a widget that keeps finished strips and gives them to the compositor as they are.

Measured (facts-terminal.md): painting ready strips costs a third of painting through the style
cache. Such a widget has no border, padding or scrollbar.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip

from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.ready import ReadyWidget
from miyabi_tui.widgets.widths import safe
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miyabi_tui.engine.worlds import WorldId

Span = tuple[str, str]
"""Some text and the name of its ink."""

KEPT = 512  # rows that are remembered: of a pane's rows, few change from one frame to the next


def strip_of(spans: Iterable[Span], width: int, ink: Inks, fill: str = "text") -> Strip:
    """The spans as one strip of exactly `width` cells, cut or padded at the end.

    Whatever the text is, it takes so many cells in every terminal, and acts on none.
    """
    return _strip([(safe(text), name) for text, name in spans], width, ink, fill)


def _strip(spans: Iterable[Span], width: int, ink: Inks, fill: str) -> Strip:
    segments: list[Segment] = []
    left = width
    for text, name in spans:
        shown = fit(text, left)
        if shown:
            segments.append(Segment(shown, ink[name]))
            left -= cells(shown)
    if left > 0:
        segments.append(Segment(" " * left, ink[fill]))
    return Strip(segments, width)


def row(
    width: int,
    left: Sequence[Span],
    right: Sequence[Span],
    ink: Inks,
    *,
    keep: int = 12,
    margin: int = 1,
    fill: str = "text",
) -> Strip:
    """A row with a left and a right part, `margin` cells before it and one after.

    The left part keeps at least `keep` cells of itself: the first of the right spans go before it
    is cut shorter.
    """
    return _row(width, tuple(left), tuple(right), ink, keep, margin, fill)


@lru_cache(KEPT)
def _row(
    width: int,
    left: tuple[Span, ...],
    right: tuple[Span, ...],
    ink: Inks,
    keep: int,
    margin: int,
    fill: str,
) -> Strip:
    said = [(safe(text), name) for text, name in left]
    shown = [(safe(text), name) for text, name in right]
    inner = max(0, width - 1 - margin)
    left_width = sum(cells(text) for text, _ in said)
    while shown and sum(cells(text) for text, _ in shown) + min(left_width, keep) + 1 > inner:
        shown.pop(0)
    right_width = sum(cells(text) for text, _ in shown)
    room = inner - right_width - (1 if shown else 0)
    spans: list[Span] = [(" " * margin, fill)]
    for text, name in said:
        cut = fit(text, room)
        room -= cells(cut)
        if cut:
            spans.append((cut, name))
    spans.append((" " * (max(0, room) + (1 if shown else 0)), fill))
    return _strip([*spans, *shown], width, ink, fill)


class ReadyRows(ReadyWidget):
    """A widget of a few rows, made anew when its content changes and painted as they are."""

    GROUND = "surface"

    def __init__(
        self, world: WorldId | None = None, *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.world_id = world
        self._strips: list[Strip] = []
        self._made_for: tuple[Size, int] | None = None

    def make(self, width: int, height: int) -> list[Strip]:
        """The rows for this size; each exactly `width` cells wide."""
        raise NotImplementedError

    @property
    def ink(self) -> Inks:
        """The inks of this widget's ground and world in the present theme."""
        return inks(self, self.GROUND, self.world_id)

    def remake(self) -> None:
        """Make the rows again and repaint those that changed; unseen ones once they are seen."""
        if not self.size:
            self._made_for = None
            return
        old, new, fits = self._strips, self._whole(), self._fits
        self._keep(new)
        if not fits or len(old) != len(new):
            self.refresh()
            return
        pairs = enumerate(zip(old, new, strict=True))
        changed = [y for y, (was, now) in pairs if was is not now and was != now]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def forget(self) -> None:
        """Make the rows anew at the next paint, though neither size nor theme changed."""
        self._made_for = None
        self.refresh()

    @property
    def _fits(self) -> bool:
        return self._made_for == (self.size, id(self.ink))

    def _keep(self, strips: list[Strip]) -> None:
        self._strips = strips
        self._made_for = (self.size, id(self.ink))

    def _whole(self) -> list[Strip]:
        width, height = self.size
        made = self.make(width, height)[:height]
        if len(made) < height:
            made += [strip_of((), width, self.ink)] * (height - len(made))
        return made

    def notify_style_update(self) -> None:
        """A new theme brings new inks."""
        super().notify_style_update()
        self.remake()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The ready rows, passing by the style cache."""
        if not self._fits:
            self._keep(self._whole())
        return cropped(self._strips, crop, self.size.width)


def cropped(strips: list[Strip], crop: Region, width: int) -> list[Strip]:
    """The part of ready rows that the compositor asked for."""
    strips = strips[crop.y : crop.bottom]
    if crop.x or crop.width != width:
        strips = [strip.crop(crop.x, crop.right) for strip in strips]
    return strips
