"""The three providers over their official SDKs and real sockets, against a local wire server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import anyio
import pytest

from miyabi_tui.engine.models.base import (
    AssistantMessage,
    ReasoningDelta,
    Sampling,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    TurnEnd,
    UserMessage,
)
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests.providers import ASK, BASH, WIRES, answered, serving, turn
from tests.wire_server import Format, Say, scripted

pytestmark = pytest.mark.anyio

TWO_CALLS = Say(
    reasoning="It is in the parser.\n\nOr in the lexer.",
    text="Let me look.",
    tool_calls=[("bash", {"command": "ls -l"}), ("bash", {"command": "cat a.py"})],
)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


async def test_a_turn_streams_in_order_and_ends_whole(wire: Format) -> None:
    async with serving(TWO_CALLS, wire) as (_, model):
        deltas, end = await answered(model, turn())
    kinds = [type(delta) for delta in deltas]
    assert kinds == sorted(kinds, key=[ReasoningDelta, TextDelta, ToolCallDelta].index)
    for kind, whole in (
        (ReasoningDelta, end.message.reasoning),
        (TextDelta, end.message.text),
        (ToolCallDelta, "".join(call.arguments for call in end.message.tool_calls)),
    ):
        parts = [delta.text for delta in deltas if isinstance(delta, kind)]
        assert len(parts) > 1
        assert "".join(parts) == whole
    assert end.message.reasoning == TWO_CALLS.reasoning
    assert end.message.text == TWO_CALLS.text
    expected = {"anthropic": "tool_use", "responses": "completed", "chat": "tool_calls"}
    assert end.stop_reason == expected[wire]
    assert end.cost_usd is None


async def test_parallel_tool_calls_are_kept_apart(wire: Format) -> None:
    async with serving(TWO_CALLS, wire) as (_, model):
        deltas, end = await answered(model, turn())
    first, second = end.message.tool_calls
    assert (first.name, json.loads(first.arguments)) == TWO_CALLS.tool_calls[0]
    assert (second.name, json.loads(second.arguments)) == TWO_CALLS.tool_calls[1]
    assert first.id != second.id
    streamed = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert {delta.call_id for delta in streamed} == {first.id, second.id}
    assert {delta.name for delta in streamed} == {"bash"}


async def second_request(wire: Format) -> dict[str, Any]:
    """What is sent after a turn with two calls and their results."""
    async with serving(scripted({"Alpha": [TWO_CALLS, Say(text="Done.")]}), wire) as (
        server,
        model,
    ):
        _, end = await answered(model, turn())
        first, second = end.message.tool_calls
        results = ToolMessage(first.id, "a.py"), ToolMessage(second.id, "", is_error=True)
        _, done = await answered(model, turn(ASK, end.message, *results))
    assert done.message.text == "Done."
    return server.requests[1].body


async def test_anthropic_gets_its_blocks_and_all_results_in_one_message() -> None:
    body = await second_request("anthropic")
    user, assistant, results = body["messages"]
    assert user == {"role": "user", "content": [{"type": "text", "text": "fix the bug"}]}
    *thinking, text, first, second = assistant["content"]
    assert "\n\n".join(block["thinking"] for block in thinking) == TWO_CALLS.reasoning
    assert {block["signature"] for block in thinking} == {"signed-0"}
    assert text == {"type": "text", "text": "Let me look."}
    assert [first["input"], second["input"]] == [call[1] for call in TWO_CALLS.tool_calls]
    assert results["role"] == "user"
    assert [result["tool_use_id"] for result in results["content"]] == [first["id"], second["id"]]
    assert results["content"][1]["is_error"] is True
    assert results["content"][1]["content"]
    assert body["tools"][0]["input_schema"] == BASH.parameters
    assert body["system"][0]["cache_control"] == body["cache_control"] == {"type": "ephemeral"}


async def test_responses_gets_its_encrypted_reasoning_and_outputs() -> None:
    body = await second_request("responses")
    user, reasoning, message, first, second, *outputs = body["input"]
    assert user == {"role": "user", "content": "fix the bug"}
    assert reasoning["encrypted_content"] == "encrypted-0"
    assert len(reasoning["summary"]) == 2
    assert message["content"][0]["text"] == "Let me look."
    assert [first["call_id"], second["call_id"]] == [item["call_id"] for item in outputs]
    assert outputs[0] == {
        "type": "function_call_output",
        "call_id": first["call_id"],
        "output": "a.py",
    }
    assert body["instructions"].startswith("You are careful.")
    assert body["store"] is False
    assert body["include"] == ["reasoning.encrypted_content"]


async def test_chat_gets_its_message_and_tool_messages() -> None:
    body = await second_request("chat")
    system, user, assistant, *results = body["messages"]
    assert system["role"] == "system"
    assert user == {"role": "user", "content": "fix the bug"}
    assert assistant["content"] == "Let me look."
    assert assistant["reasoning_content"] == TWO_CALLS.reasoning
    ids = [call["id"] for call in assistant["tool_calls"]]
    assert [result["tool_call_id"] for result in results] == ids
    assert body["max_tokens"] == 16_000
    assert body["stream_options"] == {"include_usage": True}


async def test_history_of_another_provider_is_rebuilt(wire: Format) -> None:
    foreign = AssistantMessage(
        text="Let me look.",
        tool_calls=(ToolCall("c1", "bash", '{"command": "l'), ToolCall("c2", "bash", '["ls"]')),
        native=({"type": "of another provider", "secret": "x"},),
    )
    history = (ASK, foreign, ToolMessage("c1", "malformed"), ToolMessage("c2", "malformed"))
    async with serving(Say(text="ok"), wire) as (server, model):
        await answered(model, turn(*history))
    sent = server.requests[0].conversation
    assert "of another provider" not in json.dumps(sent)
    if wire == "anthropic":
        inputs = [block["input"] for block in sent[1]["content"][1:]]
        assert inputs == [{}, {}]
    elif wire == "responses":
        assert [item["arguments"] for item in sent[2:4]] == ["{}", "{}"]
    else:
        calls = sent[2]["tool_calls"]
        assert [call["function"]["arguments"] for call in calls] == ["{}", "{}"]


async def test_a_turn_that_said_nothing_is_left_out(wire: Format) -> None:
    async with serving(Say(text="ok"), wire) as (server, model):
        await answered(model, turn(ASK, AssistantMessage(), UserMessage("go on")))
    roles = {item["role"] for item in server.requests[0].conversation}
    assert roles - {"system"} == {"user"}


@pytest.mark.parametrize(
    ("form", "name", "expected"),
    [
        ("anthropic", "claude-opus-5", Sampling("claude-opus-5", effort="medium")),
        ("anthropic", "claude-haiku-4-5-20251001", Sampling("claude-haiku-4-5-20251001")),
        ("responses", "gpt-6-sol", Sampling("gpt-6-sol", effort="medium")),
        ("responses", "gpt-4.1-mini", Sampling("gpt-4.1-mini", temperature=0.7)),
        ("chat", "qwen3-coder", Sampling("qwen3-coder", temperature=0.7)),
    ],
)
async def test_sampling_tells_what_is_sent(form: Format, name: str, expected: Sampling) -> None:
    async with serving(Say(text="ok"), form, name) as (server, model):
        await answered(model, turn())
        assert model.sampling(turn()) == expected
    body = server.requests[0].body
    effort = (body.get("output_config") or body.get("reasoning") or {}).get("effort")
    assert Sampling(body["model"], body.get("temperature"), effort) == expected
    assert ("thinking" in body) == (form == "anthropic" and expected.effort is not None)


async def test_wide_characters_survive_being_split(wire: Format) -> None:
    said = Say(
        text="世界は五つ 🏁 é",
        reasoning="雅 🌸",
        tool_calls=[("bash", {"command": "echo 雅"})],
        piece=1,
        packet=2,  # no wider character stays whole
    )
    async with serving(said, wire) as (_, model):
        _, end = await answered(model, turn())
    assert end.message.text == said.text
    assert end.message.reasoning == said.reasoning
    assert json.loads(end.message.tool_calls[0].arguments) == {"command": "echo 雅"}


async def test_a_call_cut_off_by_the_limit_is_still_a_turn(wire: Format) -> None:
    half = Say(text="Now", tool_calls=[("bash", '{"command": "l')], truncated=True)
    script = scripted({"Alpha": [half, Say(text="Done.")]})
    async with serving(script, wire) as (server, model):
        _, end = await answered(model, turn())
        call = end.message.tool_calls[0]
        await answered(model, turn(ASK, end.message, ToolMessage(call.id, "malformed")))
    assert call.arguments == '{"command": "l'
    assert '"{\\"command' not in json.dumps(server.requests[1].body)


async def test_reasoning_that_led_to_nothing_is_not_sent_back_to_responses() -> None:
    script = scripted({"Alpha": [Say(reasoning="Hm.", truncated=True)]})
    async with serving(script, "responses") as (server, model):
        _, end = await answered(model, turn())
        await answered(model, turn(ASK, end.message, UserMessage("go on")))
    assert end.message.reasoning == "Hm."
    assert [item["role"] for item in server.requests[1].conversation] == ["user", "user"]


async def test_a_call_without_arguments_is_an_empty_object(wire: Format) -> None:
    async with serving(Say(tool_calls=[("bash", "")]), wire) as (_, model):
        _, end = await answered(model, turn())
    assert end.message.tool_calls[0].arguments == "{}"


async def test_chat_calls_without_ids_get_unique_stable_ones() -> None:
    async with serving(Say(tool_calls=TWO_CALLS.tool_calls, call_ids=False), "chat") as (_, model):
        _, end = await answered(model, turn())
        _, again = await answered(model, turn())
        _, later = await answered(model, turn(ASK, end.message, ASK))
    ids = [call.id for call in end.message.tool_calls]
    assert ids == [call.id for call in again.message.tool_calls]
    assert len({*ids, *(call.id for call in later.message.tool_calls)}) == 4


async def test_chat_calls_that_share_an_index_are_told_apart_by_id() -> None:
    said = Say(tool_calls=TWO_CALLS.tool_calls, call_indexes=False, piece=100)
    async with serving(said, "chat") as (_, model):
        _, end = await answered(model, turn())
    arguments = [json.loads(call.arguments) for call in end.message.tool_calls]
    assert arguments == [call[1] for call in TWO_CALLS.tool_calls]


async def test_one_model_serves_five_worlds_at_once(wire: Format) -> None:
    turns = {str(world): [Say(text=f"I am {world}." * 20)] for world in FIVE}
    ends: dict[WorldId, TurnEnd] = {}

    async def race(world: WorldId) -> None:
        _, ends[world] = await answered(model, turn(world=world))

    async with (
        serving(scripted(turns), wire) as (server, model),
        anyio.create_task_group() as tasks,
    ):
        for world in FIVE:
            tasks.start_soon(race, world)
    assert {world: end.message.text for world, end in ends.items()} == {
        world: turns[world][0].text for world in FIVE
    }
    assert {request.world for request in server.requests} == set(FIVE)


def test_the_sdks_are_loaded_by_the_constructors_only() -> None:
    code = (
        "import sys, miyabi_tui.engine.models as m;"
        "from miyabi_tui.engine.models import anthropic, openai, openai_chat;"
        "sys.exit(any(name in sys.modules for name in ('anthropic', 'openai', 'httpx2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
