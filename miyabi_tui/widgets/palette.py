"""Inks: the finished styles of ready rows, from the theme's variables, made once for a theme.

Ready rows pass by Textual's style cache, so the filters it would apply (NO_COLOR, ANSI) are applied
to the styles here. Where there are few colours or none, attributes stand in for what they lack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from miyabi_tui.styles.colour_math import legible

if TYPE_CHECKING:
    from textual.app import App
    from textual.widget import Widget

    from miyabi_tui.engine.worlds import WorldId


class Inks(dict[str, Style]):
    """The styles by their names; itself alone, so that what was made with it can be remembered."""

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


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
    "comment": ("ink-dim", "italic"),
    "keyword": ("ink-accent", ""),
    "string": ("ink-warn", ""),
    "number": ("ink-errors", ""),
    "named": ("ink-strong", "bold"),
    "builtin": ("ink-thought", ""),
}

# Attributes in place of colours: with the terminal's own sixteen, and with none.
_FEW = {"faint": "dim"}
_NONE = {"faint": "dim", "good": "bold", "warn": "bold", "bad": "bold", "accent": "bold"}
_LEAST = 4.5  # WCAG AA; a theme may ask for more
_LEAST_MARK = 3.0  # for a sign that says nothing alone

_made: WeakKeyDictionary[App[Any], dict[tuple[object, ...], Inks]] = WeakKeyDictionary()

Tint = tuple[str, float, str]
"""A theme colour that a ground is blended towards, how far, and the look of all text on it."""


def inks(
    widget: Widget, ground: str, world: WorldId | None = None, tint: Tint | None = None
) -> Inks:
    """All inks on the theme colour `ground`; `world` and `band` are in the world's colour."""
    app = widget.app
    made = _made.get(app)
    if made is None:
        made = _made[app] = {}
    key = (app.theme, app.no_color, ground, world, tint)
    found = made.get(key)
    if found is None:
        found = made[key] = _make(widget, ground, world, tint)
    return found


def _make(widget: Widget, ground: str, world: WorldId | None, tint: Tint | None) -> Inks:
    app = widget.app
    variables = app.theme_variables
    plain = app.no_color
    back = Color.parse(variables[ground])
    own = Color.parse(variables[f"world-{world.lower()}" if world else "ink-accent"])
    fores = {ink: Color.parse(variables[name]) for ink, (name, _) in _INKS.items()}
    looks = {ink: look for ink, (_, look) in _INKS.items()}
    extra = _NONE if plain else _FEW if back.ansi is not None and _low(variables) else {}
    looks |= {ink: f"{looks[ink]} {look}" for ink, look in extra.items()}
    if tint is not None:
        towards, share, look = tint
        looks = {ink: f"{own_look} {look}" for ink, own_look in looks.items()}
        fores, back = _tinted(fores, back, Color.parse(variables[towards]), share)
    if back.ansi is None:
        least = float(variables.get("least-contrast", _LEAST))
        pole = Color.parse("white" if app.current_theme.dark else "black")
        fores = {ink: legible(fore, back, pole, least) for ink, fore in fores.items()}
    made = {ink: _style(fore, back, looks[ink]) for ink, fore in fores.items()}
    made["world"] = _style(own, back, "")
    made["name"] = _style(own, back, "bold")
    made["faded"] = _style(_faded(own, back), back, "")
    made |= _bands(variables, own, f"band-{world.lower()}" if world else "", plain)
    return Inks({ink: _filtered(widget, style, back) for ink, style in made.items()})


def _low(variables: dict[str, str]) -> bool:
    """Whether the theme lets less important text stand back."""
    return "least-contrast" not in variables


def _faded(own: Color, back: Color) -> Color:
    if back.ansi is not None:
        return own
    return legible(back.blend(own, 0.45), back, own, _LEAST_MARK)


def _tinted(
    fores: dict[str, Color], back: Color, towards: Color, share: float
) -> tuple[dict[str, Color], Color]:
    """Inks and ground; of 16 colours none is a quiet ground: the plain inks take the colour."""
    if back.ansi is None:
        return fores, back.blend(towards, share)
    plain = fores["text"]
    return {ink: towards if fore == plain else fore for ink, fore in fores.items()}, back


def _bands(variables: dict[str, str], own: Color, name: str, plain: bool) -> dict[str, Style]:
    """Text on a full colour; reversed where there is none."""
    on = Color.parse(variables["ink-on-world"])
    look = "bold reverse" if plain else "bold"
    fore, _, back = variables.get(name, "").partition(" on ")
    return {
        "band": _style(Color.parse(fore) if back else on, Color.parse(back) if back else own, look),
        "trophy": _style(on, Color.parse(variables["ink-good"]), look),
        "alarm": _style(on, Color.parse(variables["ink-warn"]), look),
    }


def _style(fore: Color, back: Color, look: str) -> Style:
    style = Style(color=fore.rich_color, bgcolor=back.rich_color)
    return style + Style.parse(look) if look.strip() else style


def _filtered(widget: Widget, style: Style, back: Color) -> Style:
    segments = [Segment("x", style)]
    for line_filter in widget.get_line_filters():
        segments = line_filter.apply(segments, back)
    return segments[0].style or style
