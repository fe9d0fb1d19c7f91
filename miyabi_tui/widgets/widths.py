"""Characters about whose width terminals disagree, replaced by ones about which they agree.

One cell too many or too few shifts the rest of a row and breaks the borders of all panes right of
it. What joins or changes its neighbours (joiners, variation selectors, skin tones, flags) goes;
vowel signs that take a cell in some terminals and none in others, and what is in no Unicode yet,
become a sign of one cell. Marks that combine stay, as many as can be read.
"""

from __future__ import annotations

import unicodedata

from rich.cells import get_character_cell_size

GAP = "\ufffd"
MOST_MARKS = 4  # on one letter; beyond it is a tower over other rows
_KEPT_CONTROLS = "\b\t\n\r"
_BLANKS = (0x2028, 0x2029, 0x85)
_VIRAMA = 9  # the combining class
_FIRST_FLAG, _LAST_FLAG = 0x1F1E6, 0x1F1FF
# Hangul fillers and dots, circled numbers, trigrams, counting rods: one cell or two (or none).
_DISPUTED = (
    (0x115F, 0x115F), (0x2630, 0x2637), (0x268A, 0x268F), (0x302E, 0x302F), (0x3164, 0x3164),
    (0x3248, 0x324F), (0x4DC0, 0x4DFF), (0xFFA0, 0xFFA0), (0x1D300, 0x1D37F),
)  # fmt: skip
_JOINING = ((0xFE00, 0xFE0F), (0x1F3FB, 0x1F3FF), (0xE0000, 0xE0FFF))


class _Settled(dict[int, str]):
    """What each character becomes; found at its first use."""

    def __missing__(self, code: int) -> str:
        made = self[code] = _settle(code)
        return made


class _Safe(_Settled):
    """The same, with controls as signs."""

    def __missing__(self, code: int) -> str:
        if code == 0x09:
            made = " "
        elif code < 0x20:
            made = chr(0x2400 + code)
        else:
            made = _settle(code)
        self[code] = made
        return made


def _settle(code: int) -> str:
    sign = chr(code)
    if 0x20 <= code < 0x7F or sign in _KEPT_CONTROLS:
        return sign
    if code in _BLANKS:
        return " "
    if code == 0x7F:
        return "␡"
    if _FIRST_FLAG <= code <= _LAST_FLAG:
        return chr(code - _FIRST_FLAG + ord("A"))
    if any(low <= code <= high for low, high in _JOINING):
        return ""
    if any(low <= code <= high for low, high in _DISPUTED):
        return GAP
    kind = unicodedata.category(sign)
    if kind == "Cf":
        return ""
    if kind in ("Cc", "Cs", "Cn", "Mc"):
        return GAP
    if kind in ("Mn", "Me") and (get_character_cell_size(sign) or _joins(sign)):
        return GAP
    return sign


def _joins(sign: str) -> bool:
    """Whether it makes one of two letters, in some terminals: the viramas of India's scripts."""
    return unicodedata.combining(sign) == _VIRAMA


_settled, _safe = _Settled(), _Safe()


def settled(text: str) -> str:
    """The text with characters of settled width only; breaks, tabs and backspaces stay."""
    return text if text.isascii() else text.translate(_settled)


def safe(text: str) -> str:
    """Any text as part of a row: as wide in every terminal as we count, and without effect."""
    if text.isascii() and text.isprintable():
        return text
    text = text.translate(_safe)
    if text.isascii() or all(map(get_character_cell_size, text)):
        return text
    return _few_marks(text)


def _few_marks(text: str) -> str:
    """Without marks that stand on nothing, or too high on one letter."""
    made: list[str] = []
    marks = MOST_MARKS
    for sign in text:
        if get_character_cell_size(sign):
            marks = 0
        elif (marks := marks + 1) > MOST_MARKS:
            continue
        made.append(sign)
    return "".join(made)
