"""From the engine's events to the screen: drain, fold, and say once what changed.

No Textual in here: a timer calls `pump`, and whoever called hands the result to its widgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.events import (
    FallbackTried,
    Gauges,
    Output,
    QuestionAnswered,
    QuestionAsked,
    Record,
    RunFinished,
    RunResumed,
    RunStatus,
    TurnMetered,
    world_of,
)
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Subscription

FRAMES_A_SECOND = 20
CALM_FRAMES_A_SECOND = 2  # where motion is reduced; keys are shown at once in any case
GONE = "the engine has gone"
_TALK = Output | Gauges | TurnMetered


class Batch(msgspec.Struct, frozen=True):
    """What one pump brought: the new state, and each world's records for its stream.

    `asked`: when each question of it came up, by its id; `settled`: the answers; `only_talk`: the
    worlds have said and used something, and nothing else happened.
    """

    state: RunState
    streams: Mapping[WorldId, Sequence[Record]] = msgspec.field(default_factory=dict)
    asked: Mapping[str, float] = msgspec.field(default_factory=dict)
    settled: Sequence[QuestionAnswered] = ()
    only_talk: bool = False


class Bridge:
    """Folds a subscription; `state` is always the last fold.

    `gone`: the subscription ended and the run did not, because its engine is no more.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.state = RunState()
        self.gone = False

    @property
    def shown(self) -> RunState:
        """What there is to show: a run whose engine has gone is as good as interrupted."""
        if not self.gone:
            return self.state
        from miyabi_tui.engine.fold import apply

        ended = RunFinished(status=RunStatus.INTERRUPTED, reason=GONE)
        return apply(self.state, Record(self.state.seq, self.state.at, ended))

    def pump(self) -> Batch | None:
        """Fold all that is ready; None when nothing was."""
        records = self._subscription.drain()
        if not records:
            if self.gone or self.state.finished or not self._subscription.closed:
                return None
            self.gone = True
            return Batch(self.shown)
        from miyabi_tui.engine.fold import apply  # with the first event, after the first frame

        streams: dict[WorldId, list[Record]] = {}
        for record in records:
            for world in concerned(record):
                streams.setdefault(world, []).append(record)
        state = self.state
        for record in worth_folding(records):
            state = apply(state, record)
        self.state = state
        asked = {one.event.id: one.at for one in records if isinstance(one.event, QuestionAsked)}
        settled = [one.event for one in records if isinstance(one.event, QuestionAnswered)]
        only_talk = all(isinstance(one.event, _TALK) for one in records)
        return Batch(state, streams, asked, settled, only_talk)


def concerned(record: Record) -> Sequence[WorldId]:
    """The worlds in whose streams this is told."""
    if isinstance(record.event, RunResumed | FallbackTried):
        return record.event.worlds
    world = world_of(record.event)
    return () if world is None else (world,)


def worth_folding(records: Sequence[Record]) -> list[Record]:
    """The records without output that a later output of the same world makes old news."""
    last = {
        record.event.world: index
        for index, record in enumerate(records)
        if type(record.event) is Output
    }
    return [
        record
        for index, record in enumerate(records)
        if type(record.event) is not Output or last[record.event.world] == index
    ]
