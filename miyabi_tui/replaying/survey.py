"""One pass over a tape: the state every so many events, the marks, the first divergence.

Runs in the thread that reads, piece by piece; what it has found so far can be read from any.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from miyabi_tui.bridge import worth_folding
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.state import RunState
from miyabi_tui.replaying.divergence import Divergence, DivergenceFinder
from miyabi_tui.replaying.readings import Readings
from miyabi_tui.replaying.tape import PIECE, Tape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.replaying.readings import Reading

MOST_STATES = 512


class Kind(IntEnum):
    """What a mark is for; of several at one spot, the greatest is shown."""

    CHECKPOINT = 1
    PHASE = 2
    DIVERGENCE = 3
    END = 4


@dataclass(frozen=True)
class Mark:
    """A place worth going to: the state there is the one after the event."""

    place: int
    kind: Kind
    text: str
    world: WorldId | None = None


class Survey:
    """What is known of a tape up to `place`; `advance` goes on by a piece."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.place = 0
        self.marks: list[Mark] = []
        self.divergence: Divergence | None = None
        self._state = RunState()
        self._finder = DivergenceFinder()
        self._readings: dict[WorldId, Readings] = {}
        self._places = [0]
        self._states = [self._state]
        self._every = max(1, -(-len(tape) // (MOST_STATES * PIECE)))  # pieces between two states

    @property
    def done(self) -> bool:
        """Whether all of the tape was read."""
        return self.place >= len(self._tape)

    def advance(self) -> None:
        """Read, fold and mark the next piece.

        Raises:
            StoreError: it cannot be read.
        """
        start = self.place
        records = self._tape.read(start, start + PIECE)
        for place, record in enumerate(records, start + 1):
            self._note(place, record)
        self._state = folded(self._state, records)
        stop = start + PIECE
        if stop < len(self._tape) and stop // PIECE % self._every == 0:
            self._states.append(self._state)
            self._places.append(stop)
        self.place = min(stop, len(self._tape))
        if self.done:
            self._end()

    def state_at(self, place: int) -> RunState:
        """The fold of all events before a place.

        Raises:
            StoreError: they cannot be read.
        """
        while self.place < place and not self.done:
            self.advance()
        nearest = bisect_right(self._places, place) - 1
        start, state = self._places[nearest], self._states[nearest]
        while start < place:
            stop = min(place, start + PIECE)
            state = folded(state, self._tape.read(start, stop))
            start = stop
        return state

    def readings(self, world: WorldId, place: int, most: int) -> list[Reading]:
        """The last gauges of a world up to a place that was read."""
        found = self._readings.get(world)
        return found.before(place, most) if found is not None else []

    def _note(self, place: int, record: e.Record) -> None:
        event = record.event
        if isinstance(event, e.Gauges):
            for gauge in event.worlds:
                self._readings.setdefault(gauge.world, Readings()).add(place, gauge)
        self._finder.take(record)
        if self._finder.found is not None and self.divergence is None:
            self.divergence = self._finder.found
            self._mark(place, Kind.DIVERGENCE, str(self.divergence))
        if isinstance(event, e.PhaseChanged):
            self._mark(place, Kind.PHASE, str(event.phase))
        elif isinstance(event, e.StepFinished) and event.checkpoint:
            self._mark(place, Kind.CHECKPOINT, f"{event.world}, step {event.step}", event.world)
        elif isinstance(event, e.CheckpointSaved):
            self._mark(place, Kind.CHECKPOINT, f"{event.world}, {event.why}", event.world)

    def _mark(self, place: int, kind: Kind, text: str, world: WorldId | None = None) -> None:
        self.marks.append(Mark(place, kind, text, world))

    def _end(self) -> None:
        run = self._state
        how = run.status.replace("_", " ") if run.finished else "here the journal ends"
        self._mark(len(self._tape), Kind.END, how)


def folded(state: RunState, records: Sequence[e.Record]) -> RunState:
    """The state after these events."""
    for record in worth_folding(records):
        state = apply(state, record)
    return state
