"""What a turn will use, and has used so far: counted from the text until the provider's bill comes.

Four bytes are taken for a token (±15 % measured); a count that needs a download is not worth it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.models.base import (
    AssistantMessage,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolMessage,
    Usage,
    UsageReport,
    UserMessage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from miyabi_tui.engine.models.base import Item, Message, Turn
    from miyabi_tui.engine.models.tariff import Tariff

BYTES_A_TOKEN = 4
METERED_SECONDS = 1.0  # between two readings of a running turn


class InputEstimate:
    """The input tokens of a conversation's next turn: the last bill, and what was added since."""

    def __init__(self) -> None:
        self._billed = 0
        self._messages = 0

    def of(self, turn: Turn) -> tuple[int, int]:
        """All input tokens of `turn`, and those of them that the provider has not seen before."""
        if not 0 < self._messages <= len(turn.messages):
            opening = len(turn.system.encode()) + len(msgspec.json.encode(turn.tools))
            whole = (opening + _size(turn.messages)) // BYTES_A_TOKEN
            return whole, whole
        later = turn.messages[self._messages :]
        if isinstance(later[0] if later else None, AssistantMessage):
            later = later[1:]  # its answer, which is in the bill
        fresh = _size(later) // BYTES_A_TOKEN
        return self._billed + fresh, fresh

    def learn(self, turn: Turn, usage: Usage) -> None:
        """Take the provider's count of a turn that is complete."""
        if usage.input_tokens and not usage.estimated:
            self._billed, self._messages = usage.total, len(turn.messages)


class Meter:
    """Counts one attempt at a turn that is `asked` with so much input. `clock` counts seconds.

    It was a `probe` where it had to wait for the circuit breaker.
    """

    def __init__(self, tariff: Tariff, asked: Usage, clock: Callable[[], float]) -> None:
        self.probe = False
        self._tariff = tariff
        self._asked = asked
        self._clock = clock
        self._began = False
        self._answered = False
        self._bytes = 0
        self._reported: Usage | None = None
        self._billed: Usage | None = None
        self._due = clock() + METERED_SECONDS

    def sent(self) -> None:
        """The request is on its way: what it asks may be billed."""
        self._began = True

    def refused(self) -> None:
        """The provider has not taken the request: nothing is billed, unless it has answered."""
        self._began = self._answered

    def take(self, item: Item) -> None:
        """Count one item of the stream."""
        self._answered = True
        if isinstance(item, TextDelta | ReasoningDelta | ToolCallDelta):
            self._bytes += len(item.text.encode())
        elif isinstance(item, UsageReport):
            self._reported = item.usage

    def end(self, usage: Usage) -> None:
        """Take the provider's own count of the whole turn."""
        self._billed = usage

    @property
    def due(self) -> bool:
        """Whether it is time for another reading."""
        now = self._clock()
        if now < self._due:
            return False
        self._due = now + METERED_SECONDS
        return True

    @property
    def usage(self) -> Usage:
        """What was used: as billed; before that, as reported, and the stream since at an estimate.

        Nothing, as long as nothing is asked.
        """
        if self._billed is not None:
            return self._billed
        if not self._began:
            return Usage()
        streamed = self._bytes // BYTES_A_TOKEN
        known = self._reported or self._asked
        output = max(known.output_tokens, streamed)
        return msgspec.structs.replace(known, output_tokens=output, estimated=True)

    @property
    def cost_usd(self) -> float | None:
        """The US dollars of `usage`."""
        usage = self.usage
        return self._tariff.cost_usd(usage) if usage.total else 0.0


def _size(messages: Sequence[Message]) -> int:
    return sum(len(text.encode()) for message in messages for text in _texts(message))


def _texts(message: Message) -> list[str]:
    match message:
        case UserMessage(text) | ToolMessage(_, text):
            return [text]
        case AssistantMessage():
            calls = [call.arguments for call in message.tool_calls]
            return [message.text, message.reasoning, *calls]
