"""Inks: the finished styles of ready rows, from the theme's variables, made once for a theme.

Ready rows pass by Textual's style cache, so the filters it would apply (NO_COLOR, ANSI) are applied
to the styles here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.color import Color

if TYPE_CHECKING:
    from textual.widget import Widget

    from miyabi_tui.engine.worlds import WorldId

Inks = dict[str, Style]

_INKS: dict[str, tuple[str, str]] = {
    "text": ("ink-text", ""),
    "dim": ("ink-dim", ""),
    "faint": ("ink-faint", ""),
    "strong": ("ink-strong", "bold"),
    "thought": ("ink-thought", "italic"),
    "output": ("ink-output", ""),
    "errors": ("ink-errors", ""),
    "discarded": ("ink-faint", "strike"),
    "good": ("ink-good", ""),
    "warn": ("ink-warn", ""),
    "bad": ("ink-bad", ""),
    "won": ("ink-good", "bold"),
    "accent": ("ink-accent", ""),
    "added": ("ink-good", ""),
    "deleted": ("ink-bad", ""),
}

_made: dict[tuple[object, ...], Inks] = {}


def inks(widget: Widget, ground: str, world: WorldId | None = None) -> Inks:
    """All inks on the theme colour `ground`; `world` and `band` are in the world's colour."""
    app = widget.app
    filters = tuple(widget.get_line_filters())
    key = (app.theme, app.native_ansi_color, tuple(map(type, filters)), ground, world)
    found = _made.get(key)
    if found is None:
        found = _made[key] = _make(widget, ground, world)
    return found


def _make(widget: Widget, ground: str, world: WorldId | None) -> Inks:
    variables = widget.app.theme_variables
    back = Color.parse(variables[ground])
    own = Color.parse(variables[f"world-{world.lower()}" if world else "ink-accent"])
    dark = Color.parse(variables["ink-on-world"])
    made = {
        ink: _style(Color.parse(variables[name]), back, look) for ink, (name, look) in _INKS.items()
    }
    made["world"] = _style(own, back, "")
    made["name"] = _style(own, back, "bold")
    made["faded"] = _style(back.blend(own, 0.45), back, "")
    made["band"] = _style(dark, own, "bold")
    made["trophy"] = _style(dark, Color.parse(variables["ink-good"]), "bold")
    made["alarm"] = _style(dark, Color.parse(variables["ink-warn"]), "bold")
    return {ink: _filtered(widget, style, back) for ink, style in made.items()}


def _style(fore: Color, back: Color, look: str) -> Style:
    style = Style(color=fore.rich_color, bgcolor=back.rich_color)
    return style + Style.parse(look) if look else style


def _filtered(widget: Widget, style: Style, back: Color) -> Style:
    segments = [Segment("x", style)]
    for line_filter in widget.get_line_filters():
        segments = line_filter.apply(segments, back)
    return segments[0].style or style
