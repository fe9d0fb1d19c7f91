"""The Model protocol: a turn in, a stream of deltas and one finished turn out.

Everything that wraps a model (retry, rate limit, budget, cache) speaks the same protocol, so the
agent never knows how many layers stand between it and the provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from miyabi_tui.engine.worlds import Effort, WorldId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    # Told why a call waits and until when (Unix seconds, None: not known); "" when it goes on.
    OnWait = Callable[[str, float | None], None]


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool the model may call; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True):
    """A call the model asked for. `arguments` is the raw JSON text, which may be malformed."""

    id: str
    name: str
    arguments: str


class UserMessage(msgspec.Struct, frozen=True, tag="user"):
    """What the person, or the harness in their place, says to the model."""

    text: str


class AssistantMessage(msgspec.Struct, frozen=True, tag="assistant"):
    """What the model answered.

    `native` holds the provider's own content items, so that signed or encrypted reasoning goes
    back unchanged on the next turn; it is only meaningful to the provider that wrote it.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    native: tuple[dict[str, Any], ...] = ()


class ToolMessage(msgspec.Struct, frozen=True, tag="tool"):
    """The answer to one tool call."""

    call_id: str
    text: str
    is_error: bool = False


Message = UserMessage | AssistantMessage | ToolMessage


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the whole append-only conversation and how to answer it.

    `step` is the world's step that it belongs to, for accounts and messages; it is never sent.
    """

    world: WorldId
    step: int = 0
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...]
    temperature: float
    effort: Effort
    max_tokens: int = 16_000


class Sampling(msgspec.Struct, frozen=True):
    """What is really sent for a turn; None where the model takes no such parameter."""

    model: str
    temperature: float | None = None
    effort: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the provider reports them.

    `input_tokens` includes the cached ones; `output_tokens` includes reasoning. `estimated` says
    that no usage was reported and the numbers are counted from the text (4 bytes a token).
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.estimated or other.estimated,
        )

    @property
    def total(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


class TextDelta(msgspec.Struct, frozen=True):
    """More of the answer's text."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More of the reasoning summary."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True):
    """More of a tool call's raw JSON arguments; the first delta of a call may have none."""

    call_id: str
    name: str
    text: str


class TurnEnd(msgspec.Struct, frozen=True):
    """The terminal event of a turn: always the last item of a stream that did not fail.

    A `cached` one came from the response cache and costs nothing.
    """

    message: AssistantMessage
    usage: Usage
    stop_reason: str
    cost_usd: float | None = None
    cached: bool = False


class UsageReport(msgspec.Struct, frozen=True):
    """What the provider has counted so far, while the turn still streams; the last one stands."""

    usage: Usage


class LimitsReport(msgspec.Struct, frozen=True):
    """The account's own limits, as the headers of an answer tell them; None where they do not.

    `requests` and `tokens` are per minute. `resets_in` is the seconds until the account may be
    asked again, where nothing is left of one of them now.
    """

    requests: int | None = None
    tokens: int | None = None
    resets_in: float | None = None


Delta = TextDelta | ReasoningDelta | ToolCallDelta
Report = UsageReport | LimitsReport
Item = Delta | Report | TurnEnd


def deltas(message: AssistantMessage, size: int) -> Iterator[Delta]:
    """A whole answer as a stream of pieces of up to `size` characters."""
    for piece in _pieces(message.reasoning, size):
        yield ReasoningDelta(piece)
    for piece in _pieces(message.text, size):
        yield TextDelta(piece)
    for call in message.tool_calls:
        for piece in _pieces(call.arguments, size):
            yield ToolCallDelta(call.id, call.name, piece)


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


class Gate(Protocol):
    """What holds the calls of a paused world."""

    @property
    def is_open(self) -> bool:
        """Whether calls may be sent."""
        ...

    async def passed(self) -> None:
        """Wait until they may."""
        ...


class Model(Protocol):
    """A model of a provider, able to answer turns of several worlds at once."""

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        ...

    def sampling(self, turn: Turn) -> Sampling:
        """What will really be sent for `turn`."""
        ...

    def stream(self, turn: Turn) -> AsyncGenerator[Item, None]:
        """Answer `turn`; the last item is a `TurnEnd`.

        Raises:
            ModelError: the provider failed, refused, or ended without its terminal event.
        """
        ...

    async def aclose(self) -> None:
        """Release the connections."""
        ...
