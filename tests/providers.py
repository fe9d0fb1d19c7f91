"""The three adapters against a wire server: how to make one, ask it, and take its answer apart."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.errors import ModelError
from miyabi_tui.engine.models.anthropic import AnthropicModel
from miyabi_tui.engine.models.base import (
    Delta,
    Item,
    Message,
    ToolSpec,
    Turn,
    TurnEnd,
    Usage,
    UsageReport,
    UserMessage,
)
from miyabi_tui.engine.models.openai import OpenAIModel
from miyabi_tui.engine.models.openai_chat import OpenAIChatModel
from miyabi_tui.engine.worlds import Effort, WorldId
from tests.wire_server import Fault, Format, Say, Script, WireServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from miyabi_tui.engine.models.base import Model

WIRES: tuple[Format, ...] = ("anthropic", "responses", "chat")
BASH = ToolSpec("bash", "Run a command.", {"type": "object", "properties": {"command": {}}})
ASK = UserMessage("fix the bug")


def model_at(url: str, wire: Format, model: str = "", silence: float = 5.0) -> Model:
    """An adapter for the server at `url`; after `silence` seconds without a byte it gives up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")  # no proxy stands between the SDKs and the loopback
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", "/")  # no certificate is needed, and to read them takes 30 ms
        if wire == "anthropic":
            name = model or "claude-opus-5"
            return AnthropicModel(
                name, provider="anthropic", api_key="key", base_url=url, timeout=silence
            )
        if wire == "responses":
            name = model or "gpt-6-sol"
            return OpenAIModel(
                name, provider="openai", api_key="key", base_url=f"{url}/v1", timeout=silence
            )
        name = model or "qwen3-coder"
        return OpenAIChatModel(
            name, provider="local", api_key="key", base_url=f"{url}/v1", timeout=silence
        )


@asynccontextmanager
async def serving(
    script: Script | Say | Fault, wire: Format, model: str = "", silence: float = 5.0
) -> AsyncIterator[tuple[WireServer, Model]]:
    """A server with this script, or always this answer, and an adapter for it."""
    answer = script if callable(script) else lambda _: script
    with WireServer(answer) as server:
        client = model_at(server.url, wire, model, silence)
        try:
            yield server, client
        finally:
            await client.aclose()


def turn(*messages: Message, world: WorldId = WorldId.ALPHA) -> Turn:
    """A turn of a world that may run commands."""
    return Turn(
        world=world,
        system=f"You are careful.\nWorld: {world}",
        messages=messages or (ASK,),
        tools=(BASH,),
        temperature=0.7,
        effort=Effort.MEDIUM,
    )


async def answered(model: Model, request: Turn) -> tuple[list[Delta], TurnEnd]:
    """What streams, without reports, and the end."""
    items = [item async for item in model.stream(request)]
    end = items.pop()
    assert isinstance(end, TurnEnd)
    return [item for item in items if isinstance(item, Delta)], end


async def failure(model: Model, request: Turn | None = None) -> tuple[list[Item], ModelError]:
    """What came before the stream failed, and the error."""
    items: list[Item] = []
    with pytest.raises(ModelError) as caught:
        async for item in model.stream(request or turn()):
            items.append(item)  # noqa: PERF401  (a comprehension would lose them at the error)
    return items, caught.value


def reports(items: Iterable[Item]) -> list[Usage]:
    """The usage that was reported while a turn streamed, in order."""
    return [item.usage for item in items if isinstance(item, UsageReport)]
