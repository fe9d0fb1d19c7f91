"""A jump to any place of a replay of 50,000 events, against folding them from the start.

The bound: 0.15 of that, which is a few frames.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common import compare, verdict
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import FIVE
from miyabi_tui.replaying.moment import moment_at
from miyabi_tui.replaying.survey import Survey
from tests import board_states as states
from tests.replays import tape_of

if TYPE_CHECKING:
    from miyabi_tui.replaying.tape import Tape

PLACES = (49_999, 1_777, 25_250)
EVENTS = 50_000


def main() -> bool:
    """Measure; whether the bound is kept."""
    script = states.racing()
    for index in range(EVENTS):
        said = e.Output(world=FIVE[index % 5], channel=e.Channel.TEXT, text=f"token {index}\n")
        script.add(said, after=0.1)
    with tempfile.TemporaryDirectory() as scratch:
        tape = tape_of(Path(scratch), script)
        survey = Survey(tape)
        survey.state_at(len(tape))
        times = compare(
            5,
            jump=lambda: max(_seconds(survey, tape, place) for place in PLACES),
            whole=lambda: _whole(script),
        )
    print(
        f"     a jump: {times['jump'] * 1000:.0f} ms; a whole fold {times['whole'] * 1000:.0f} ms"
    )
    return verdict("jump ÷ fold of all", times["jump"] / times["whole"], 0.15)


def _seconds(survey: Survey, tape: Tape, place: int) -> float:
    begun = time.perf_counter()
    moment_at(survey, tape, place)
    return time.perf_counter() - begun


def _whole(script: states.Script) -> float:
    begun = time.perf_counter()
    fold(script.records)
    return time.perf_counter() - begun


if __name__ == "__main__":
    raise SystemExit(not main())
