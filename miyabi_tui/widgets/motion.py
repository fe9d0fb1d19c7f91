"""How much the screen moves: as its reader wants it, which Textual keeps as its animation level."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget


def calm(app: App[object]) -> bool:
    """Whether everything should stand still for as long as it can be read so."""
    return app.animation_level == "none"


def jump(widget: Widget, height: int, place: int = 0) -> int:
    """How many rows a full view frees at its end when it goes on; the more, the seldomer it moves.

    Where motion is reduced it is like turning a page, with a quarter of the old one still there.
    Else neighbours, told by their `place`, free different many: five that say as much at the same
    time would all move in the same frame, for which keys wait on a line of 125 KB/s.
    """
    return height * 3 // 4 if calm(widget.app) else height * (4 + place % 5) // 16
