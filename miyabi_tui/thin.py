"""Fewer bytes for the same picture: what a pen has already is not said again.

Textual says all colours of every piece of text and resets them after it, which is most of what it
writes. Here only changes are said, and blanks at the end of a piece are erased, not written.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"\x1b\[([0-9;]*)m|(\x1b\[\d+;\d+H)"
    r"|(\x1b(?:[\]P][^\x07]*?(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[^\[]))"  # strings are whole
    r"|([^\x1b]+)"
)
_STYLES = frozenset("1 2 3 4 5 7 8 9 21 51 52 53".split())
_LINES = frozenset("4 7 9 21 53".split())
LEAST_ERASED = 6  # blanks that are worth an erasure
RESET = "\x1b[0m"

Pen = tuple[str, str, frozenset[str]]
NO_PEN: Pen = ("", "", frozenset())


class Thinner:
    """Remembers the terminal's pen from one write to the next."""

    def __init__(self, *, erases: bool = True) -> None:
        self._erases = erases
        self._wanted: Pen = NO_PEN
        self._has: Pen = NO_PEN
        self._read: dict[str, Pen | None] = {}

    def forget(self) -> str:
        """The terminal may have any pen: what makes it have none."""
        self._wanted = self._has = NO_PEN
        return RESET

    def shorter(self, one: str, other: str) -> str:
        """The one of two ways to paint the same that takes fewer bytes."""
        before = self._wanted, self._has
        thinned, after = self.thin(one), (self._wanted, self._has)
        self._wanted, self._has = before
        if len(second := self.thin(other)) < len(thinned):
            return second
        self._wanted, self._has = after
        return thinned

    def thin(self, data: str) -> str:
        """The same picture in fewer bytes."""
        made: list[str] = []
        blanks = ends = move = ""  # not said yet: the next place may make them needless
        for found in _TOKEN.finditer(data):
            codes, place, other, text = found.groups()
            if codes is not None:
                self._set(codes, made)
            elif place is not None:
                made.append(self._erased(blanks))
                blanks, ends, move = "", "", place
            elif other is not None:
                made += [blanks, ends, move, other]
                blanks = ends = move = ""
            else:
                body = text.rstrip("\n")
                if body:
                    filled = body.rstrip(" ")
                    made += [blanks, ends, move, self._pen(), filled]
                    blanks, ends, move = body[len(filled) :], "", ""
                ends += text[len(body) :]
        made += [blanks, ends, move]
        return "".join(made)

    def _erased(self, blanks: str) -> str:
        """Blanks that another place follows; erased they have the pen's ground, but no line."""
        plain = not self._has[2] & _LINES
        if self._erases and plain and len(blanks) >= LEAST_ERASED:
            return f"\x1b[{len(blanks)}X"
        return blanks

    def _set(self, codes: str, made: list[str]) -> None:
        pen = self._read.get(codes, NO_PEN)
        if codes not in self._read:
            pen = self._read[codes] = _parsed(codes)
        if pen is None:  # not understood: said as it is
            made.append(f"\x1b[{codes}m")
            self._has = self._wanted = ("?", "?", frozenset("?"))
        elif pen is NO_PEN:
            self._wanted = NO_PEN
        else:
            fore, back, styles = self._wanted
            self._wanted = (pen[0] or fore, pen[1] or back, styles | pen[2])

    def _pen(self) -> str:
        """What has to be said so that the terminal has the wanted pen."""
        if self._wanted == self._has:
            return ""
        (fore, back, styles), (had_fore, had_back, had) = self._wanted, self._has
        parts: list[str] = []
        if had - styles or (had_fore and not fore) or (had_back and not back):
            parts, had_fore, had_back, had = ["0"], "", "", frozenset()
        parts += sorted(styles - had)
        parts += [fore] if fore != had_fore else []
        parts += [back] if back != had_back else []
        self._has = self._wanted
        return f"\x1b[{';'.join(parts)}m"


def _parsed(codes: str) -> Pen | None:
    """The pen of one sequence; None where it says something else."""
    if codes in ("", "0"):
        return NO_PEN
    fore = back = ""
    styles: set[str] = set()
    parts = codes.split(";")
    while parts:
        one = parts.pop(0)
        if one in ("38", "48"):
            size = {"2": 4, "5": 2}.get(parts[0] if parts else "", 0)
            if not size or len(parts) < size:
                return None
            value = ";".join([one, *parts[:size]])
            parts = parts[size:]
            fore, back = (value, back) if one == "38" else (fore, value)
        elif one in _STYLES:
            styles.add(one)
        elif re.fullmatch(r"3[0-79]|9[0-7]", one):
            fore = one
        elif re.fullmatch(r"4[0-79]|10[0-7]", one):
            back = one
        else:
            return None
    return fore, back, frozenset(styles)
