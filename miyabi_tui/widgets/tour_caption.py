"""A caption of the tour: three rows between the board and the footer, over nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from miyabi_tui.widgets.rows import ReadyRows, row, strip_of
from miyabi_tui.widgets.wrap import breaks, cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

MARGIN = 2


@dataclass(frozen=True)
class Caption:
    """One caption: what it is about, two rows of words, the key that it teaches.

    `taught` are the actions of the screen that show that it was understood; without any, enter
    alone goes on.
    """

    title: str
    text: str
    key: str = ""
    taught: Sequence[str] = ()


class TourCaption(ReadyRows):
    """Where the tour is, what is to be seen, and which key goes on."""

    GROUND = "panel"

    def __init__(self, count: int) -> None:
        super().__init__(id="tour-caption")
        self._count = count
        self._number = 0
        self._caption = Caption("", "")

    def show(self, number: int, caption: Caption) -> None:
        """Show the caption of this number, from 1."""
        self._number, self._caption = number, caption
        self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """Title and keys, then the words."""
        one = self._caption
        title = [(f"▌{self._number}/{self._count} ", "accent"), (one.title, "strong")]
        go_on = [(one.key, "strong"), (" or ", "dim")] if one.key else []
        keys = [*go_on, ("enter", "strong"), (" goes on  ", "dim"), ("esc", "strong")]
        keys.append((" leaves the tour", "dim") if width >= 76 else (" leaves", "dim"))
        rows = [row(width, title, keys, self.ink, keep=cells(one.title), margin=0)]
        room = max(1, width - 2 * MARGIN)
        cuts = [0, *breaks(one.text, room), len(one.text)]
        for start, stop in pairwise(cuts):
            said = one.text[start:stop].strip()
            rows.append(strip_of([("▌", "accent"), (f" {said}", "text")], width, self.ink))
        while len(rows) < height:
            rows.append(strip_of([("▌", "accent")], width, self.ink))
        return rows
