"""The three themes for terminals with 256 colours, with 16, and without any.

Of 16 colours nobody knows how they look: each terminal has its own. So text is in the terminal's
own ink on its own ground, and colours only where every palette in use can be read
(tests/test_colours.py): on a light ground these are but three, and a world's name is a band.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from textual.color import Color

from miyabi_tui.styles.colour_math import nearest
from miyabi_tui.styles.themes import CONTRAST, DARK, LIGHT

if TYPE_CHECKING:
    from textual.theme import Theme

OURS = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST}

_COLOURS = ("primary", "secondary", "accent", "warning", "error", "success", "foreground")
_GROUNDS = ("background", "surface", "panel")
# Two of the five fall together where there are so few dark colours.
_LIGHT_256 = {"world-epsilon": "#5f5f00"}
_DEFAULT = "ansi_default"
_INKS = ("text", "strong", "dim", "faint", "thought", "output")

_ON_DARK = {
    "world-alpha": "ansi_bright_cyan",
    "world-beta": "ansi_yellow",
    "world-gamma": "ansi_green",
    "world-delta": "ansi_bright_magenta",
    "world-epsilon": "ansi_bright_yellow",
    "world-zeta": "ansi_bright_white",
    "world-eta": "ansi_bright_red",
    "world-theta": "ansi_cyan",
    "world-iota": "ansi_white",
    "ink-on-world": "ansi_black",
    "ink-errors": "ansi_bright_red",
    "ink-good": "ansi_green",
    "ink-warn": "ansi_yellow",
    "ink-bad": "ansi_bright_red",
    "ink-accent": "ansi_bright_cyan",
}

# As text three colours can be read on any light ground; as bands with dark or light letters, more.
_ON_LIGHT = {
    "world-alpha": "ansi_blue",
    "world-beta": "ansi_red",
    "world-gamma": _DEFAULT,
    "world-delta": "ansi_magenta",
    "world-epsilon": _DEFAULT,
    "world-zeta": _DEFAULT,
    "world-eta": _DEFAULT,
    "world-theta": _DEFAULT,
    "world-iota": _DEFAULT,
    "ink-on-world": "ansi_bright_white",
    "ink-errors": "ansi_red",
    "ink-good": "ansi_blue",
    "ink-warn": "ansi_magenta",
    "ink-bad": "ansi_red",
    "ink-accent": "ansi_blue",
    "band-gamma": "ansi_black on ansi_green",
    "band-epsilon": "ansi_black on ansi_cyan",
    "band-zeta": "ansi_black on ansi_yellow",
    "band-eta": "ansi_black on ansi_bright_green",
    "band-theta": "ansi_black on ansi_bright_yellow",
    "band-iota": "ansi_black on ansi_bright_cyan",
}

_PLAIN = dict.fromkeys(_ON_DARK, _DEFAULT)


@lru_cache(maxsize=8)
def themes(colours: str) -> tuple[Theme, ...]:
    """Ours for a terminal with so many: `none`, `16`, `256`, `true`; always by the same names."""
    makers = {"none": _plain, "16": _few, "256": _snapped}
    make = makers.get(colours)
    return tuple(make(theme) if make else theme for theme in OURS.values())


def _snapped(theme: Theme) -> Theme:
    """The same with the nearest of 256 colours in which all can still be read."""
    found = {name: nearest(Color.parse(getattr(theme, name))) for name in _GROUNDS}
    grounds = tuple(one.shown for one in found.values())
    least = float(theme.variables.get("least-contrast", "4.5"))

    def near(name: str, value: str) -> str:
        if not value.startswith("#"):
            return value
        if name.startswith("scrollbar") or name == "ink-on-world":
            return nearest(Color.parse(value)).said.hex
        return nearest(Color.parse(value), grounds, least).said.hex

    named = {name: one.said.hex for name, one in found.items()}
    for name in _COLOURS:
        named[name] = near(name, getattr(theme, name))
    variables = {name: near(name, value) for name, value in theme.variables.items()}
    if theme is LIGHT:
        variables |= _LIGHT_256
    return _named(theme, named, variables)


def _named(theme: Theme, named: dict[str, str], variables: dict[str, str]) -> Theme:
    """The theme with other colours, by their names."""
    made = copy(theme)
    for name, value in named.items():
        setattr(made, name, value)
    made.variables = variables
    return made


def _few(theme: Theme) -> Theme:
    """With the terminal's own 16; only the contrast theme brings its own ground, black."""
    if theme is LIGHT:
        return _ansi(theme, _ON_LIGHT, _DEFAULT, _DEFAULT, "ansi_white")
    if theme is DARK:
        return _ansi(theme, _ON_DARK, _DEFAULT, _DEFAULT, "ansi_bright_black")
    return _ansi(theme, _ON_DARK, "ansi_bright_white", "ansi_black", "ansi_white")


def _plain(theme: Theme) -> Theme:
    """Without any colour: the terminal's own ink on its own ground."""
    return _ansi(theme, _PLAIN, _DEFAULT, _DEFAULT, _DEFAULT)


def _ansi(theme: Theme, hues: dict[str, str], text: str, ground: str, bar: str) -> Theme:
    inks = {f"ink-{name}": text for name in _INKS}
    bars = {
        name: bar if name in ("scrollbar", "scrollbar-hover", "scrollbar-active") else ground
        for name in theme.variables
        if name.startswith("scrollbar")
    }
    accent, on_accent = hues["ink-accent"], hues["ink-on-world"]
    cursors = {
        "block-cursor-foreground": on_accent,
        "block-cursor-background": accent,
        "input-cursor-foreground": on_accent,
        "input-cursor-background": accent,
        "input-selection-foreground": on_accent,
        "input-selection-background": accent,
        "screen-selection-foreground": on_accent,
        "screen-selection-background": accent,
        "border": accent,
        "border-blurred": text,
        "surface": ground,
        "panel": ground,
        "boost": ground,
        "ansi-background": ground,
        "ansi-foreground": text,
    }
    least = {name: value for name, value in theme.variables.items() if name == "least-contrast"}
    return replace(
        theme,
        primary=accent,
        secondary=text,
        accent=accent,
        warning=hues["ink-warn"],
        error=hues["ink-bad"],
        success=hues["ink-good"],
        foreground=text,
        background=ground,
        surface=ground,
        panel=ground,
        ansi=True,
        variables={**bars, **inks, **hues, **cursors, **least},
    )
