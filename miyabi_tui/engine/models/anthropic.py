"""Anthropic's models over the Messages API, and servers that speak it."""

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
    incomplete,
    settled_usage,
    sound_arguments,
    tokens,
    translated,
)
from miyabi_tui.engine.models.headers import limits_report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from miyabi_tui.engine.models.base import Delta, Item, Message, Turn

# Up to Claude 4.5 the API knows neither adaptive thinking nor, on most of them, an effort.
_BEFORE_ADAPTIVE = re.compile(
    r"claude-([123]\b|instant|(opus|sonnet|haiku)-4(-[0-5])?(-20\d{6})?$)"
)
_OWN_BLOCKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_CACHED = {"type": "ephemeral"}
_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


class AnthropicModel:
    """A model that speaks the Messages API. Making one imports the SDK (1 s): do it in a thread."""

    def __init__(
        self, model: str, *, provider: str, api_key: str, base_url: str | None, timeout: float = 600
    ) -> None:
        import anthropic

        # Always given, as the SDK would take an empty variable for the URL. It adds the /v1 itself.
        url = base_url or "https://api.anthropic.com"
        self._sdk = anthropic
        self._endpoint = Endpoint(provider, model, url.rstrip("/").removesuffix("/v1"))
        self._thinks = not _BEFORE_ADAPTIVE.match(model)
        self._client: Any = anthropic.AsyncAnthropic(
            api_key=api_key.strip(),
            base_url=self._endpoint.url,
            timeout=anthropic.Timeout(timeout, connect=min(timeout, 10.0)),
            max_retries=0,
        )
        self._messages = self._client.messages  # touched here, as it imports the rest

    @property
    def name(self) -> str:
        """`PROVIDER/MODEL`."""
        return self._endpoint.name

    def sampling(self, turn: Turn) -> Sampling:
        """The effort, where the model takes one; the API takes no temperature."""
        return Sampling(self._endpoint.model, effort=turn.effort.value if self._thinks else None)

    async def stream(self, turn: Turn) -> AsyncGenerator[Item, None]:
        """Answer `turn`; see `Model.stream`."""
        answer = _Answer()
        with translated(self._sdk, self._endpoint, lambda: answer.stopped):
            async with await self._messages.create(**self._request(turn), stream=True) as events:
                if (limits := limits_report(events.response.headers)) is not None:
                    yield limits
                async for event in events:
                    if (item := answer.feed(event)) is not None:
                        yield item
        if not answer.stopped or answer.stop_reason is None:
            raise incomplete(self._endpoint)
        yield answer.end(turn, answer.stop_reason)

    async def aclose(self) -> None:
        """Release the connections."""
        await self._client.close()

    def _request(self, turn: Turn) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "max_tokens": turn.max_tokens,
            "messages": _history(turn.messages),
            "tools": [_tool(tool.name, tool.description, tool.parameters) for tool in turn.tools],
            "cache_control": _CACHED,  # moves with the last block: each turn reads the one before
        }
        if turn.system:
            # A mark of its own, so that worlds with the same prompt and tools share them.
            request["system"] = [{"type": "text", "text": turn.system, "cache_control": _CACHED}]
        if self._thinks:
            request["thinking"] = {"type": "adaptive", "display": "summarized"}
            request["output_config"] = {"effort": turn.effort.value}
        return request


class _Answer:
    """Folds the events of one stream."""

    def __init__(self) -> None:
        self.stop_reason: str | None = None
        self.stopped = False
        self._blocks: dict[int, dict[str, Any]] = {}
        self._parts: dict[int, list[str]] = {}
        self._reasoning: list[str] = []
        self._usage: dict[str, int] = {}
        self._settled = False

    def feed(self, event: Any) -> Delta | UsageReport | None:
        match event.type:
            case "message_start":
                return self._count(event.message.usage)
            case "content_block_start":
                return self._open(event.index, event.content_block)
            case "content_block_delta":
                return self._grow(event.index, event.delta)
            case "message_delta":
                self.stop_reason = event.delta.stop_reason or self.stop_reason
                self._settled |= tokens(event.usage, "output_tokens") > 0
                return self._count(event.usage)
            case "message_stop":
                self.stopped = True
        return None

    def end(self, turn: Turn, stop_reason: str) -> TurnEnd:
        blocks = [self._whole(index) for index in sorted(self._blocks)]
        calls = (
            ToolCall(block["id"], block["name"], "".join(self._parts[index]) or "{}")
            for index, block in sorted(self._blocks.items())
            if block["type"] == "tool_use"
        )
        message = AssistantMessage(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            reasoning="".join(self._reasoning),
            tool_calls=tuple(calls),
            native=tuple(block for block in blocks if _can_return(block)),
        )
        if not self._settled:  # what the first event tells of the output is a beginning
            self._usage.pop("output_tokens", None)
        return TurnEnd(message, settled_usage(turn, message, self._total()), stop_reason)

    def _open(self, index: int, block: Any) -> Delta | None:
        self._blocks[index] = block.to_dict(mode="json", exclude_none=True)
        self._parts[index] = []
        if block.type == "tool_use":
            return ToolCallDelta(block.id, block.name, "")
        return None

    def _grow(self, index: int, delta: Any) -> Delta | None:
        match delta.type:
            case "text_delta":
                self._parts[index].append(delta.text)
                return TextDelta(delta.text)
            case "thinking_delta":
                return self._think(self._parts[index], delta.thinking)
            case "signature_delta":
                self._blocks[index]["signature"] = delta.signature
            case "input_json_delta":
                self._parts[index].append(delta.partial_json)
                block = self._blocks[index]
                return ToolCallDelta(block["id"], block["name"], delta.partial_json)
        return None

    def _think(self, parts: list[str], text: str) -> Delta:
        gap = "\n\n" if self._reasoning and not parts else ""  # between two thinking blocks
        parts.append(text)
        self._reasoning.append(gap + text)
        return ReasoningDelta(gap + text)

    def _whole(self, index: int) -> dict[str, Any]:
        block, grown = self._blocks[index], "".join(self._parts[index])
        match block["type"]:
            case "text" | "thinking" as kind:
                return {**block, kind: block.get(kind, "") + grown}
            case "tool_use":
                return {**block, "input": sound_arguments(grown)}
        return block

    def _count(self, usage: Any) -> UsageReport | None:
        # The numbers are cumulative: the last one given stands, and 0 is not given.
        for name in _COUNTS:
            self._usage[name] = tokens(usage, name) or self._usage.get(name, 0)
        total = self._total()
        return UsageReport(total) if total.total else None

    def _total(self) -> Usage:
        read = self._usage.get("cache_read_input_tokens", 0)
        written = self._usage.get("cache_creation_input_tokens", 0)
        return Usage(
            input_tokens=self._usage.get("input_tokens", 0) + read + written,
            output_tokens=self._usage.get("output_tokens", 0),
            cache_read_tokens=read,
            cache_write_tokens=written,
        )


def _can_return(block: dict[str, Any]) -> bool:
    """Empty text and thinking cut off before its signature are refused when sent back."""
    match block["type"]:
        case "text":
            return bool(block["text"])
        case "thinking":
            return bool(block.get("signature"))
    return True


def _tool(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": parameters}


def _history(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation with neighbours of one role joined, as the API wants all results in one."""
    history: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if isinstance(message, AssistantMessage) else "user"
        if not (blocks := _blocks(message)):
            continue
        if history and history[-1]["role"] == role:
            history[-1]["content"] += blocks
        else:
            history.append({"role": role, "content": blocks})
    return history


def _blocks(message: Message) -> list[dict[str, Any]]:
    match message:
        case UserMessage(text):
            return _text(text)
        case ToolMessage(call_id, text, is_error):
            block = {"type": "tool_result", "tool_use_id": call_id, "is_error": is_error}
            return [{**block, "content": text or "(no output)"}]  # an empty error is refused
        case AssistantMessage(native=native) if native and _own(native):
            return list(native)
    calls = (
        {"type": "tool_use", "id": c.id, "name": c.name, "input": sound_arguments(c.arguments)}
        for c in message.tool_calls
    )
    return [*_text(message.text), *calls]


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text else []


def _own(native: tuple[dict[str, Any], ...]) -> bool:
    return all(block.get("type") in _OWN_BLOCKS for block in native)
