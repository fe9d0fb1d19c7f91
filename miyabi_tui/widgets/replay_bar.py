"""Where a replay stands: one row with the place, the pace, and the tape with its marks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.words import clock
from miyabi_tui.widgets.wrap import cells, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.strip import Strip

LEAST_LINE = 10
NOTE_LINE = 24  # cells that the line keeps beside a note
KEYS = "space  ? q"
KEYS_FROM = 56

# By the rank of a mark: its sign and its ink.
SIGNS: tuple[Span, ...] = (
    ("━", "accent"),
    ("┿", "accent"),
    ("◆", "strong"),
    ("≠", "warn"),
    ("▐", "text"),
)
AHEAD = ("─", "faint")
HERE = ("●", "strong")
AHEAD_INKS = ("faint", "faint", "dim", "warn", "dim")


@dataclass(frozen=True)
class BarView:
    """What the bar says; `marks` are seconds of the tape and ranks, `keys` are shown on it too."""

    playing: bool = False
    ended: bool = False
    place: int = 0
    events: int = 0
    second: float = 0.0
    seconds: float = 0.0
    speed: float = 1.0
    note: str = ""
    trouble: str = ""
    marks: tuple[tuple[float, int], ...] = ()
    keys: bool = False


class ReplayBar(ReadyRows):
    """▶ or ‖, the pace, the event, the time, and a line from the start to the end."""

    GROUND = "panel"

    class Chosen(Message):
        """The line was clicked at this second of the tape."""

        def __init__(self, bar: ReplayBar, second: float) -> None:
            super().__init__()
            self.bar = bar
            self.second = second

        @property
        def control(self) -> ReplayBar:
            """The bar."""
            return self.bar

    class Toggled(Message):
        """The sign was clicked."""

    def __init__(self) -> None:
        super().__init__(id="replay-bar")
        self._view = BarView()
        self._line = range(0)

    def show(self, view: BarView) -> None:
        """Show another place."""
        if view != self._view:
            self._view = view
            self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """The one row."""
        view = self._view
        sign: Span = (
            ("■", "dim") if view.ended else ("▶", "good") if view.playing else ("‖", "warn")
        )
        many = len(f"{view.events:,}")
        total = clock(view.seconds)
        spans: list[Span] = [(" ", "text"), sign, (f" {pace(view.speed):<4} ", "strong")]
        if width >= KEYS_FROM + 20:
            spans.append(("event ", "dim"))
        spans += [
            (f"{view.place:>{many},}", "strong"),
            (f"/{view.events:,}  ", "dim"),
            (f"{clock(view.second):>{len(total)}}", "strong"),
            (f"/{total}  ", "dim"),
        ]
        after: list[Span] = [(" ", "text")]
        if view.keys and width >= KEYS_FROM:
            after = [("  " + KEYS + " ", "dim")]
        room = width - sum(cells(text) for text, _ in (*spans, *after))
        note = one_line(view.trouble or view.note)
        if view.trouble or (note and room >= NOTE_LINE + 12):
            shown = fit(note, room - (LEAST_LINE if view.trouble else NOTE_LINE) - 2)
            after.insert(0, (f"  {shown}", "bad" if view.trouble else "accent"))
            room -= cells(shown) + 2
        self._line = range(0)
        if room >= LEAST_LINE:
            start = sum(cells(text) for text, _ in spans)
            self._line = range(start, start + room)
            spans += self._tape(room)
        return [strip_of([*spans, *after], width, self.ink)]

    def _tape(self, width: int) -> list[Span]:
        """The line, one span a cell; the greatest mark of a cell is shown."""
        view = self._view
        ranks = [0] * width
        for second, rank in view.marks:
            cell = _cell(second, view.seconds, width)
            ranks[cell] = max(ranks[cell], rank)
        here = _cell(view.second, view.seconds, width)
        made: list[Span] = []
        for cell, rank in enumerate(ranks):
            if cell == here:
                made.append(HERE)
            elif cell < here:
                made.append(SIGNS[rank])
            else:
                made.append((SIGNS[rank][0], AHEAD_INKS[rank]) if rank else AHEAD)
        return made

    def on_click(self, event: events.Click) -> None:
        """A click on the line goes there; one on the sign plays or stands still."""
        event.stop()
        if event.x in self._line:
            share = (event.x - self._line.start) / max(1, len(self._line) - 1)
            self.post_message(self.Chosen(self, share * self._view.seconds))
        elif event.x < 8:
            self.post_message(self.Toggled())


def pace(speed: float) -> str:
    """How quick, in few letters."""
    return "max" if math.isinf(speed) else f"{speed:g}×"


def _cell(second: float, seconds: float, width: int) -> int:
    return min(width - 1, round(second / seconds * (width - 1))) if seconds > 0 else width - 1


def silence(seconds_: float) -> str:
    """That a long silence of the race is not played in full."""
    return f"{clock(seconds_)} of silence shortened"


def strongest(marks: Sequence[tuple[float, int]], seconds: float) -> tuple[tuple[float, int], ...]:
    """The marks that can be seen at all: of thousands at one spot, one."""
    seen: dict[int, tuple[float, int]] = {}
    for second, rank in marks:
        spot = _cell(second, seconds, 1_000)
        if spot not in seen or seen[spot][1] < rank:
            seen[spot] = (second, rank)
    return tuple(seen.values())
