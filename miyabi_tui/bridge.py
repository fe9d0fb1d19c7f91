"""From the engine's events to the screen: drain, fold, and say once what changed.

No Textual in here: a timer calls `pump`, and whoever called hands the result to its widgets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Output, Record, world_of
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.state import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from miyabi_tui.engine.control import Subscription
    from miyabi_tui.engine.worlds import WorldId

FRAMES_A_SECOND = 20


@dataclass(frozen=True)
class Batch:
    """What one pump brought: the new state, and each world's records for its stream."""

    state: RunState
    streams: Mapping[WorldId, Sequence[Record]] = field(default_factory=dict)


class Bridge:
    """Folds a subscription; `state` is always the last fold."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.state = RunState()

    def pump(self) -> Batch | None:
        """Fold all that is ready; None when nothing was."""
        records = self._subscription.drain()
        if not records:
            return None
        streams: dict[WorldId, list[Record]] = {}
        for record in records:
            world = world_of(record.event)
            if world is not None:
                streams.setdefault(world, []).append(record)
        state = self.state
        for record in _worth_folding(records):
            state = apply(state, record)
        self.state = state
        return Batch(state, streams)


def _worth_folding(records: Sequence[Record]) -> list[Record]:
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
