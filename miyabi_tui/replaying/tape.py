"""The journal of one run as a tape: its times are in memory, its events are read in pieces.

Silences are shortened: a played second is a second of the race, but where nothing happened for
longer than `LONGEST_SILENCE`, that much is played of it. Places count events: at place 3 the first
three have happened.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.store.reader import read_records, read_times

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.events import Record

LONGEST_SILENCE = 3.0  # seconds
PIECE = 500  # events


class Tape:
    """A run's events as the journal had them when it was opened; 24 bytes for each stay in memory.

    Raises:
        UsageError: nothing is written of the run.
        StoreError: the journal cannot be read.
    """

    def __init__(self, journal: Path, run_id: str) -> None:
        self.journal = journal
        self.run_id = run_id
        self._numbers = array("q")
        self._at = array("d")
        self._played = array("d")
        played = 0.0
        for number, at in read_times(journal, run_id):
            silence = at - self._at[-1] if self._at else 0.0
            played += min(max(0.0, silence), LONGEST_SILENCE)  # a clock may have been set back
            self._numbers.append(number)
            self._at.append(at)
            self._played.append(played)
        if not self._numbers:
            raise UsageError(f"run {run_id} has no events", "", "see: miyabi runs")

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def seconds(self) -> float:
        """How long it plays at the pace of the race."""
        return self._played[-1]

    def played(self, place: int) -> float:
        """The second of the tape at which the last event before `place` comes."""
        return self._played[min(place, len(self)) - 1] if place > 0 else 0.0

    def at(self, place: int) -> float:
        """The time of the race at this place."""
        return self._at[min(max(place, 1), len(self)) - 1]

    def number(self, place: int) -> int:
        """The journal's number of the last event before `place`; 0 at the start."""
        return self._numbers[min(place, len(self)) - 1] if place > 0 else 0

    def place_of(self, number: int) -> int:
        """The place after the event of this number, or after the last one before it."""
        return bisect_right(self._numbers, number)

    def place_at(self, second: float) -> int:
        """How many events have come by this second of the tape."""
        return bisect_right(self._played, second)

    def first_at(self, second: float) -> int:
        """The place before all events of this second of the tape."""
        return bisect_left(self._played, second)

    def silence(self, place: int) -> float:
        """How long nothing happened in the race after the last event before `place`."""
        if not 0 < place < len(self):
            return 0.0
        return max(0.0, self._at[place] - self._at[place - 1])

    def read(self, start: int, stop: int) -> list[Record]:
        """The events between two places. Blocks for a read of the file.

        Raises:
            StoreError: they cannot be read.
        """
        start, stop = max(0, start), min(stop, len(self))
        if start >= stop:
            return []
        after, before = self._numbers[start] - 1, self._numbers[stop - 1] + 1
        return read_records(self.journal, self.run_id, after=after, before=before)
