"""How colours stand to each other: WCAG contrast, how different they look, the nearest of 256."""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
from rich.color import Color as RichColor
from rich.color import ColorSystem
from textual.color import Color

STEP = 0.05


def luminance(colour: Color) -> float:
    """Relative luminance as WCAG 2 defines it."""
    red, green, blue = map(_linear, colour.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio, 1 to 21."""
    return _ratio(luminance(one), luminance(other))


def _ratio(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def legible(colour: Color, ground: Color, towards: Color, least: float) -> Color:
    """The colour, moved towards another only as far as it must be to read well on its ground."""
    share = 0.0
    made = colour
    while contrast(made, ground) < least and share < 1:
        share += STEP
        made = colour.blend(towards, min(1.0, share))
    return made


def difference(one: Color, other: Color) -> float:
    """How different two colours look: the distance in Oklab, times 100."""
    return 100 * math.dist(_oklab(one), _oklab(other))


def _oklab(colour: Color) -> tuple[float, float, float]:
    red, green, blue = map(_linear, colour.normalized)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.793617785 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.428592205 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.808675766 * short,
    )


class Fixed(msgspec.Struct, frozen=True):
    """One of the 256 colours: how it looks, and what Rich takes for it in the end."""

    shown: Color
    said: Color
    lab: tuple[float, float, float]
    light: float

    @classmethod
    def of(cls, shown: Color, said: Color) -> Fixed:
        """With what is asked of it again and again."""
        return cls(shown, said, _oklab(shown), luminance(shown))


@lru_cache(maxsize=512)
def nearest(colour: Color, grounds: tuple[Color, ...] = (), least: float = 1.0) -> Fixed:
    """The one of the 256 that looks most like it, of those that can be read on these grounds.

    Rich, which finds the number of a colour at last, takes muddy ones; `said` it takes as meant.
    """
    lab = _oklab(colour)
    return min(_readable(grounds, least), key=lambda one: math.dist(one.lab, lab))


@lru_cache(maxsize=16)
def _readable(grounds: tuple[Color, ...], least: float) -> tuple[Fixed, ...]:
    lights = [luminance(ground) for ground in grounds]
    return tuple(
        one for one in _of_256() if all(_ratio(one.light, light) >= least for light in lights)
    )


@lru_cache(maxsize=1)
def _of_256() -> tuple[Fixed, ...]:
    """Those that are the same everywhere: without the 16 that each terminal has its own of."""
    steps = (0, 95, 135, 175, 215, 255)
    cube = [Color(red, green, blue) for red in steps for green in steps for blue in steps]
    coloured = [Fixed.of(one, one) for one in cube if _number(one) == _in_cube(one)]
    greys = [Fixed.of(_grey(10 * n - 2), _grey(round(10.2 * n))) for n in range(1, 25)]
    ends = [Fixed.of(_grey(end), _grey(end)) for end in (0, 255)]
    return (*coloured, *greys, *ends)


def _grey(part: int) -> Color:
    return Color(part, part, part)


def _in_cube(colour: Color) -> int:
    red, green, blue = ((part - 55) // 40 if part else 0 for part in colour.rgb)
    return 16 + 36 * red + 6 * green + blue


def _number(colour: Color) -> int:
    return RichColor.from_rgb(*colour.rgb).downgrade(ColorSystem.EIGHT_BIT).number or 0
