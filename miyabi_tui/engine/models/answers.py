"""What of a turn is kept in the response cache, and how it comes back in another worktree.

Text and calls are kept with placeholders for the world's names. What a provider has signed or
encrypted can be neither changed nor moved: Claude's thinking is bound to every byte before it, and
a block that comes back behind another system prompt is refused, with the whole conversation. So
signed items come back only where the request is the same to the byte, as when a run is resumed;
elsewhere all items of that turn are left out, and the history is built from its text and calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.models.base import AssistantMessage, ToolCall, TurnEnd, Usage
from miyabi_tui.engine.models.canonical import has_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.models.canonical import Key, Names

# What providers say of an answer that is whole. Any other word, known or not, is not kept:
# max_tokens, length, max_output_tokens, incomplete, refusal, content_filter, pause_turn, ….
WHOLE = frozenset(
    "end_turn tool_use stop_sequence completed stop tool_calls function_call eos".split()
)
_SIGNED_TYPES = frozenset({"thinking", "redacted_thinking", "reasoning"})
_SIGNATURES = frozenset({"signature", "thought_signature", "encrypted_content"})
_RAW_JSON = "arguments"  # the field of a provider's item that holds JSON as a text


class Kept(msgspec.Struct, frozen=True):
    """An answer with placeholders for names. `signed` are its items as they came, for `exact`."""

    message: AssistantMessage
    usage: Usage
    stop_reason: str
    exact: str = ""
    signed: tuple[dict[str, Any], ...] = ()


def worth_keeping(end: TurnEnd) -> bool:
    """Whether the turn is whole, says something, and can be understood.

    An estimated usage does not matter, as nothing is paid again. Arguments that are no JSON do:
    asking once more may well bring better ones.
    """
    message = end.message
    if end.stop_reason.lower() not in WHOLE or not (message.text.strip() or message.tool_calls):
        return False
    if _has(message.native, lambda item: item.get("type") == "refusal"):  # Responses: "completed"
        return False
    return all(_is_object(call.arguments) for call in message.tool_calls)


def pack(end: TurnEnd, key: Key, names: Names) -> bytes | None:
    """The turn as it is kept; None where it cannot be, as it holds a placeholder by itself."""
    message, signed = end.message, _has(end.message.native, _is_signed)
    try:
        if has_placeholder(msgspec.json.encode(message).decode()):
            return None
        return msgspec.json.encode(
            Kept(
                _each(message, lambda text, _: names.lifted(text), keep_native=not signed),
                end.usage,
                end.stop_reason,
                key.exact if signed else "",
                message.native if signed else (),
            )
        )
    except (ValueError, RecursionError):  # half a surrogate pair, which JSON cannot hold
        return None


def unpack(data: bytes, key: Key, names: Names) -> TurnEnd | None:
    """The turn with the names of this ground; None where it cannot be read, or does not fit."""
    try:
        kept = msgspec.json.decode(data, type=Kept)
        message = _each(
            kept.message,
            lambda text, as_json: names.settled(text, as_json=as_json),
            keep_native=True,
        )
    except (msgspec.DecodeError, LookupError, RecursionError):
        return None
    if kept.signed and kept.exact == key.exact:
        message = msgspec.structs.replace(message, native=kept.signed)
    return TurnEnd(message, kept.usage, kept.stop_reason, cost_usd=0.0, cached=True)


def _each(
    message: AssistantMessage, change: Callable[[str, bool], str], *, keep_native: bool
) -> AssistantMessage:
    """The message with every text changed; ids and names of calls are the provider's."""
    return AssistantMessage(
        change(message.text, False),
        change(message.reasoning, False),
        tuple(
            ToolCall(call.id, call.name, change(call.arguments, True))
            for call in message.tool_calls
        ),
        tuple(_item(item, change) for item in message.native) if keep_native else (),
    )


def _item(value: Any, change: Callable[[str, bool], str], name: str = "") -> Any:
    match value:
        case str():
            return change(value, name == _RAW_JSON)
        case dict():
            return {key: _item(one, change, key) for key, one in value.items()}
        case list() | tuple():
            return [_item(one, change) for one in value]
    return value


def _is_signed(item: dict[str, Any]) -> bool:
    return item.get("type") in _SIGNED_TYPES or not _SIGNATURES.isdisjoint(item)


def _has(value: Any, sought: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether there is such an object in `value`, however deep."""
    match value:
        case dict():
            return sought(value) or any(_has(one, sought) for one in value.values())
        case list() | tuple():
            return any(_has(one, sought) for one in value)
    return False


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except (ValueError, RecursionError):
        return False
