"""Events without secrets: each one, before anybody sees it, and output piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.masking import StreamMasker

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.masking import Masker
    from miyabi_tui.engine.worlds import WorldId

    Stream = tuple[e.Channel, str]

# They come while a command or a model goes on writing: what is held back of it stays so.
ASIDE = (
    e.Notice
    | e.WorldPaused
    | e.WorldContinued
    | e.WorldWaiting
    | e.WorldTold
    | e.WorldPicked
    | e.PickWithdrawn
    | e.TurnMetered
    | e.TestsSampled
    | e.CheckpointSaved
    | e.BudgetWarned
    | e.BudgetRaised
    | e.QuestionAsked
    | e.QuestionAnswered
    | e.EscapeAttempted
    | e.LimitExceeded
)
PIPES = (e.Channel.STDOUT, e.Channel.STDERR)


class EventMasker:
    """Masks the events of one run, in order."""

    def __init__(self, masker: Masker) -> None:
        self.masker = masker
        self._streams: dict[WorldId, dict[Stream, StreamMasker]] = {}

    def take(self, event: e.AnyEvent) -> list[e.AnyEvent]:
        """What can be told by now: held output before the event that ends it, then the event.

        Output of which nothing can be told yet is nothing.
        """
        if not self.masker:
            return [e.sound(event)]
        if isinstance(event, e.Output):
            return self._output(event)
        ended: list[e.AnyEvent] = []
        if isinstance(event, e.RunFinished):
            ended = self.rest()
        elif not isinstance(event, ASIDE) and (world := e.world_of(event)):
            ended = self._flush(world)
        return [*ended, self._masked(event)]

    def rest(self) -> list[e.AnyEvent]:
        """All output that is still held back."""
        return [one for world in list(self._streams) for one in self._flush(world)]

    def _output(self, event: e.Output) -> list[e.AnyEvent]:
        sound = e.sound(event)
        assert isinstance(sound, e.Output)
        stream = (sound.channel, sound.call_id)
        told = self._flush(sound.world, but=stream)
        streams = self._streams.setdefault(sound.world, {})
        text = streams.setdefault(stream, StreamMasker(self.masker)).feed(sound.text)
        return [*told, sound if text == sound.text else replace(sound, text=text)] if text else told

    def _flush(self, world: WorldId, but: Stream | None = None) -> list[e.AnyEvent]:
        """End a world's streams; two pipes of a command go on beside each other."""
        told: list[e.AnyEvent] = []
        streams = self._streams.get(world, {})
        for stream in [one for one in streams if one != but and not _beside(one, but)]:
            channel, call_id = stream
            if text := streams.pop(stream).flush():
                told.append(e.Output(world=world, channel=channel, text=text, call_id=call_id))
        return told

    def _masked(self, event: e.AnyEvent) -> e.AnyEvent:
        try:
            data = e.encode(event)
        except UnicodeEncodeError:
            event = e.sound(event)
            data = e.encode(event)
        if not self.masker.in_json(data):
            return event
        masked: e.AnyEvent = mask_all(event, self.masker.mask)
        return masked


def _beside(one: Stream, other: Stream | None) -> bool:
    return other is not None and one[0] in PIPES and other[0] in PIPES and one[1] == other[1]


def mask_all(value: Any, mask: Callable[[str], str]) -> Any:
    """The value with all its strings masked; the same object where there was nothing to mask.

    Enumerations are words of ours, and names of fields too.
    """
    if type(value) is str:
        return value if (masked := mask(value)) == value else masked
    if isinstance(value, msgspec.Struct):
        changes = {}
        for name in value.__struct_fields__:
            before = getattr(value, name)
            if (after := mask_all(before, mask)) is not before:
                changes[name] = after
        return replace(value, **changes) if changes else value
    made: Any = value
    if isinstance(value, dict):
        made = {mask_all(key, mask): mask_all(one, mask) for key, one in value.items()}
    elif isinstance(value, tuple | list | frozenset):
        made = type(value)(mask_all(one, mask) for one in value)
    return value if made == value else made
