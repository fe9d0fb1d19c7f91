"""What the adapters tell besides the answer: usage, the account's limits, why a turn ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.errors import ModelError
from miyabi_tui.engine.models.base import (
    AssistantMessage,
    LimitsReport,
    TurnEnd,
    Usage,
    UsageReport,
)
from miyabi_tui.engine.models.faults import estimated_usage, settled_usage
from miyabi_tui.engine.models.headers import limits_report, retry_after
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests.providers import WIRES, answered, reports, serving, turn
from tests.wire_server import Fault, Format, Say, WireRequest, limit_headers

if TYPE_CHECKING:
    from tests.wire_server import Answer, Told

pytestmark = pytest.mark.anyio

NOW = "Sun, 22 Nov 2026 12:00:00 GMT"


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


async def test_limits_come_first_and_only_where_they_are_told(wire: Format) -> None:
    def script(_: WireRequest) -> Answer:
        told = limit_headers(wire, requests=(50, 49, 1), tokens=(40_000, 0, 75))
        return Say(text="ok", headers=told)

    async with serving(script, wire) as (server, model):
        first = [item async for item in model.stream(turn())]
        server.script = lambda _: Say(text="ok")
        second = [item async for item in model.stream(turn())]
    limits = first[0]
    assert isinstance(limits, LimitsReport)
    assert (limits.requests, limits.tokens) == (50, 40_000)
    assert limits.resets_in == pytest.approx(75, abs=3)
    assert not any(isinstance(item, LimitsReport) for item in (*first[1:], *second))


def anthropic(**headers: str | int) -> dict[str, str]:
    return {
        f"anthropic-ratelimit-{name.replace('_', '-')}": str(value)
        for name, value in headers.items()
    }


def openai(**headers: str | int) -> dict[str, str]:
    return {f"x-ratelimit-{name.replace('_', '-')}": str(value) for name, value in headers.items()}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": "text/event-stream"}, None),
        (anthropic(input_tokens_limit=80_000, output_tokens_limit=16_000), (None, 96_000, None)),
        (anthropic(tokens_limit=90_000, input_tokens_limit=80_000), (None, 80_000, None)),
        (anthropic(output_tokens_limit=8_000, requests_limit=5), (5, 8_000, None)),
        (
            anthropic(output_tokens_remaining=0, output_tokens_reset="2026-11-22T12:00:31Z"),
            (None, None, 31.0),
        ),
        (
            anthropic(
                requests_remaining=0,
                requests_reset="2026-11-22T21:00:05+09:00",
                tokens_remaining=0,
                tokens_reset="2026-11-22T11:59:00Z",
            ),
            (None, None, 5.0),
        ),
        (openai(remaining_requests=0, reset_requests="120ms"), (None, None, 0.12)),
        (openai(remaining_tokens=0, reset_tokens="1h2m3.5s"), (None, None, 3_723.5)),
        (openai(remaining_tokens=0, reset_tokens="10"), (None, None, 10.0)),
        (openai(remaining_tokens=3, reset_tokens="6m0s", limit_tokens=9), (None, 9, None)),
        (openai(limit_requests=0, limit_tokens=-1), None),
        (openai(limit_requests="many", limit_tokens="1e9"), None),
        (openai(limit_requests="100, 100;window=60", limit_tokens="9" * 40), None),
        (openai(remaining_requests=0, reset_requests="soon"), None),
        (openai(remaining_requests=0), None),
        (openai(remaining_requests=-1, reset_requests="1s"), None),
        (anthropic(requests_remaining=0, requests_reset="9999-12-31T23:59:59Z"), None),
        (anthropic(requests_remaining=0, requests_reset="2026-11-22T12:61:00Z"), None),
    ],
)
def test_limits_are_read_in_all_their_forms(
    headers: dict[str, str], expected: tuple[int | None, int | None, float | None] | None
) -> None:
    told = limits_report({"date": NOW, **headers})
    assert told == (expected and LimitsReport(*expected))


def test_retry_after_is_read_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "1.5"}) == 1.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert (retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}) or 0) > 1e9
    assert retry_after({"retry-after": "Sun, 22 Nov 2026 12:00:40 GMT", "date": NOW}) == 40.0
    year = "9" * 20
    for useless in ("", "soon", "nan", f"Sun, 22 Nov {year} 12:00:00 GMT"):
        assert retry_after({"retry-after": useless}) is None
    assert retry_after({}) is None


async def test_usage_includes_the_cached_tokens(wire: Format) -> None:
    # Chat Completions servers report no cache writes.
    used = Usage(900, 45, cache_read_tokens=600, cache_write_tokens=0 if wire == "chat" else 200)
    async with serving(Say(text="ok", usage=used), wire) as (server, model):
        _, end = await answered(model, turn())
    assert end.usage == used
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("usual", {"anthropic": [1, 20], "responses": [20], "chat": [20]}),
        ("twice", {"anthropic": [1, 10, 20, 20], "responses": [10, 20], "chat": [10, 20]}),
        ("late", {"anthropic": [20], "responses": [20], "chat": [20]}),
    ],
)
async def test_the_last_usage_reported_stands(
    wire: Format, told: Told, expected: dict[Format, list[int]]
) -> None:
    async with serving(Say(text="a" * 99, told=told), wire) as (server, model):
        items = [item async for item in model.stream(turn())]
    end = items[-1]
    assert isinstance(end, TurnEnd)
    assert [(usage.input_tokens, usage.output_tokens) for usage in reports(items)] == [
        (100, output) for output in expected[wire]
    ]
    (bill,) = server.billed
    assert end.usage == bill.usage == Usage(100, 20)
    assert (bill.world, bill.model, bill.complete) == ("Alpha", model.name.split("/")[1], True)


async def test_usage_that_is_not_reported_is_estimated(wire: Format) -> None:
    async with serving(Say(text="a" * 400, usage=None), wire) as (server, model):
        items = [item async for item in model.stream(turn())]
    end = items[-1]
    assert isinstance(end, TurnEnd)
    assert end.usage.estimated
    assert end.usage.output_tokens == 100
    assert end.usage.input_tokens > 20
    assert not any(isinstance(item, UsageReport) for item in items)
    assert server.billed[0].usage is None


def test_half_of_a_usage_is_completed_by_an_estimate() -> None:
    asked, answer = turn(), AssistantMessage("a" * 40)
    guess = estimated_usage(asked, answer)
    assert settled_usage(asked, answer, Usage(100, 20)) == Usage(100, 20)
    no_output = settled_usage(asked, answer, Usage(100, 0, 60))
    assert no_output == Usage(100, 10, 60, estimated=True)
    no_input = settled_usage(asked, answer, Usage(0, 20))
    assert no_input == Usage(guess.input_tokens, 20, estimated=True)
    silent = AssistantMessage()
    assert settled_usage(asked, silent, Usage(100, 0)) == Usage(100, 0)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Say(text="ok"), ("end_turn", "completed", "stop")),
        (Say(tool_calls=[("bash", "{}")]), ("tool_use", "completed", "tool_calls")),
        (Say(text="ok", truncated=True), ("max_tokens", "max_output_tokens", "length")),
        (Say(text="No.", refusal=True), ("refusal", "refusal", "refusal")),
        (Say(text="ok", filtered=True), ("refusal", "content_filter", "content_filter")),
    ],
    ids=["whole", "calls", "truncated", "refusal", "filtered"],
)
async def test_the_stop_reason_tells_a_whole_turn_from_one_that_is_not(
    said: Say, expected: tuple[str, str, str]
) -> None:
    for wire, reason in zip(WIRES, expected, strict=True):
        async with serving(said, wire) as (_, model):
            _, end = await answered(model, turn())
        assert end.stop_reason == reason
        assert end.message.text == said.text


async def test_our_count_is_the_servers_over_five_worlds_and_many_faults(wire: Format) -> None:
    said = Say(text="a" * 200, told="twice")
    answers: dict[str, Answer] = {
        "Alpha": said,
        "Beta": Fault("drop_midway", say=said),
        "Gamma": Fault("no_end", say=Say(text="a" * 200, usage=Usage(5_000, 70, 4_000))),
        "Delta": Fault("error_event", error="overloaded_error", say=said),
        "Epsilon": Fault("drop_at_end", say=Say(text="a" * 200, told="late")),
    }
    ours: list[tuple[str, Usage]] = []

    async def race(world: WorldId) -> None:
        last: Usage | None = None
        try:
            async for item in model.stream(turn(world=world)):
                if isinstance(item, UsageReport | TurnEnd):
                    last = item.usage
        except ModelError:
            pass
        if last is not None:
            ours.append((str(world), last))

    def script(request: WireRequest) -> Answer:
        return answers[request.world]

    async with serving(script, wire) as (server, model), anyio.create_task_group() as tasks:
        for world in FIVE * 3:
            tasks.start_soon(race, world)
    theirs = [(bill.world, bill.usage) for bill in server.billed if bill.usage]
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)
    assert len(theirs) == (15 if wire == "anthropic" else 12)  # the others told Gamma nothing
    assert sum(bill.complete for bill in server.billed) == 6
