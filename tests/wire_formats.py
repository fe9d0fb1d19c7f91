"""The streaming wire formats of the providers: a `Say` as the events that a server sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from miyabi_tui.engine.models.base import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire_script import Fault, Format, Say, WireRequest


class Event(NamedTuple):
    """One event of a stream; `usage` is all that it reports, `closing` that it ends the turn."""

    name: str | None
    data: dict[str, Any] | str
    usage: Usage | None = None
    closing: bool = False


Window = tuple[int, int, float]


def events_of(request: WireRequest, say: Say) -> list[Event]:
    """`say` in the format of `request`."""
    makers = {"anthropic": _anthropic, "responses": _responses, "chat": _chat}
    return list(makers[request.format](say, request.assistant_turns))


def error_event(format: Format, fault: Fault) -> Event:
    """The event with which a running stream tells that it fails."""
    words = fault.words or "broken for a test"
    error: dict[str, Any] = {
        "type": fault.error,
        "message": words,
        "code": fault.error,
        "param": None,
    }
    match format:
        case "anthropic":
            return Event("error", {"type": "error", "error": error})
        case "responses" if fault.error == "rate_limit_exceeded":
            used = _early(fault.say)
            response: dict[str, Any] = {"id": "resp", "object": "response", "status": "failed"}
            response |= {"error": error, "usage": _responses_usage(used)}
            name = "response.failed"
            return Event(name, {"type": name, "response": response}, used)
        case "responses":
            return Event("error", {**error, "type": "error", "sequence_number": 99})
        case "chat":
            return Event(None, {"error": error})


def limit_headers(
    format: Format, requests: Window | None = None, tokens: Window | None = None
) -> dict[str, str]:
    """The account's limits as a provider of `format` tells them.

    Each is the limit a minute, what remains of it, and the seconds until it is whole again.
    """
    headers: dict[str, str] = {}
    for kind, window in (("requests", requests), ("tokens", tokens)):
        if window is None:
            continue
        limit, remaining, seconds = window
        if format == "anthropic":
            moment = datetime.now(UTC) + timedelta(seconds=seconds)
            name, reset = "anthropic-ratelimit-{kind}-{what}", moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        else:
            name, reset = "x-ratelimit-{what}-{kind}", f"{seconds // 60:.0f}m{seconds % 60:g}s"
        told = {"limit": limit, "remaining": remaining, "reset": reset}
        headers |= {name.format(kind=kind, what=what): str(value) for what, value in told.items()}
    return headers


def _early(say: Say) -> Usage | None:
    """What is reported in mid-turn: all of the input, half of the output."""
    if say.usage is None or say.told != "twice":
        return None
    return msgspec.structs.replace(say.usage, output_tokens=max(1, say.usage.output_tokens // 2))


def _calls(say: Say) -> Iterator[tuple[int, str, str]]:
    for number, (name, arguments) in enumerate(say.tool_calls):
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        yield number, name, raw


def _paragraphs(say: Say) -> list[str]:
    return say.reasoning.split("\n\n") if say.reasoning else []


def _cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _anthropic(say: Say, turn: int) -> Iterator[Event]:
    begun = say.usage and msgspec.structs.replace(say.usage, output_tokens=1)
    if say.told == "late":
        begun = None
    early = _early(say)
    message: dict[str, Any] = {
        "id": f"msg_{turn}",
        "type": "message",
        "role": "assistant",
        "model": "wire",
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None}
    if say.usage:
        message |= {"usage": _anthropic_usage(begun or Usage())}
    yield Event("message_start", {"type": "message_start", "message": message}, begun)
    yield Event("ping", {"type": "ping"})
    for index, (block, deltas) in enumerate(_anthropic_blocks(say, turn)):
        at = {"index": index}
        kind = "content_block_start"
        yield Event(kind, {"type": kind, **at, "content_block": block})
        for delta in deltas:
            kind = "content_block_delta"
            yield Event(kind, {"type": kind, **at, "delta": delta})
            if early:
                counts = {"usage": _anthropic_usage(early)}
                data = {"type": "message_delta", "delta": {"stop_reason": None}, **counts}
                yield Event("message_delta", data, early)
                early = None
        kind = "content_block_stop"
        yield Event(kind, {"type": kind, **at})
    yield from _anthropic_end(say)


def _anthropic_end(say: Say) -> Iterator[Event]:
    reason = "tool_use" if say.tool_calls else "end_turn"
    if say.truncated:
        reason = "max_tokens"
    elif say.refusal or say.filtered:
        reason = "refusal"
    data: dict[str, Any] = {"type": "message_delta"}
    data |= {"delta": {"stop_reason": reason, "stop_sequence": None}}
    if say.usage and say.told == "usual":
        data |= {"usage": {"output_tokens": say.usage.output_tokens}}
    elif say.usage:
        data |= {"usage": _anthropic_usage(say.usage)}
    for _ in range(2 if say.told == "twice" else 1):
        yield Event("message_delta", data, say.usage, closing=True)
    yield Event("message_stop", {"type": "message_stop"}, closing=True)


def _anthropic_usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
    }


def _anthropic_blocks(say: Say, turn: int) -> Iterator[tuple[dict[str, Any], list[dict[str, str]]]]:
    for paragraph in _paragraphs(say):
        deltas = [
            {"type": "thinking_delta", "thinking": part} for part in _cut(paragraph, say.piece)
        ]
        signed = {"type": "signature_delta", "signature": f"signed-{turn}"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if say.text:
        deltas = [{"type": "text_delta", "text": part} for part in _cut(say.text, say.piece)]
        yield {"type": "text", "text": ""}, deltas
    for number, name, raw in _calls(say):
        block = {"type": "tool_use", "id": f"toolu_{turn}_{number}", "name": name, "input": {}}
        deltas = [
            {"type": "input_json_delta", "partial_json": part} for part in _cut(raw, say.piece)
        ]
        yield block, deltas


def _responses(say: Say, turn: int) -> Iterator[Event]:
    for number, event in enumerate(_responses_events(say, turn)):
        assert isinstance(event.data, dict)
        data = {"type": event.name, "sequence_number": number, **event.data}
        yield event._replace(data=data)


def _responses_events(say: Say, turn: int) -> Iterator[Event]:
    response: dict[str, Any] = {"id": f"resp_{turn}", "object": "response", "created_at": 0}
    response |= {"model": "wire", "output": [], "parallel_tool_calls": True, "tools": []}
    response |= {"tool_choice": "auto", "error": None, "incomplete_details": None, "usage": None}
    response |= {"status": "in_progress"}
    yield Event("response.created", {"response": {**response}})
    if early := _early(say):
        counted = {**response, "usage": _responses_usage(early)}
        yield Event("response.in_progress", {"response": counted}, early)
    output: list[dict[str, Any]] = []
    for item, texts in _responses_items(say, turn):
        yield from _responses_item(item, texts, len(output), say)
        output.append(item)
    response |= {"output": output, "usage": _responses_usage(say.usage), "status": "completed"}
    name = "response.completed"
    if say.truncated or say.filtered:
        name, reason = "response.incomplete", "content_filter"
        reason = "max_output_tokens" if say.truncated else reason
        response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
    yield Event(name, {"response": response}, say.usage, closing=True)


def _responses_item(
    item: dict[str, Any], texts: list[str], number: int, say: Say
) -> Iterator[Event]:
    kept, place, part, kind = _RESPONSES_PARTS[item["type"]]
    content = "text"
    if say.refusal and item["type"] == "message":
        kind = content = "refusal"
        kind = f"response.{kind}"
    index = {"output_index": number}
    added = {**item, kept: "" if isinstance(item[kept], str) else []}
    yield Event("response.output_item.added", {**index, "item": added})
    for position, text in enumerate(texts):
        at = {**index, "item_id": item["id"], **({place: position} if place else {})}
        if part:
            shown = {"type": kind.rpartition(".")[2], content: ""}
            yield Event(f"{part}.added", {**at, "part": shown})
        for piece in _cut(text, say.piece):
            yield Event(f"{kind}.delta", {**at, "delta": piece})
        done = {**at, content if part else kept: text, "name": item.get("name")}
        yield Event(f"{kind}.done", done)
    yield Event("response.output_item.done", {**index, "item": item})


# Of each item: what of it grows, the name of its parts' index, and the events of part and text.
_RESPONSES_PARTS = {
    "reasoning": (
        "summary",
        "summary_index",
        "response.reasoning_summary_part",
        "response.reasoning_summary_text",
    ),
    "message": ("content", "content_index", "response.content_part", "response.output_text"),
    "function_call": ("arguments", "", "", "response.function_call_arguments"),
}


def _responses_items(say: Say, turn: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each item whole, and the texts that are streamed for it."""
    status = {"status": "incomplete" if say.truncated or say.filtered else "completed"}
    item: dict[str, Any]
    if texts := _paragraphs(say):
        item = {"type": "reasoning", "id": f"rs_{turn}", "encrypted_content": f"encrypted-{turn}"}
        yield {**item, "summary": [{"type": "summary_text", "text": t} for t in texts]}, texts
    if say.text:
        item = {"type": "message", "id": f"msg_{turn}", "role": "assistant", **status}
        content: dict[str, Any] = {"type": "output_text", "text": say.text, "annotations": []}
        if say.refusal:
            content = {"type": "refusal", "refusal": say.text}
        yield {**item, "content": [content]}, [say.text]
    for number, name, raw in _calls(say):
        item = {"type": "function_call", "id": f"fc_{turn}_{number}", "name": name, **status}
        yield {**item, "call_id": f"call_{turn}_{number}", "arguments": raw}, [raw]


def _responses_usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    cached = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": cached,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }


def _chat(say: Say, turn: int) -> Iterator[Event]:
    base = {"id": f"chatcmpl-{turn}", "object": "chat.completion.chunk", "created": 0}
    base |= {"model": "wire"}
    finish = "tool_calls" if say.tool_calls else "stop"
    if say.truncated or say.filtered:
        finish = "length" if say.truncated else "content_filter"
    early, last = _early(say), say.usage if say.told == "twice" else None

    def counted(choices: list[Any], usage: Usage | None = None, *, closing: bool = False) -> Event:
        data = {**base, "choices": choices, "usage": _chat_usage(usage)}
        return Event(None, data, usage, closing)

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[Any]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    yield counted(choice({"role": "assistant", "content": ""}))
    for delta in _chat_deltas(say, turn):
        yield counted(choice(delta), early)
        early = None
    yield counted(choice({}, finish), last, closing=True)
    if say.told == "late":
        yield counted([], closing=True)
    if say.usage:
        yield counted([], say.usage, closing=True)
    yield Event(None, "[DONE]", closing=True)


def _chat_deltas(say: Say, turn: int) -> Iterator[dict[str, Any]]:
    for part in _cut(say.reasoning, say.piece):
        yield {"reasoning_content": part}
    for part in _cut(say.text, say.piece):
        yield {"refusal" if say.refusal else "content": part}
    for number, name, raw in _calls(say):
        at = {"index": number if say.call_indexes else 0}
        call: dict[str, Any] = {**at, "type": "function"}
        call |= {"id": f"call_{turn}_{number}"} if say.call_ids else {}
        yield {"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]}
        for part in _cut(raw, say.piece):
            yield {"tool_calls": [{**at, "function": {"arguments": part}}]}


def _chat_usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
    }
