"""Servers that speak Chat Completions: vLLM, Ollama, llama.cpp, OpenRouter, DeepSeek and others.

OpenAI's own reasoning models belong to `openai.py`. So a temperature is always sent, no effort
is, and the limit is `max_tokens`, which every such server knows (`max_completion_tokens` is not).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.models.base import (
    AssistantMessage,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    TurnEnd,
    Usage,
    UsageReport,
    UserMessage,
)
from miyabi_tui.engine.models.faults import (
    Endpoint,
    incomplete,
    settled_usage,
    sound_arguments,
    tokens,
    translated,
)
from miyabi_tui.engine.models.headers import limits_report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from miyabi_tui.engine.models.base import Delta, Item, Message, Turn


class OpenAIChatModel:
    """A model behind Chat Completions. Making one imports the SDK: do it in a thread."""

    def __init__(
        self, model: str, *, provider: str, api_key: str, base_url: str | None, timeout: float = 600
    ) -> None:
        import openai

        # Always given, as the SDK would take an empty variable for the URL.
        url = base_url or "https://api.openai.com/v1"
        self._sdk = openai
        self._endpoint = Endpoint(provider, model, url)
        self._client: Any = openai.AsyncOpenAI(
            api_key=api_key.strip(),
            base_url=url,
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
            max_retries=0,
        )
        self._completions = self._client.chat.completions  # touched here: it imports the rest

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        return self._endpoint.name

    def sampling(self, turn: Turn) -> Sampling:
        """Always a temperature, never an effort."""
        return Sampling(self._endpoint.model, temperature=turn.temperature)

    async def stream(self, turn: Turn) -> AsyncGenerator[Item, None]:
        """Answer `turn`; see `Model.stream`."""
        answer = _Answer(len(turn.messages))
        with translated(self._sdk, self._endpoint, lambda: answer.stop_reason is not None):
            async with await self._completions.create(**self._request(turn)) as chunks:
                if (limits := limits_report(chunks.response.headers)) is not None:
                    yield limits
                async for chunk in chunks:
                    for item in answer.feed(chunk):
                        yield item
        if (stop_reason := answer.stop_reason) is None:
            raise incomplete(self._endpoint)
        message = answer.message()
        yield TurnEnd(message, settled_usage(turn, message, answer.usage), stop_reason)

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()

    def _request(self, turn: Turn) -> dict[str, Any]:
        system = [{"role": "system", "content": turn.system}] if turn.system else []
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [*system, *(m for message in turn.messages for m in _wire(message))],
            "max_tokens": turn.max_tokens,
            "temperature": turn.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if turn.tools:  # an empty list is refused by several servers
            request["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in turn.tools
            ]
        return request


class _Call:
    """A tool call under assembly."""

    def __init__(self, index: int, call_id: str, name: str) -> None:
        self.index = index
        self.id = call_id
        self.name = name
        self.parts: list[str] = []


class _Answer:
    """Folds the chunks of one stream."""

    def __init__(self, turn_number: int) -> None:
        self.usage = Usage()
        self._finish_reason: str | None = None
        self._refused = False
        self._turn_number = turn_number
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._returns_reasoning = False
        self._calls: list[_Call] = []

    @property
    def stop_reason(self) -> str | None:
        """The finish reason; None before it, and for OpenRouter's "error", which is none."""
        if self._refused and self._finish_reason == "stop":
            return "refusal"
        return None if self._finish_reason == "error" else self._finish_reason

    def feed(self, chunk: Any) -> Iterator[Delta | UsageReport]:
        for choice in chunk.choices or ():
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta:  # some servers close with none
                yield from self._grow(choice.delta)
        if (counts := getattr(chunk, "usage", None)) is not None:
            usage = _usage(counts)  # cumulative where it comes more than once: the last one stands
            if usage.total and usage != self.usage:
                self.usage = usage
                yield UsageReport(usage)

    def message(self) -> AssistantMessage:
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        calls = tuple(ToolCall(c.id, c.name, "".join(c.parts) or "{}") for c in self._calls)
        # DeepSeek refuses a turn with tool calls that comes back without its reasoning_content.
        extra = {"reasoning_content": reasoning} if self._returns_reasoning else {}
        native = tuple({**item, **extra} for item in _assistant(text, calls))
        return AssistantMessage(text, reasoning, calls, native)

    def _grow(self, delta: Any) -> Iterator[Delta]:
        extra = delta.model_extra or {}
        self._returns_reasoning |= "reasoning_content" in extra
        if reasoning := extra.get("reasoning_content") or extra.get("reasoning"):
            self._reasoning.append(reasoning)
            yield ReasoningDelta(reasoning)
        self._refused |= bool(delta.refusal)
        if text := delta.content or delta.refusal:
            self._text.append(text)
            yield TextDelta(text)
        for part in delta.tool_calls or ():
            call = self._call(part)
            arguments = (part.function and part.function.arguments) or ""
            call.parts.append(arguments)
            yield ToolCallDelta(call.id, call.name, arguments)

    def _call(self, part: Any) -> _Call:
        """The call that `part` continues, or a new one.

        Some servers number all parallel calls 0 and tell them apart by id; some give no id.
        """
        index = getattr(part, "index", None) or 0
        for call in reversed(self._calls):
            if call.index == index and part.id in (None, "", call.id):
                return call
        # Unique in the conversation, and the same when the turn is replayed.
        call_id = part.id or f"call_{self._turn_number}_{len(self._calls)}"
        self._calls.append(_Call(index, call_id, (part.function and part.function.name) or ""))
        return self._calls[-1]


def _usage(usage: Any) -> Usage:
    details = getattr(usage, "prompt_tokens_details", None)
    return Usage(
        input_tokens=tokens(usage, "prompt_tokens"),
        output_tokens=tokens(usage, "completion_tokens"),
        cache_read_tokens=tokens(details, "cached_tokens"),
        cache_write_tokens=tokens(details, "cache_write_tokens"),
    )


def _wire(message: Message) -> list[dict[str, Any]]:
    match message:
        case UserMessage(text):
            return [{"role": "user", "content": text}]
        case ToolMessage(call_id, text):
            return [{"role": "tool", "tool_call_id": call_id, "content": text}]
        case AssistantMessage(native=native) if native and _own(native):
            return list(native)
    return _assistant(message.text, message.tool_calls)


def _assistant(text: str, calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    """The assistant's message; none at all where it said nothing, which servers refuse."""
    if not calls:
        return [{"role": "assistant", "content": text}] if text else []
    return [
        {
            "role": "assistant",
            "content": text or None,
            "tool_calls": [_tool_call(call) for call in calls],
        }
    ]


def _tool_call(call: ToolCall) -> dict[str, Any]:
    # Chat templates parse the arguments, so malformed ones would fail every later turn.
    arguments = call.arguments if sound_arguments(call.arguments) else "{}"
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _own(native: tuple[dict[str, Any], ...]) -> bool:
    # Responses' items have a role as well, but always a type with it.
    return all(item.get("role") == "assistant" and "type" not in item for item in native)
