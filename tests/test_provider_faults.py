"""Every fault of the three providers, over their official SDKs and real sockets, as our errors."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from miyabi_tui.engine.errors import (
    ConnectionLost,
    ModelError,
    Overloaded,
    RateLimited,
    RequestRefused,
    StreamBroken,
)
from miyabi_tui.engine.models.base import LimitsReport, TextDelta, TurnEnd, Usage
from miyabi_tui.engine.models.openai_chat import OpenAIChatModel
from tests.providers import WIRES, answered, failure, model_at, reports, serving, turn
from tests.wire_server import Fault, Format, Say, WireRequest, WireServer, limit_headers

if TYPE_CHECKING:
    from miyabi_tui.engine.models.base import Model
    from tests.wire_server import Answer

pytestmark = pytest.mark.anyio

ADVICE = "Rate limit reached. Please try again in 1.5s."
TRICKLE = Say(text="a" * 99, packet=32, packet_delay=1e-3)
LONG = Say(text="a partial answer that goes on and on", told="twice")


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


def connections(model: Model) -> list[Any]:
    """The connections that the SDK holds, in use or not."""
    client: Any = model
    held: list[Any] = client._client._client._transport._pool.connections
    return held


def status(code: int, error: str = "api_error", words: str = "", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault("status", code, error, named, words)


@pytest.mark.parametrize(
    ("fault", "expected", "wait", "next_step"),
    [
        (status(429, "rate_limit_error"), RateLimited, None, "fewer"),
        (status(429, "rate_limit_error", retry_after="7"), RateLimited, 7.0, "fewer"),
        (status(429, "rate_limit_error", retry_after_ms="250"), RateLimited, 0.25, "fewer"),
        (status(429, "rate_limit_exceeded", ADVICE), RateLimited, 1.5, "fewer"),
        (status(429, "insufficient_quota"), RequestRefused, None, "add credit"),
        (status(529, "overloaded_error", retry_after="12"), Overloaded, 12.0, "another model"),
        (status(503, retry_after="3"), Overloaded, 3.0, "another model"),
        (status(500), Overloaded, None, "another model"),
        (status(408), ConnectionLost, None, "try again"),
        (status(400, "invalid_request_error"), RequestRefused, None, "may not take"),
        (status(401, "authentication_error"), RequestRefused, None, "check the key in"),
        (status(404, "not_found_error"), RequestRefused, None, "check the model name"),
    ],
    ids=lambda value: f"{value.status}-{value.error}" if isinstance(value, Fault) else "",
)
async def test_a_refusal_says_what_why_and_for_how_long(
    wire: Format, fault: Fault, expected: type[ModelError], wait: float | None, next_step: str
) -> None:
    async with serving(fault, wire) as (server, model):
        items, error = await failure(model)
    assert items == []
    assert type(error) is expected
    assert error.transient == (expected is not RequestRefused)
    assert (error.retry_after, error.limits) == (wait, None)
    assert (fault.words or f"{fault.status} for a test") in error.cause
    assert "req_1" in error.cause
    assert next_step in error.next_step
    assert model.name in error.title
    assert len(server.requests) == 1  # the SDK itself never retries
    assert server.billed == []


async def test_a_wait_until_a_date_counts_by_the_clock_of_the_server(wire: Format) -> None:
    def script(_: WireRequest) -> Answer:
        later = datetime.now(UTC) + timedelta(seconds=90)
        return status(429, retry_after=format_datetime(later, usegmt=True))

    async with serving(script, wire) as (_, model):
        _, error = await failure(model)
    assert error.retry_after == pytest.approx(90, abs=3)


async def test_a_refusal_brings_the_limits_of_the_account(wire: Format) -> None:
    def script(_: WireRequest) -> Answer:
        told = limit_headers(wire, requests=(50, 12, 1), tokens=(40_000, 0, 20))
        return Fault("status", 429, "rate_limit_error", told)

    async with serving(script, wire) as (_, model):
        _, error = await failure(model)
    assert error.limits is not None
    assert error.limits == LimitsReport(50, 40_000, error.limits.resets_in)
    assert error.limits.resets_in == pytest.approx(20, abs=3)


@pytest.mark.parametrize(
    ("provider", "where"),
    [("openai-chat", "OPENAI_API_KEY"), ("mine", "the variable that [providers.mine] names")],
)
async def test_a_refused_key_says_where_the_key_comes_from(provider: str, where: str) -> None:
    with WireServer(lambda _: Fault("status", 401, "authentication_error")) as server:
        model = OpenAIChatModel("m", provider=provider, api_key="k", base_url=f"{server.url}/v1")
        _, error = await failure(model)
        await model.aclose()
    assert where in error.next_step


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("drop_midway", say=LONG), ConnectionLost),
        (Fault("stall", say=LONG), ConnectionLost),
        (Fault("no_end", say=LONG), StreamBroken),
        (Fault("garbled", say=LONG), StreamBroken),
        (Fault("error_event", error="overloaded_error", say=LONG), Overloaded),
        (Fault("error_event", error="rate_limit_exceeded", words=ADVICE, say=LONG), RateLimited),
        (Fault("error_event", error="authentication_error", say=LONG), RequestRefused),
        (Fault("error_event", error="something_new", say=LONG), StreamBroken),
    ],
    ids=lambda value: f"{value.kind}-{value.error}" if isinstance(value, Fault) else "",
)
async def test_a_stream_that_breaks_is_an_error_and_what_it_cost_is_known(
    wire: Format, fault: Fault, expected: type[ModelError]
) -> None:
    silence = 0.3 if fault.kind == "stall" else 5.0
    async with serving(fault, wire, silence=silence) as (server, model):
        items, error = await failure(model)
        assert all(connection.is_idle() for connection in connections(model))
    assert any(isinstance(item, TextDelta) for item in items)
    assert not any(isinstance(item, TurnEnd) for item in items)
    assert type(error) is expected
    assert error.transient == (expected is not RequestRefused)
    assert error.retry_after == (1.5 if fault.words else None)
    if fault.kind == "error_event":
        assert (fault.words or "broken for a test") in error.cause
    (bill,) = server.billed
    assert reports(items)[-1] == bill.usage == Usage(100, 10)
    assert not bill.complete


async def test_what_a_broken_turn_cost_is_told_only_by_anthropic_as_a_rule(wire: Format) -> None:
    async with serving(Fault("drop_midway"), wire) as (server, model):
        items, _ = await failure(model)
    known = Usage(100, 1) if wire == "anthropic" else None
    assert reports(items) == ([known] if known else [])
    assert [bill.usage for bill in server.billed] == [known]


async def test_a_line_that_drops_after_the_last_event_took_nothing_away(wire: Format) -> None:
    async with serving(Fault("drop_at_end", say=Say(text="Done.")), wire) as (server, model):
        _, end = await answered(model, turn())
    assert end.message.text == "Done."
    assert end.usage == Usage(100, 20)
    assert [bill.complete for bill in server.billed] == [True]


async def test_a_line_that_drops_before_the_answer_is_lost(wire: Format) -> None:
    async with serving(Fault("drop"), wire) as (_, model):
        _, error = await failure(model)
    assert type(error) is ConnectionLost


async def test_a_server_that_is_down_refuses_and_is_there_again(wire: Format) -> None:
    async with serving(Say(text="Here."), wire) as (server, model):
        await answered(model, turn())
        with server.down():
            _, error = await failure(model)
        _, end = await answered(model, turn())
    assert type(error) is ConnectionLost
    assert server.url in error.next_step
    assert end.message.text == "Here."
    assert len(server.requests) == 2


async def test_a_server_that_goes_down_breaks_what_streams(wire: Format) -> None:
    async with serving(Say(text="a" * 400, delay=60), wire) as (server, model):
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                errors: list[ModelError] = []

                async def ask() -> None:
                    errors.append((await failure(model))[1])

                tasks.start_soon(ask)
                while not server.billed:
                    await anyio.lowlevel.checkpoint()
                with server.down():
                    while not errors:
                        await anyio.lowlevel.checkpoint()
    assert type(errors[0]) is ConnectionLost


async def test_an_address_without_its_scheme_is_refused(wire: Format) -> None:
    model = model_at("127.0.0.1:9", wire)
    _, error = await failure(model)
    await model.aclose()
    assert type(error) is RequestRefused
    assert "base URL" in error.next_step


@pytest.mark.parametrize("slow", [Fault("stall"), TRICKLE])
async def test_cancelling_closes_the_connection(wire: Format, slow: Answer) -> None:
    async with serving(slow, wire) as (server, model):
        with anyio.CancelScope() as scope:
            async for _ in model.stream(turn()):
                scope.cancel()
        assert scope.cancelled_caught
        assert connections(model) == []
        assert await anyio.to_thread.run_sync(server.wait_for_hangup)


@pytest.mark.parametrize("slow", [Fault("stall"), TRICKLE])
async def test_closing_the_generator_closes_the_connection(wire: Format, slow: Answer) -> None:
    async with serving(slow, wire) as (server, model):
        stream = model.stream(turn())
        await anext(stream)
        await stream.aclose()
        assert connections(model) == []
        assert await anyio.to_thread.run_sync(server.wait_for_hangup)


async def test_cancelling_before_the_first_byte_closes_the_connection(wire: Format) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def script(_: WireRequest) -> Answer:
        asked.set()
        go_on.wait(10)
        return Say(text="too late")

    async with serving(script, wire) as (_, model):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answered, model, turn())
            await anyio.to_thread.run_sync(asked.wait)
            tasks.cancel_scope.cancel()
        assert connections(model) == []
        go_on.set()
