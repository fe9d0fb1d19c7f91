"""A dialog over a screen that shines through, which is painted from that screen's own strips.

Textual paints it through Rich, and mixes the colours of each piece of text anew: 25 ms for 200×50,
three times when a dialog opens, and again with each frame of the race below it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual._context import visible_screen_stack
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen
from textual.strip import Strip

from miyabi_tui.row_compositor import RowCompositor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.color import Color
    from textual.geometry import Region

Answer = TypeVar("Answer")
NO_STYLE = Style()


class Veiled(ModalScreen[Answer]):
    """Textual's, with a quicker background; see `BackgroundScreen` for what it looks like."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor = RowCompositor()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows of the screen below, under this one's veil."""
        veil, below = self.styles.background, visible_screen_stack.get([])
        if veil.a == 1 or not below or below[-1] is self:
            return super().render_lines(crop)
        compositor = below[-1]._compositor
        if not isinstance(compositor, RowCompositor):
            return super().render_lines(crop)
        below.pop()
        return [_veiled(row, veil) for row in compositor.rows(crop)]


def _veiled(row: Iterable[Strip], veil: Color) -> Strip:
    return Strip(
        [
            Segment(text, _mixed(style or NO_STYLE, veil), control)
            for strip in row
            for text, style, control in strip
        ]
    )


@lru_cache(maxsize=4_096)
def _mixed(style: Style, veil: Color) -> Style:
    """A style as Textual mixes it with the veil."""
    (mixed,) = BackgroundScreen.process_segments([Segment("", style)], veil)
    return mixed.style or NO_STYLE
