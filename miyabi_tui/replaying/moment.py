"""A moment of a tape as a screen needs it at once: the state, and the newest of each stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miyabi_tui.bridge import concerned
from miyabi_tui.engine.events import Output
from miyabi_tui.replaying.tape import PIECE
from miyabi_tui.widgets.sparkline import KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.replaying.readings import Reading
    from miyabi_tui.replaying.survey import Survey
    from miyabi_tui.replaying.tape import Tape

ENOUGH = 400  # records of a world's stream
ENOUGH_CHARACTERS = 60_000
MOST_PIECES = 12


@dataclass(frozen=True)
class Moment:
    """All that a screen shows at a place."""

    place: int
    state: RunState
    streams: Mapping[WorldId, Sequence[Record]]
    readings: Mapping[WorldId, Sequence[Reading]]


def moment_at(survey: Survey, tape: Tape, place: int) -> Moment:
    """The moment after the first `place` events. Blocks for reads of the file.

    Raises:
        StoreError: they cannot be read.
    """
    state = survey.state_at(place)
    backwards: dict[WorldId, list[Record]] = {world.id: [] for world in state.worlds}
    room = dict.fromkeys(backwards, ENOUGH_CHARACTERS)
    stop = place
    for _ in range(MOST_PIECES):
        hungry = {w for w, told in backwards.items() if len(told) < ENOUGH and room[w] > 0}
        if stop <= 0 or not hungry:
            break
        for record in reversed(tape.read(stop - PIECE, stop)):
            for world in hungry.intersection(concerned(record)):
                backwards[world].append(record)
                if isinstance(record.event, Output):
                    room[world] -= len(record.event.text)
        stop -= PIECE
    streams = {world: told[::-1] for world, told in backwards.items() if told}
    readings = {world: survey.readings(world, place, KEPT) for world in backwards}
    return Moment(place, state, streams, readings)
