"""What a `WireServer` is asked and what it answers: the words of its script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from miyabi_tui.engine.models.base import Usage

_USAGE = Usage(input_tokens=100, output_tokens=20)

Format = Literal["anthropic", "responses", "chat"]


@dataclass(frozen=True)
class WireRequest:
    """One request as it came in."""

    format: Format
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """The messages, or the input items."""
        items: list[dict[str, Any]] = self.body.get("messages") or self.body.get("input") or []
        return items

    @property
    def prompt(self) -> str:
        """The system prompt and all that the user said, to search in."""
        said = [
            item.get("content") for item in self.conversation if item.get("role") != "assistant"
        ]
        system = (self.body.get("system"), self.body.get("instructions"))
        return "\n".join(text for content in (*system, *said) for text in _texts(content))

    @property
    def model(self) -> str:
        """The model that is asked for."""
        return str(self.body.get("model", ""))

    @property
    def world(self) -> str:
        """The name after `World: ` in the prompt, or nothing."""
        found = re.search(r"World: (\w+)", self.prompt)
        return found[1] if found else ""

    @property
    def assistant_turns(self) -> int:
        """How many turns the model has answered before this one."""
        return sum(1 for answered, _ in groupby(self.conversation, key=_is_answer) if answered)


Told = Literal["usual", "twice", "late"]


@dataclass(frozen=True)
class Say:
    """A model turn to stream: reasoning (each paragraph a part), then text, then tool calls."""

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[tuple[str, dict[str, Any] | str]] = ()
    """Name and arguments; a string goes out raw, so that it can be malformed."""
    usage: Usage | None = _USAGE
    """What is reported; None never reports any."""
    told: Told = "usual"
    """When usage is reported: as the provider does; early (with less output) and twice at the end;
    or only at the very end, after the stop reason where the format allows it."""
    truncated: bool = False
    """End because the output limit is reached."""
    refusal: bool = False
    """The text is a refusal, told as the format tells it."""
    filtered: bool = False
    """End because a content filter steps in (Anthropic has none: it calls that a refusal)."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer, besides the usual ones."""
    delay: float = 0.0
    """Seconds before each event."""
    piece: int = 8
    """Characters in a delta."""
    packet: int = 0
    """Bytes in a write; 0 writes each event whole."""
    packet_delay: float = 0.0
    """Seconds before each write."""
    call_ids: bool = True
    """False leaves the ids of tool calls out, as some chat servers do."""
    call_indexes: bool = True
    """False numbers all tool calls 0, as some chat servers do."""


Kind = Literal[
    "status", "drop", "drop_midway", "drop_at_end", "no_end", "error_event", "garbled", "stall"
]


@dataclass(frozen=True)
class Fault:
    """A failure. Those below `drop` come while `say` is streamed, half way through it.

    `status` answers with an HTTP status, `drop` closes without an answer, `drop_midway` closes in
    the stream, `drop_at_end` after its terminal events but before the answer's proper end,
    `no_end` closes it cleanly but without its terminal events, `error_event` sends the format's
    error event, `garbled` an event that is not JSON, `stall` goes silent until the client hangs up.
    """

    kind: Kind
    status: int = 500
    error: str = "api_error"
    """The `type` in an error body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of a `status`; those of a stream are in `say`."""
    words: str = ""
    """The message in an error body; empty has one of its own."""
    say: Say = Say(text="a partial answer that goes on and on")


Answer = Say | Fault
Script = Callable[[WireRequest], Answer]


@dataclass
class Billed:
    """What the server counts for one answer that began: the usage that it reported last.

    It is None as long as none was reported. An answer that broke off is not `complete`.
    """

    world: str
    model: str
    usage: Usage | None = None
    complete: bool = False


def scripted(turns_by_world: dict[str, list[Say]]) -> Script:
    """A script that answers the n-th turn of each world, and refuses (400) what is beyond it."""

    def answer(request: WireRequest) -> Answer:
        turns = turns_by_world.get(request.world, [])
        if request.assistant_turns < len(turns):
            return turns[request.assistant_turns]
        return Fault("status", 400, "invalid_request_error")

    return answer


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        yield from _texts(block.get("text"))


def _is_answer(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") in ("reasoning", "function_call")
