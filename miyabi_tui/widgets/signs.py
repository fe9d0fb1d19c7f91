"""Every sign in ASCII, for a terminal that has nothing else: one table, each as wide as it was.

It is applied where the screen is written (`driver.ScreenDriver`) and where it is pictured.
"""

from __future__ import annotations

import unicodedata

from miyabi_tui.widgets.wrap import cells

_TWINS = {
    # what our rows are drawn with
    "·": "-", "•": "o", "…": "~", "–": "-", "—": "-", "−": "-", "‖": "|", "×": "x", "÷": "/",
    "±": "+", "≈": "~", "≡": "=", "≤": "<", "≥": ">", "≠": "!", "∞": "8", "⋮": ":",
    "µ": "u", "\u03bc": "u",
    "«": "<", "»": ">", "‹": "<", "›": ">", "‘": "'", "’": "'", "“": '"', "”": '"', "‣": ">",
    "←": "<", "↑": "^", "→": ">", "↓": "v", "↔": "-", "⇄": "=", "↺": "@", "↻": "@", "⏎": "<",
    "⊗": "X", "⊘": "/", "⊕": "+", "⟦": "[", "⟧": "]", "␛": "^", "␡": "^",
    # states and marks
    "✓": "+", "✔": "+", "✗": "x", "✘": "x", "✕": "x", "★": "*", "☆": "*", "⚠": "!", "☕": "zz",
    "▸": ">", "▹": ">", "▶": ">", "►": ">", "◀": "<", "◂": "<", "▾": "v", "▼": "v", "▴": "^",
    "▲": "^", "△": "^", "◆": "=", "◇": "=", "●": "@", "○": "o", "◌": ".",
    "◉": "@", "◐": "%", "◑": "%",
    "◔": "z", "◷": "&", "◦": "o", "■": "#", "□": "o", "▪": "*", "▫": "o", "⭘": "o",
    # shades and bars, low to high
    "░": ".", "▒": ":", "▓": "%", "▁": "_", "▂": "_", "▃": ".", "▄": "-", "▅": "=", "▆": "+",
    "▇": "*", "█": "#", "▉": "#", "▊": "#", "▋": "=", "▌": "|", "▍": "|", "▎": "|", "▏": "|",
    "└": "\\", "▐": "|", "▕": "|", "▀": '"', "▔": "-",
}  # fmt: skip


_ARROWS = {"LEFTWARDS": "<", "RIGHTWARDS": ">", "UPWARDS": "^", "DOWNWARDS": "v"}


class _Table(dict[int, str]):
    """Finds the twin of what is not in the table at its first use."""

    def __missing__(self, code: int) -> str:
        made = self[code] = _twin(chr(code))
        return made


def _twin(sign: str) -> str:
    if sign.isascii():
        return sign
    width = cells(sign)
    name = unicodedata.name(sign, "")
    if name.startswith("BOX DRAWINGS"):
        return _box(name.removeprefix("BOX DRAWINGS "))
    if width == 1 and "ARROW" in name:
        return next((twin for way, twin in _ARROWS.items() if way in name), ">")
    if name.startswith("BRAILLE"):
        return _braille(ord(sign) - 0x2800)
    if name.startswith("SYMBOL FOR"):
        return "^"
    letters = unicodedata.normalize("NFKD", sign)
    base = "".join(one for one in letters if not unicodedata.combining(one))
    if base.isascii() and base.isprintable() and len(base) == width:
        return base
    symbol = width == 1 and unicodedata.category(sign) in ("So", "Sm")
    return "*" if symbol else "?" * width


def _box(name: str) -> str:
    """A line, a corner or a crossing."""
    if "DIAGONAL" in name:
        return "X" if "CROSS" in name else "/" if "UPPER RIGHT TO LOWER LEFT" in name else "\\"
    along = "HORIZONTAL" in name or name.endswith((" LEFT", " RIGHT"))
    up = "VERTICAL" in name or " UP" in name or " DOWN" in name
    if along and up:
        return "+"
    return "=" if name.startswith("DOUBLE") and along else "-" if along else "|"


def _braille(dots: int) -> str:
    """A step of a sparkline, by how many dots it has."""
    return " .:-=+*##"[dots.bit_count()]


_table = _Table({ord(sign): twin for sign, twin in _TWINS.items()})


def plain(text: str) -> str:
    """The text in ASCII, in as many cells; escape codes stay as they are."""
    return text if text.isascii() else text.translate(_table)
