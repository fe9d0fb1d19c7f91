"""A world's conversation so far, as its journal has it: where an agent goes on after a resume.

Every turn that is in the journal is paid for, so it is never asked for again: a step that was cut
short is done once more from its own turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents import tools
from miyabi_tui.engine.models.base import AssistantMessage, Message, ToolMessage, UserMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.worlds import WorldId

NOT_RUN = "Not run."


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation up to the end of `step`, the steps before included in all counts.

    `begun` says that the journal has its opening; `pending` is a turn whose calls are still to be
    answered; `finished` the summary, if the agent had called finish. `seconds` of work, pauses not
    counted. `told` is what the person has said and no turn has read.
    """

    system: str
    messages: tuple[Message, ...]
    begun: bool = False
    step: int = 0
    pending: AssistantMessage | None = None
    finished: str | None = None
    malformed: int = 0
    seconds: float = 0.0
    told: tuple[str, ...] = ()


@dataclass
class History:
    """A world's conversation as it grows, with its state after each step."""

    after: list[Past]
    turn: AssistantMessage | None = None
    answers: list[ToolMessage | UserMessage] = field(default_factory=list)
    seconds: float = 0.0
    malformed: bool = False
    told: list[str] = field(default_factory=list)
    joined: tuple[str, ...] = ()

    @property
    def present(self) -> Past:
        """The conversation now, with the turn that is still to be worked off."""
        last = self.after[-1]
        if self.turn is None:  # what its turn would have read is still to be read
            return replace(last, told=(*self.joined, *self.told))
        joined = tuple(map(UserMessage, self.joined))
        messages = (*last.messages, *joined)
        return replace(last, messages=messages, pending=self.turn, told=tuple(self.told))

    def at(self, step: int) -> Past:
        """The conversation right after `step`.

        Raises:
            KeyError: there is no such step in it.
        """
        for past in self.after:
            if past.step == step:
                return past
        raise KeyError(step)

    def take(self, event: e.AnyEvent) -> None:
        """Grow by one event of this world."""
        match event:
            case e.WorldTold(text=text):
                self.told.append(text)
            case e.StepStarted(told=told):
                self._turn_over(None)
                # A turn that broke off is asked for again, with what it would have read.
                del self.told[: len(told) - len(self.joined)]
                self.joined = told
            case e.TurnFinished():
                self._turn_over(event.message)
                self.seconds = event.seconds
            case e.WorldRestored():  # the calls of a turn in progress are made again
                self._turn_over(self.turn)
            case e.ToolFinished():
                self.answers.append(ToolMessage(event.call_id, event.text, event.is_error))
                self.seconds += event.seconds
            case e.Corrected(call_id=""):
                self.answers.append(UserMessage(event.text))
                self.malformed = True
            case e.Corrected():
                self.answers.append(ToolMessage(event.call_id, event.text, True))
                self.malformed = True
            case e.StepFinished():
                self._step_over(event.step)

    def _turn_over(self, turn: AssistantMessage | None) -> None:
        self.turn, self.answers, self.malformed, self.seconds = turn, [], False, 0.0

    def _step_over(self, step: int) -> None:
        last, turn = self.after[-1], self.turn or AssistantMessage()
        joined = map(UserMessage, self.joined)
        self.after.append(
            Past(
                system=last.system,
                messages=(*last.messages, *joined, turn, *_all_answered(turn, self.answers)),
                begun=True,
                step=step,
                finished=_finished(turn),
                malformed=last.malformed + 1 if self.malformed else 0,
                seconds=last.seconds + self.seconds,
            )
        )
        self._turn_over(None)
        self.joined = ()


def _all_answered(
    turn: AssistantMessage, answers: list[ToolMessage | UserMessage]
) -> tuple[Message, ...]:
    """An answer for each call; what came after finish, or after a limit, was never run."""
    given = {one.call_id: one for one in answers if isinstance(one, ToolMessage)}
    if not turn.tool_calls or len(given) < len(answers):  # no calls, or calls without ids
        missing = turn.tool_calls[len(answers) :]
        return (*answers, *(ToolMessage(call.id, NOT_RUN, True) for call in missing))
    return tuple(
        given.get(call.id) or ToolMessage(call.id, NOT_RUN, True) for call in turn.tool_calls
    )


def _finished(turn: AssistantMessage) -> str | None:
    for call in turn.tool_calls:
        if call.name == "finish":
            try:
                parsed = tools.parse(call)
            except tools.Malformed:
                continue
            if isinstance(parsed, tools.Finish):
                return parsed.summary
    return None


def histories(records: Iterable[e.Record]) -> dict[WorldId, History]:
    """The conversation of every world that has begun to work."""
    found: dict[WorldId, History] = {}
    models: dict[WorldId, str] = {}
    early: dict[WorldId, list[str]] = {}  # said before there was a conversation
    for record in records:
        event = record.event
        if isinstance(event, e.RunStarted):
            models = {world.id: world.model for world in event.worlds}
        elif isinstance(event, e.WorldStarted):
            past = Past(system=event.system, messages=event.messages, begun=True)
            found[event.world] = History([past], told=early.pop(event.world, []))
        elif isinstance(event, e.WorldForked):
            other_model = models.get(event.source) != event.config.model
            found[event.world] = _forked(found[event.source], event, other_model)
            models[event.world] = event.config.model
        elif (world := e.world_of(event)) in found:
            found[world].take(event)
        elif isinstance(event, e.WorldTold):
            early.setdefault(event.world, []).append(event.text)
    return found


def _forked(source: History, event: e.WorldForked, other_model: bool) -> History:
    """Another future of `source`; the rest of its own stays where it is."""
    upto = [replace(past, system=event.system) for past in source.after if past.step <= event.step]
    if other_model:
        upto = [replace(past, messages=_without_native(past.messages)) for past in upto]
    if event.added:
        said = UserMessage(event.added)
        upto[-1] = replace(upto[-1], messages=(*upto[-1].messages, said), finished=None)
    unread: list[str] = []
    if event.world is event.source and event.step == source.after[-1].step:
        unread = [*source.joined, *source.told]  # it goes on where it stood: so does the person
    return History([*upto[:-1], replace(upto[-1], malformed=0)], told=unread)


def _without_native(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages for another model: signed reasoning is only good for the one that wrote it."""
    return tuple(
        replace(one, native=()) if isinstance(one, AssistantMessage) else one for one in messages
    )
