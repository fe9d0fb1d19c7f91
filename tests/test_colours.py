"""Everything can be read: WCAG contrast in all themes, also of 256 and of 16 colours."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.color import Color

from miyabi_tui.styles.colour_math import contrast, difference, legible, nearest
from miyabi_tui.styles.few_colours import OURS, themes
from miyabi_tui.terminal_kind import FEW, MANY, NONE, TRUE

if TYPE_CHECKING:
    from textual.theme import Theme

FIVE = ("alpha", "beta", "gamma", "delta", "epsilon")
LEAST = {"miyabi-dark": 4.5, "miyabi-light": 4.5, "miyabi-contrast": 7.0}
HEX = [*themes(TRUE), *themes(MANY)]
NAMES = [f"{theme.name}-{colours}" for colours in (TRUE, MANY) for theme in themes(colours)]

# Black, red, green, yellow, blue, magenta, cyan, white, and the bright ones, of what is in use.
PALETTES = {
    "vga": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa"
    " 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5"
    " 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
    "windows": "0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc"
    " 767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2",
    "gnome": "2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf"
    " 555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec",
    "macos": "000000 990000 00a600 999900 0000b2 b200b2 00a6b2 bfbfbf"
    " 666666 e50000 00d900 e5e500 0000ff e500e5 00e5e5 e5e5e5",
    "vscode": "000000 cd3131 0dbc79 e5e510 2472c8 bc3fbc 11a8cd e5e5e5"
    " 666666 f14c4c 23d18b f5f543 3b8eea d670d6 29b8db e5e5e5",
}
DARK_GROUNDS = {"gnome": "2e3436", "vscode": "1e1e1e", "windows": "0c0c0c"}
READABLE = 3.0  # WCAG, of marks and of large or bold text, in whatever palette


def shown(colour: Color) -> Color:
    """As a terminal with 256 colours shows what Rich makes of it."""
    number = RichColor.from_rgb(*colour.rgb).downgrade(ColorSystem.EIGHT_BIT).number
    assert number is not None
    grey = 8 + 10 * (number - 232)
    return (
        Color(grey, grey, grey)
        if number >= 232
        else Color(*RichColor.from_ansi(number).get_truecolor())
    )


def texts(theme: Theme) -> dict[str, str]:
    """Every colour that text has."""
    return {
        name: value
        for name, value in theme.variables.items()
        if name.startswith(("world-", "ink-")) and name != "ink-on-world"
    }


def grounds(theme: Theme) -> list[Color]:
    """Every colour that text is on."""
    found = [theme.background, theme.surface, theme.panel]
    return [Color.parse(one) for one in found if one is not None]


@pytest.mark.parametrize("theme", HEX, ids=NAMES)
def test_all_text_can_be_read_on_each_ground(theme: Theme) -> None:
    least = LEAST[theme.name]
    low = {
        f"{name} on {ground.hex}": round(contrast(Color.parse(value), ground), 2)
        for name, value in texts(theme).items()
        for ground in grounds(theme)
        if contrast(Color.parse(value), ground) < least
    }
    assert low == {}


@pytest.mark.parametrize("theme", HEX, ids=NAMES)
def test_names_on_bands_of_their_colour_can_be_read(theme: Theme) -> None:
    on = Color.parse(theme.variables["ink-on-world"])
    bands = [*(f"world-{one}" for one in FIVE), "ink-good", "ink-warn", "ink-accent"]
    ratios = {name: contrast(on, Color.parse(theme.variables[name])) for name in bands}
    assert min(ratios.values()) >= LEAST[theme.name] - 0.05, ratios


@pytest.mark.parametrize("theme", HEX, ids=NAMES)
def test_the_worlds_can_be_told_apart_by_colour(theme: Theme) -> None:
    colours = {name: Color.parse(theme.variables[f"world-{name}"]) for name in FIVE}
    for one, other in combinations(FIVE, 2):
        assert difference(colours[one], colours[other]) > 6.5, (one, other)


def test_the_names_of_the_themes_do_not_depend_on_the_terminal() -> None:
    names = [theme.name for theme in OURS.values()]
    for colours in (NONE, FEW, MANY, TRUE):
        assert [theme.name for theme in themes(colours)] == names


def test_256_colours_are_those_that_are_there() -> None:
    for theme in themes(MANY):
        named = (theme.primary, theme.background, theme.surface, theme.panel, theme.foreground)
        for value in (*texts(theme).values(), *named):
            colour = Color.parse(value or "")
            assert nearest(shown(colour)).said == colour, value


def shade(palette: str, name: str, default: str) -> Color:
    """A colour as this terminal shows it."""
    if name == "ansi_default":
        return Color.parse(f"#{default}")
    number = Color.parse(name).ansi
    assert number is not None
    return Color.parse(f"#{PALETTES[palette].split()[number]}")


@pytest.mark.parametrize("palette", PALETTES)
def test_16_colours_can_be_read_on_a_dark_terminal(palette: str) -> None:
    dark, _, contrasting = themes(FEW)
    for theme in (dark, contrasting):
        ground = shade(palette, theme.background or "", DARK_GROUNDS.get(palette, "000000"))
        for name, value in texts(theme).items():
            ratio = contrast(shade(palette, value, "dddddd"), ground)
            assert ratio >= READABLE - 0.05, (name, value, ratio)


@pytest.mark.parametrize("palette", PALETTES)
def test_16_colours_can_be_read_on_a_light_terminal(palette: str) -> None:
    _, light, _ = themes(FEW)
    for name, value in texts(light).items():
        ratio = contrast(shade(palette, value, "000000"), Color.parse("white"))
        assert ratio >= READABLE, (name, value, ratio)
    for name, value in light.variables.items():
        if name.startswith("band-"):
            fore, _, back = value.partition(" on ")
            pair = (shade(palette, one, "000000") for one in (fore, back))
            assert contrast(*pair) >= READABLE, (name, value)


def test_without_colour_there_is_none() -> None:
    for theme in themes(NONE):
        assert set(texts(theme).values()) == {"ansi_default"}
        assert {theme.background, theme.panel, theme.foreground} == {"ansi_default"}


def test_a_colour_is_moved_no_further_than_it_must() -> None:
    black, white, grey = (Color.parse(name) for name in ("black", "white", "#303030"))
    assert legible(white, black, white, 7) == white
    made = legible(grey, black, white, 4.5)
    assert 4.5 <= contrast(made, black) < 6
    assert contrast(black, white) == pytest.approx(21)
