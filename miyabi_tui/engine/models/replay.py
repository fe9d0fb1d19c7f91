"""The `replay` provider: recorded turns, played at a readable pace. Nothing is bought.

A recording is a folder with one `<world>.json` a world (or `default.json`): a list of turns, each
with `reasoning`, `text`, `tool_calls` and, where it was recorded, `usage`. `recording.json` may
hold the pace and the prices at which the turns are counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from miyabi_tui.engine.errors import RequestRefused, UsageError
from miyabi_tui.engine.models.base import (
    AssistantMessage,
    Delta,
    Sampling,
    ToolCall,
    Turn,
    TurnEnd,
    Usage,
    deltas,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

CHUNK = 12  # characters a delta, about what providers send
DELTAS_A_SECOND = 30  # at most: a quick model sends longer ones
BYTES_PER_TOKEN = 4
FIRST_TOKEN_SECONDS = 0.8


class RecordedCall(msgspec.Struct, frozen=True):
    """A recorded tool call."""

    name: str
    arguments: dict[str, Any] | str


class RecordedTurn(msgspec.Struct, frozen=True):
    """A recorded turn of a model."""

    reasoning: str = ""
    text: str = ""
    tool_calls: tuple[RecordedCall, ...] = ()
    stop_reason: str = "tool_use"
    usage: Usage | None = None


class Recording(msgspec.Struct, frozen=True):
    """How a recording is played and what its tokens would have cost, in US dollars."""

    note: str = ""
    characters_per_second: float = 180.0
    input_usd_per_million_tokens: float = 0.0
    output_usd_per_million_tokens: float = 0.0


class ReplayModel:
    """Plays the turns of one folder; `speed` multiplies the pace, infinity leaves no pause."""

    def __init__(self, name: str, folder: Path, *, speed: float = 1.0) -> None:
        self._name = name
        self._folder = folder
        self._speed = speed
        if not folder.is_dir():
            raise UsageError(f"there is no recording in {folder}", "", "name a folder of turns")
        self._recording = _decode(folder / "recording.json", Recording) or Recording()
        self._turns: dict[str, tuple[RecordedTurn, ...]] = {}

    @property
    def name(self) -> str:
        """See `Model.name`."""
        return self._name

    def sampling(self, turn: Turn) -> Sampling:
        """Nothing is sent anywhere, so there is neither temperature nor effort."""
        return Sampling(self._name)

    async def stream(self, turn: Turn) -> AsyncGenerator[Delta | TurnEnd, None]:
        """See `Model.stream`: the turn after those the conversation already has."""
        turns = await self._recorded(turn)
        number = sum(isinstance(message, AssistantMessage) for message in turn.messages)
        if number >= len(turns):
            raise RequestRefused(
                f"the recording of {turn.world} has no turn {number + 1}",
                f"{self._folder} holds {len(turns)} for it",
            )
        recorded = turns[number]
        message = AssistantMessage(
            text=recorded.text,
            reasoning=recorded.reasoning,
            tool_calls=tuple(
                ToolCall(f"call-{number + 1}-{index + 1}", call.name, _arguments(call))
                for index, call in enumerate(recorded.tool_calls)
            ),
        )
        pace = self._recording.characters_per_second * self._speed
        await self._pause(FIRST_TOKEN_SECONDS / self._speed)
        often = 0 if math.isinf(pace) else int(pace / DELTAS_A_SECOND)
        for delta in deltas(message, max(CHUNK, often)):
            await self._pause(len(delta.text) / pace)
            yield delta
        usage = recorded.usage or _estimate(turn, message)
        yield TurnEnd(message, usage, recorded.stop_reason, self._cost(usage))

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _pause(self, seconds: float) -> None:
        if not math.isinf(self._speed):
            await anyio.sleep(seconds)

    async def _recorded(self, turn: Turn) -> tuple[RecordedTurn, ...]:
        name = turn.world.value.lower()
        if name not in self._turns:
            self._turns[name] = await anyio.to_thread.run_sync(self._load, name)
        return self._turns[name]

    def _load(self, name: str) -> tuple[RecordedTurn, ...]:
        for file in (self._folder / f"{name}.json", self._folder / "default.json"):
            turns: tuple[RecordedTurn, ...] | None = _decode(file, tuple[RecordedTurn, ...])
            if turns is not None:
                return turns
        raise RequestRefused(f"{self._folder} has no recording for {name}")

    def _cost(self, usage: Usage) -> float:
        recording = self._recording
        return (
            usage.input_tokens * recording.input_usd_per_million_tokens
            + usage.output_tokens * recording.output_usd_per_million_tokens
        ) / 1_000_000


def _decode(file: Path, kind: Any) -> Any:
    """The file's content as `kind`, None where there is no such file.

    Raises:
        UsageError: the file is not what it should be.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"cannot read the recording {file}", str(error)) from error


def _arguments(call: RecordedCall) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return msgspec.json.encode(call.arguments).decode()


def _estimate(turn: Turn, message: AssistantMessage) -> Usage:
    """Tokens counted from the conversation as it really was, at four bytes a token."""
    sent = len(turn.system.encode()) + len(msgspec.json.encode(turn.messages))
    answered = len(msgspec.json.encode(message))
    return Usage(sent // BYTES_PER_TOKEN, answered // BYTES_PER_TOKEN, estimated=True)
