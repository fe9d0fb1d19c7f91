"""On slow lines, only what does not stand there yet, and each colour said once.

A new layout paints everything again, three times in the first seconds: a screen of 23 KB each time.
Every piece has its place, so pieces may also be written in the order of their colours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miyabi_tui.thin import Thinner

_PLACES = re.compile(r"(?=\x1b\[\d+;\d+H)")
_PLACE = re.compile(r"\x1b\[(\d+);(\d+)H")
_RUN = re.compile(r"(\x1b\[[0-9;]+m)([^\x1b\n]*)\x1b\[0m|([^\x1b\n]+)")
# What leaves the picture as it is: whole frames, questions, strings.
_BESIDE = re.compile(r"\x1b\[\?2026[hl]|\x1b\[6n|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class _Run(NamedTuple):
    """Text in one pen, from a column of a row to another."""

    row: int
    column: int
    end: int
    pen: str
    text: str


class Sparing:
    """Remembers what stands where, and has a thinner say what is new."""

    def __init__(self, thinner: Thinner) -> None:
        self._thinner = thinner
        self._rows: dict[int, dict[int, _Run]] = {}

    def forget(self) -> None:
        """Nobody knows what stands there."""
        self._rows.clear()

    def spare(self, data: str, *, slow: bool) -> str:
        """The same picture; if `slow`, in as few bytes as can be."""
        if not slow:
            self.forget()
            return self._thinner.thin(data)
        first, *pieces = _PLACES.split(data)
        runs = [list(_runs(piece)) for piece in pieces]
        if not all(map(_is_whole, runs, pieces)) or _BESIDE.sub("", first):
            self.forget()
            return self._thinner.thin(data)
        if not pieces:
            return self._thinner.thin(data)
        # Where the last piece leaves the cursor matters: it is said in any case.
        *before, _ = [[run for run in piece if not self._stands(run)] for piece in runs]
        new = [run for piece in before for run in piece]
        ways = (new, _by_pen(new))
        return self._thinner.shorter(*("".join((first, *_said(way), pieces[-1])) for way in ways))

    def _stands(self, run: _Run) -> bool:
        """Whether it stands there already; from now on it does."""
        row = self._rows.setdefault(run.row, {})
        if row.get(run.column) == run:
            return True
        for one in [one for one in row.values() if one.column < run.end and run.column < one.end]:
            del row[one.column]
        row[run.column] = run
        return False


def _runs(piece: str) -> Iterator[_Run]:
    """The runs of a piece, which begins with its place."""
    place = _PLACE.match(piece)
    assert place is not None
    row, column = int(place[1]), int(place[2])
    for pen, text, bare in _RUN.findall(piece, place.end()):
        if text or bare:
            end = column + cells(text or bare)
            yield _Run(row, column, end, pen, text or bare)
            column = end


def _is_whole(runs: list[_Run], piece: str) -> bool:
    """Whether a piece is these runs and nothing else, but for pens without text and its end."""
    size = sum(len(run.pen) + len(run.text) + (4 if run.pen else 0) for run in runs)
    body = _PLACE.sub("", piece, count=1).rstrip("\n")
    return size == len(body)


def _by_pen(runs: Iterable[_Run]) -> list[_Run]:
    """Those of a pen together, in the order in which the pens first came."""
    groups: dict[str, list[_Run]] = {}
    for run in runs:
        groups.setdefault(run.pen, []).append(run)
    return [run for group in groups.values() for run in group]


def _said(runs: Iterable[_Run]) -> Iterator[str]:
    """What paints them; one that begins where the one before ended needs no place."""
    at = (0, 0)
    for run in runs:
        if at != (run.row, run.column):
            yield f"\x1b[{run.row};{run.column}H"
        yield f"{run.pen}{run.text}\x1b[0m" if run.pen else run.text
        at = (run.row, run.end)
