"""OpenAI's models over the Responses API."""

from __future__ import annotations

import re
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
    error_event,
    incomplete,
    settled_usage,
    sound_arguments,
    tokens,
    translated,
)
from miyabi_tui.engine.models.headers import limits_report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from miyabi_tui.engine.errors import ModelError
    from miyabi_tui.engine.models.base import Delta, Item, Message, Turn

# The families that do not reason; every later one takes an effort and no temperature.
_WITHOUT_REASONING = re.compile(r"(ft:)?(chat)?gpt-(3\.5|4)")
_OWN_ITEMS = frozenset({"message", "reasoning", "function_call"})


class OpenAIModel:
    """A model that speaks the Responses API. Making one imports the SDK: do it in a thread."""

    def __init__(
        self, model: str, *, provider: str, api_key: str, base_url: str | None, timeout: float = 600
    ) -> None:
        import openai

        # Always given, as the SDK would take an empty variable for the URL.
        url = base_url or "https://api.openai.com/v1"
        self._sdk = openai
        self._endpoint = Endpoint(provider, model, url)
        self._reasons = not _WITHOUT_REASONING.match(model)
        self._client: Any = openai.AsyncOpenAI(
            api_key=api_key.strip(),
            base_url=url,
            timeout=openai.Timeout(timeout, connect=min(timeout, 10.0)),
            max_retries=0,
        )
        self._responses = self._client.responses  # touched here, as it imports the rest

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        return self._endpoint.name

    def sampling(self, turn: Turn) -> Sampling:
        """An effort for a reasoning model, a temperature for the older families."""
        if self._reasons:
            return Sampling(self._endpoint.model, effort=turn.effort.value)
        return Sampling(self._endpoint.model, temperature=turn.temperature)

    async def stream(self, turn: Turn) -> AsyncGenerator[Item, None]:
        """Answer `turn`; see `Model.stream`."""
        answer = _Answer(self._endpoint)
        with translated(self._sdk, self._endpoint, lambda: answer.whole):
            async with await self._responses.create(**self._request(turn), stream=True) as events:
                if (limits := limits_report(events.response.headers)) is not None:
                    yield limits
                async for event in events:
                    if (item := answer.feed(event)) is not None:
                        yield item
                    if answer.fault is not None:
                        raise answer.fault
        yield answer.end(turn)

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()

    def _request(self, turn: Turn) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "instructions": turn.system,
            "input": [item for message in turn.messages for item in _items(message)],
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                    "strict": False,
                }
                for tool in turn.tools
            ],
            "max_output_tokens": turn.max_tokens,
            "store": False,
        }
        if self._reasons:
            request["reasoning"] = {"effort": turn.effort.value, "summary": "auto"}
            request["include"] = ["reasoning.encrypted_content"]
        else:
            request["temperature"] = turn.temperature
        return request


class _Answer:
    """Folds the events of one stream."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.fault: ModelError | None = None
        self._endpoint = endpoint
        self._usage = Usage()
        self._refused = False
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._opened: dict[int, Any] = {}
        self._arguments: dict[int, list[str]] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self._response: Any = None

    @property
    def whole(self) -> bool:
        """Whether the terminal event was there."""
        return self._response is not None

    def feed(self, event: Any) -> Delta | UsageReport | None:
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                self._refused |= event.type == "response.refusal.delta"
                self._text.append(event.delta)
                return TextDelta(event.delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self._reason(event.delta)
            case "response.reasoning_summary_part.added" if event.summary_index:
                return self._reason("\n\n")
            case "response.output_item.added":
                return self._open(event.output_index, event.item)
            case "response.function_call_arguments.delta":
                self._arguments[event.output_index].append(event.delta)
                call = self._opened[event.output_index]
                return ToolCallDelta(call.call_id, call.name, event.delta)
            case "response.output_item.done":
                item = event.item.to_dict(mode="json", exclude_none=True)
                self._items[event.output_index] = item
            case "response.created" | "response.in_progress":
                return self._count(event.response)
            case "response.completed" | "response.incomplete":
                self._response = event.response
                return self._count(event.response)
            case "response.failed":
                if (fault := event.response.error) is not None:
                    self.fault = error_event(self._endpoint, (fault.code,), fault.message)
                return self._count(event.response)
            case "error":
                self.fault = error_event(self._endpoint, (event.code,), event.message)
        return None

    def end(self, turn: Turn) -> TurnEnd:
        if self._response is None:
            raise incomplete(self._endpoint)
        message = AssistantMessage(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=tuple(
                self._call(index)
                for index, item in sorted(self._opened.items())
                if item.type == "function_call"
            ),
            native=self._native(),
        )
        return TurnEnd(message, settled_usage(turn, message, self._usage), self._stop_reason())

    def _stop_reason(self) -> str:
        details = self._response.incomplete_details
        if details and details.reason:
            return str(details.reason)
        if self._refused:  # the API calls that completed
            return "refusal"
        return str(self._response.status or "completed")

    def _count(self, response: Any) -> UsageReport | None:
        usage = _usage(response.usage)
        if not usage.total or usage == self._usage:
            return None
        self._usage = usage
        return UsageReport(usage)

    def _reason(self, text: str) -> ReasoningDelta:
        self._reasoning.append(text)
        return ReasoningDelta(text)

    def _open(self, index: int, item: Any) -> Delta | None:
        self._opened[index] = item
        if item.type == "function_call":
            self._arguments[index] = []
            return ToolCallDelta(item.call_id, item.name, "")
        return None

    def _call(self, index: int) -> ToolCall:
        item = self._opened[index]
        done = self._items.get(index, {}).get("arguments")
        return ToolCall(item.call_id, item.name, done or "".join(self._arguments[index]) or "{}")

    def _native(self) -> tuple[dict[str, Any], ...]:
        """The items, unless one is half done or reasoning is left without what it led to.

        The API refuses such items when sent back; the history is then rebuilt from the text.
        """
        items = tuple(self._items[index] for index in sorted(self._items))
        half = self._opened.keys() - self._items.keys()
        if half or not items or items[-1]["type"] == "reasoning":
            return ()
        return () if any(item.get("status") == "incomplete" for item in items) else items


def _usage(usage: Any) -> Usage:
    details = getattr(usage, "input_tokens_details", None)
    return Usage(
        input_tokens=tokens(usage, "input_tokens"),
        output_tokens=tokens(usage, "output_tokens"),
        cache_read_tokens=tokens(details, "cached_tokens"),
        cache_write_tokens=tokens(details, "cache_write_tokens"),
    )


def _items(message: Message) -> list[dict[str, Any]]:
    match message:
        case UserMessage(text):
            return [{"role": "user", "content": text}]
        case ToolMessage(call_id, text):
            return [{"type": "function_call_output", "call_id": call_id, "output": text}]
        case AssistantMessage(native=native) if native and _own(native):
            return list(native)
    said = [{"role": "assistant", "content": message.text}] if message.text else []
    return [*said, *(_function_call(call) for call in message.tool_calls)]


def _function_call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if sound_arguments(call.arguments) else "{}"
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _own(native: tuple[dict[str, Any], ...]) -> bool:
    return all(item.get("type") in _OWN_ITEMS for item in native)
