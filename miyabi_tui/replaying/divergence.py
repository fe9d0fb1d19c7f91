"""Where two worlds that had done the same first differ.

What a world has done is the sequence of its tool calls, each by name and arguments, and the end of
its attempt. Not what it said or thought: no two worlds ever say the same. Two worlds that have done
as many calls, all alike, have done the same; they differ with the first call that is not alike, or
when the same calls have left changes of another size. A `finish` is alike whatever its summary. A
world that went back to a checkpoint, or forked from one, has done what that past had done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e

if TYPE_CHECKING:
    from miyabi_tui.engine.worlds import WorldId

FINISH = "finish"
Deed = tuple[str, str]
"""What was done: its kind, and exactly what."""


@dataclass(frozen=True)
class Divergence:
    """Two worlds, the number of the event with which they differ, and what each of them did.

    `alike` is how many calls they had done alike before.
    """

    number: int
    one: WorldId
    other: WorldId
    alike: int
    one_did: str
    other_did: str

    def __str__(self) -> str:
        same = f"the same {self.alike} call{'s' * (self.alike != 1)}, then" if self.alike else ""
        who = f"{self.one} and {self.other} differ"
        did = f"{self.one}: {self.one_did} · {self.other}: {self.other_did}"
        return f"{who}: {same} {did}" if same else f"{who} from their first call on: {did}"


@dataclass
class _Past:
    """What one world has done: its calls, in words too, how many by each step, and what they left.

    `left` is the size of the changes after so many calls.
    """

    deeds: list[Deed] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    by_step: dict[int, int] = field(default_factory=dict)
    left: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)

    def until(self, step: int) -> _Past:
        """This past up to the end of a step."""
        count = max((n for at, n in self.by_step.items() if at <= step), default=0)
        return _Past(
            self.deeds[:count],
            self.said[:count],
            {at: n for at, n in self.by_step.items() if at <= step},
            {n: left for n, left in self.left.items() if n <= count},
        )


class DivergenceFinder:
    """Reads a run's events in order; `found` is the first divergence, once it has come."""

    def __init__(self) -> None:
        self.found: Divergence | None = None
        self._pasts: dict[WorldId, _Past] = {}

    def take(self, record: e.Record) -> None:
        """Read one more event."""
        if self.found is not None:
            return
        event = record.event
        if isinstance(event, e.TurnFinished):
            calls = event.message.tool_calls
            self._past(event.world).asked = {call.id: call.arguments for call in calls}
        elif isinstance(event, e.ToolStarted):
            self._done(record.seq, event.world, self._deed(event), event.summary or event.name)
        elif isinstance(event, e.AttemptFinished):
            past = self._past(event.world)
            if past.deeds[-1:] != [(FINISH, "")]:
                self._done(record.seq, event.world, (FINISH, ""), "ended")
        elif isinstance(event, e.StepFinished):
            self._stepped(record.seq, event)
        elif isinstance(event, e.WorldForked):
            self._pasts[event.world] = self._past(event.source).until(event.step)
        elif isinstance(event, e.WorldRestored):
            self._pasts[event.world] = self._past(event.world).until(event.step)

    def _past(self, world: WorldId) -> _Past:
        return self._pasts.setdefault(world, _Past())

    def _deed(self, event: e.ToolStarted) -> Deed:
        if event.name == FINISH:
            return FINISH, ""
        arguments = self._past(event.world).asked.get(event.call_id)
        return event.name, event.summary if arguments is None else _canonical(arguments)

    def _done(self, number: int, world: WorldId, deed: Deed, said: str) -> None:
        past = self._past(world)
        alike = len(past.deeds)
        for other, theirs in self._pasts.items():
            if other is world or len(theirs.deeds) <= alike:
                continue
            if theirs.deeds[:alike] == past.deeds and theirs.deeds[alike] != deed:
                self.found = Divergence(number, other, world, alike, theirs.said[alike], said)
                return
        past.deeds.append(deed)
        past.said.append(said)

    def _stepped(self, number: int, event: e.StepFinished) -> None:
        past = self._past(event.world)
        count = len(past.deeds)
        left = (event.lines_added, event.lines_deleted, event.files_changed)
        past.by_step[event.step] = count
        past.left[count] = left
        for other, theirs in self._pasts.items():
            if other is event.world or theirs.left.get(count, left) == left:
                continue
            if theirs.deeds[:count] == past.deeds:
                did = _sizes(theirs.left[count]), _sizes(left)
                self.found = Divergence(number, other, event.world, count, *did)
                return


def _canonical(arguments: str) -> str:
    """The same arguments as the same text; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except ValueError:
        return arguments


def _sizes(left: tuple[int, int, int]) -> str:
    added, deleted, files = left
    return f"+{added} −{deleted} in {files} file{'s' * (files != 1)}"
