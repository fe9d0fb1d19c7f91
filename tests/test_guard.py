"""The way of a call: cache → budget → rate limit → breaker → retry → provider, on real sockets."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import aclosing, closing
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs.report import By
from miyabi_tui.engine.errors import (
    BudgetSpent,
    ModelError,
    RateLimited,
    RequestRefused,
    RunHalted,
)
from miyabi_tui.engine.models.base import TurnEnd
from miyabi_tui.engine.models.limiter import Allowance
from miyabi_tui.engine.models.registry import Kind
from miyabi_tui.engine.terms import Breaker, Budgets, Limits, Retry, Terms
from miyabi_tui.engine.worlds import WorldId
from tests.guarding import QUICK, Desk, answered, desk, turn
from tests.processes import until
from tests.wire_server import Fault, Say, WireRequest, WireServer, limit_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.wire_server import Answer, Told

pytestmark = pytest.mark.anyio
HELLO = Say(text="Hello there.")
KINDS = [Kind.ANTHROPIC, Kind.OPENAI, Kind.OPENAI_CHAT]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def in_turn(*answers: Answer) -> Callable[[WireRequest], Answer]:
    """Answer one request after another; the last answer stays."""
    left = list(answers)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


async def spent(at: Desk) -> float:
    return sum(line.cost_usd for line in await at.ledger.lines(By.MODEL))


async def test_a_turn_is_paid_once_and_then_comes_from_the_cache(tmp_path: Path) -> None:
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path) as at:
            model = await at.model()
            text, end = await answered(model, turn())
            again, free = await answered(model, turn())
            other, _ = await answered(await at.model(WorldId.BETA), turn(world=WorldId.BETA))
            assert (text, end.cost_usd, end.cached) == ("Hello there.", 0.003, False)
            assert (again, free.cost_usd, free.cached) == ("Hello there.", 0.0, True)
            assert free.message == end.message
            assert other == text  # another world asks for itself
            assert len(server.requests) == 2
            assert await spent(at) == pytest.approx(0.006)


async def test_when_a_turn_ends_its_bill_and_its_answer_are_on_the_disk(tmp_path: Path) -> None:
    def rows(name: str, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(tmp_path / name)) as db:
            return db.execute(query).fetchall()

    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path) as at:
            async with aclosing((await at.model()).stream(turn())) as items:
                async for item in items:
                    if isinstance(item, TurnEnd):  # a process that is killed now loses nothing
                        bills = rows("ledger.db", "SELECT status, cost_nano FROM calls")
                        assert bills == [("finished", 3_000_000)]
                        assert rows("cache.db", "SELECT count(*) FROM answers_1") == [(1,)]
                        used = rows("limits.db", "SELECT tokens FROM calls")
                        assert used == [(120,)]  # as the provider has counted


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_that_can_pass_is_tried_three_times(kind: Kind, tmp_path: Path) -> None:
    with WireServer(in_turn(Fault("status", 500), Fault("drop_midway"), HELLO)) as server:
        async with desk(server, tmp_path, kind=kind) as at:
            text, _ = await answered(await at.model(), turn())
            assert text.endswith("Hello there.")
            first, second = at.record.of(e.TurnDiscarded)
            assert (first.usage.total, first.cost_usd, first.again) == (0, 0.0, True)
            assert second.usage.total > 0 and second.usage.estimated and second.again
            assert await spent(at) == pytest.approx(0.003 + (second.cost_usd or 0))
            waits = [one for one in at.waits[WorldId.ALPHA] if one]
            assert waits[0].startswith("attempt 2 of 3: wire/m has a fault of its own")
            assert waits[1].startswith("attempt 3 of 3: ")
            assert at.waits[WorldId.ALPHA][-1] == ""


async def test_the_third_fault_is_the_last(tmp_path: Path) -> None:
    with WireServer(lambda _: Fault("status", 529, "overloaded_error")) as server:
        async with desk(server, tmp_path) as at:
            with pytest.raises(ModelError, match="fault of its own"):
                await answered(await at.model(), turn())
            assert len(server.requests) == 3
            assert [one.again for one in at.record.of(e.TurnDiscarded)] == [True, True, False]
            assert await spent(at) == 0


async def test_what_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    with WireServer(lambda _: Fault("status", 401, "authentication_error")) as server:
        async with desk(server, tmp_path) as at:
            with pytest.raises(RequestRefused):
                await answered(await at.model(), turn())
            assert len(server.requests) == 1


@pytest.mark.parametrize("headers", [{}, {"retry-after-ms": "40"}])
async def test_a_storm_of_rate_limits_kills_no_world(
    headers: dict[str, str], tmp_path: Path
) -> None:
    """Ten times 429 over five worlds: more than any of them has attempts."""
    limited = [Fault("status", 429, "rate_limit_error", headers=headers)] * 10
    with WireServer(in_turn(*limited, HELLO)) as server:
        async with desk(server, tmp_path, window=0.2) as at, anyio.create_task_group() as group:
            for world in list(WorldId)[:5]:
                group.start_soon(answered, await at.model(world), turn(world=world))
        assert len(server.requests) == 15
        assert not at.record.of(e.BreakerChanged)  # a limit is no fault
        assert any("rate limit" in one for told in at.waits.values() for one in told)


async def test_without_a_person_patience_with_a_rate_limit_ends(tmp_path: Path) -> None:
    far = Fault("status", 429, "rate_limit_error", headers={"retry-after": "86400"})
    with WireServer(lambda _: far) as server:
        async with desk(server, tmp_path) as at:
            with pytest.raises(RateLimited):
                await answered(await at.model(patient=False), turn())
            async with anyio.create_task_group() as group:  # where somebody looks on, it waits
                looked_at = await at.model(WorldId.BETA)
                group.start_soon(answered, looked_at, turn(world=WorldId.BETA))
                await until(lambda: "wire: rate limit" in at.waits[WorldId.BETA])
                group.cancel_scope.cancel()


async def test_five_faults_open_the_breaker_and_one_call_tries_it(tmp_path: Path) -> None:
    """A provider that is down for a while: everybody waits, nobody fails."""
    terms = Terms(retry=Retry(first_seconds=0.3), breaker=Breaker(seconds=1.5))
    down, all_ask = anyio.Event(), threading.Barrier(5)

    def script(_request: WireRequest) -> Answer:
        if len(server.requests) <= 5:  # none asks again before all five have failed
            all_ask.wait(timeout=30)
        return HELLO if down.is_set() else Fault("status", 503, "overloaded_error")

    with WireServer(script) as server:
        async with desk(server, tmp_path, terms=terms) as at, anyio.create_task_group() as group:
            for world in list(WorldId)[:5]:
                group.start_soon(answered, await at.model(world), turn(world=world))
            await at.record.until(lambda run: bool(run.breakers))
            down.set()
        states = [one.state for one in at.record.of(e.BreakerChanged)]
        assert states == [e.BreakerState.OPEN, e.BreakerState.HALF_OPEN, e.BreakerState.CLOSED]
        assert len(server.requests) == 10
        assert not at.record.state.breakers
        assert sum("wire: breaker open" in told for told in at.waits.values()) == 5


async def test_a_provider_that_is_down_for_two_minutes_ends_no_world(tmp_path: Path) -> None:
    """In a scale of 1:200, with refused connections; probes are held against nobody."""
    terms = Terms(retry=Retry(first_seconds=0.1), breaker=Breaker(seconds=0.3))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms) as at:
            models = {world: await at.model(world) for world in list(WorldId)[:5]}
            async with anyio.create_task_group() as group:
                with server.down():
                    for world, model in models.items():
                        group.start_soon(answered, model, turn(world=world))
                    await at.record.until(lambda run: bool(run.breakers))
                    await anyio.sleep(0.8)
        changes = [one.state for one in at.record.of(e.BreakerChanged)]
        assert changes.count(e.BreakerState.OPEN) >= 3  # two probes met nobody
        assert changes[-1] is e.BreakerState.CLOSED
        assert len(server.requests) == 5


async def test_a_slow_trickle_is_no_fault(tmp_path: Path) -> None:
    trickle = Say(text="word " * 8, packet=7, packet_delay=0.002)
    with WireServer(lambda _: trickle) as server:
        async with desk(server, tmp_path) as at:
            text, _ = await answered(await at.model(), turn())
            assert text == "word " * 8 and len(server.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", ["twice", "late"])
async def test_usage_told_twice_or_late_is_billed_once(
    told: Told, kind: Kind, tmp_path: Path
) -> None:
    with WireServer(lambda _: Say(text="Hello there.", told=told)) as server:
        async with desk(server, tmp_path, kind=kind) as at:
            _, end = await answered(await at.model(), turn())
            assert (end.cost_usd, await spent(at)) == (0.003, 0.003)
            assert not end.usage.estimated


@pytest.mark.parametrize("kind", KINDS)
async def test_usage_that_is_never_told_is_an_estimate(kind: Kind, tmp_path: Path) -> None:
    with WireServer(lambda _: Say(text="Hello there.", usage=None)) as server:
        async with desk(server, tmp_path, kind=kind) as at:
            _, end = await answered(await at.model(), turn())
            assert end.usage.estimated and end.cost_usd
            (line,) = await at.ledger.lines(By.MODEL)
            assert line.estimated and line.cost_usd == pytest.approx(end.cost_usd)


async def test_the_rate_limit_makes_calls_wait_and_says_so(tmp_path: Path) -> None:
    with WireServer(lambda _: HELLO) as server:
        small = Allowance(requests=2, tokens=0)
        async with desk(server, tmp_path, allowance=small, window=0.3) as at:
            model, begun = await at.model(), anyio.current_time()
            for number in range(5):
                await answered(model, turn(f"{number}"))
            assert anyio.current_time() - begun >= 0.6
            assert at.waits[WorldId.ALPHA].count("wire: rate limit") >= 2


async def test_limits_that_the_provider_tells_are_kept(tmp_path: Path) -> None:
    told = Say(text="Hi.", headers={"anthropic-ratelimit-requests-limit": "2"})
    with WireServer(lambda _: told) as server:
        async with desk(server, tmp_path, window=0.3) as at:
            model, begun = await at.model(), anyio.current_time()
            for number in range(3):
                await answered(model, turn(f"{number}"))
            assert anyio.current_time() - begun >= 0.3


async def test_a_wait_of_nothing_that_comes_again_makes_no_storm(tmp_path: Path) -> None:
    terms = Terms(retry=Retry(first_seconds=0.1))
    again = Fault("status", 429, "rate_limit_error", headers={"retry-after": "0"})
    with WireServer(lambda _: again) as server:
        async with desk(server, tmp_path, terms=terms) as at:
            with anyio.move_on_after(0.6):
                await answered(await at.model(), turn())
            assert len(server.requests) <= 4  # after 0.1, 0.2 and 0.4 seconds


async def test_where_nobody_looks_on_a_long_hold_ends_the_call(tmp_path: Path) -> None:
    told = limit_headers("anthropic", requests=(50, 0, 3_000.0))
    with WireServer(lambda _: Say(text="Hi.", headers=told)) as server:
        async with desk(server, tmp_path) as at:
            model = await at.model(patient=False)
            await answered(model, turn("1"))
            with pytest.raises(RateLimited, match="50 minutes"):
                await answered(model, turn("2"))
            assert len(server.requests) == 1


async def test_a_paused_world_sends_no_call_whatever_it_waited_for(tmp_path: Path) -> None:
    with WireServer(in_turn(Fault("status", 500), HELLO)) as server:
        async with desk(server, tmp_path) as at, anyio.create_task_group() as group:
            model = await at.model()
            gate = at.gates[WorldId.ALPHA]
            group.start_soon(answered, model, turn())
            await at.record.until(lambda run: len(at.record.of(e.TurnDiscarded)) == 1)
            gate.close()
            await anyio.sleep(0.15)  # its back-off is long over
            assert len(server.requests) == 1
            gate.open()
        assert len(server.requests) == 2


async def test_a_call_that_is_cut_before_its_answer_may_have_cost_what_it_asked(
    tmp_path: Path,
) -> None:
    asked = threading.Event()

    def silent(_request: WireRequest) -> Answer:
        asked.set()
        return Say(text="Hi.", delay=5.0)

    with WireServer(silent) as server:
        async with desk(server, tmp_path) as at:
            model = await at.model()
            async with anyio.create_task_group() as group:
                group.start_soon(answered, model, turn("word " * 400))
                await anyio.to_thread.run_sync(asked.wait)
                group.cancel_scope.cancel()
            (cut,) = at.record.of(e.TurnDiscarded)
            assert cut.usage.input_tokens > 400 and cut.usage.estimated
            assert await spent(at) == pytest.approx(cut.cost_usd)


async def test_a_turn_that_is_cut_off_has_cost_what_it_streamed(tmp_path: Path) -> None:
    slow = Say(text="word " * 400, delay=0.01)
    with WireServer(lambda _: slow) as server:
        async with desk(server, tmp_path) as at:
            model = await at.model()
            with anyio.move_on_after(0.3):
                await answered(model, turn())
            (cut,) = at.record.of(e.TurnDiscarded)
            assert (cut.cause, cut.again) == ("cut off", False)
            assert cut.usage.input_tokens == 100 and 0 < cut.usage.output_tokens < 500
            assert await spent(at) == pytest.approx(cut.cost_usd)
            assert server.wait_for_hangup()


async def test_the_meter_runs_while_a_turn_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miyabi_tui.engine.models.metering.METERED_SECONDS", 0.05)
    with WireServer(lambda _: Say(text="word " * 100, delay=0.005)) as server:
        async with desk(server, tmp_path) as at:
            await answered(await at.model(), turn())
            read = [one.cost_usd or 0 for one in at.record.of(e.TurnMetered)]
            assert len(read) >= 3 and read == sorted(read)


# --- budgets --------------------------------------------------------------------------------------


async def test_a_call_that_could_pass_a_budget_is_not_begun_until_it_is_raised(
    tmp_path: Path,
) -> None:
    """A turn costs $0.003, and at most about $0.1."""
    terms = Terms(retry=QUICK, budgets=Budgets(issue_usd=0.105))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms) as at, anyio.create_task_group() as group:
            model = await at.model()
            await answered(model, turn("1"))
            await answered(model, turn("2"))
            group.start_soon(answered, model, turn("3"))
            await at.record.until(lambda run: bool(run.questions))
            (asked,) = at.record.state.questions
            assert len(server.requests) == 2
            assert asked.title.startswith("the next turn may pass the budget of issue #7, $0.1")
            assert [one.name for one in asked.choices] == ["raise", "finish", "stop"]
            assert at.questions.answer(asked.id, "raise", 0.3)
        assert len(server.requests) == 3
        assert at.record.state.budget_usd(e.Scope.ISSUE) == 0.3
        assert not at.record.state.questions


async def test_worlds_that_hit_a_budget_together_are_asked_once(tmp_path: Path) -> None:
    terms = Terms(retry=QUICK, budgets=Budgets(month_usd=0.05))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms) as at:
            ended = []

            async def work(world: WorldId) -> None:
                with pytest.raises(BudgetSpent):
                    await answered(await at.model(world), turn(world=world))
                ended.append(world)

            async with anyio.create_task_group() as group:
                for world in list(WorldId)[:5]:
                    group.start_soon(work, world)
                await at.record.until(lambda run: bool(run.questions))
                await until(lambda: sum(bool(told) for told in at.waits.values()) == 5)
                await anyio.sleep(0.05)
                assert at.questions.answer("budget:month:", "finish")
            assert len(ended) == 5 and not server.requests
            assert len(at.record.of(e.QuestionAsked)) == 1


async def test_without_a_person_a_spent_budget_stops_the_run_with_a_clear_line(
    tmp_path: Path,
) -> None:
    terms = Terms(retry=QUICK, budgets=Budgets(issue_usd=0.05))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms, interactive=False) as at:
            with pytest.raises(RunHalted, match=r"budget of issue #7, \$0.05: .*--budget 0.15"):
                await answered(await at.model(), turn())
            assert not server.requests


async def test_every_world_of_a_run_that_stops_for_its_budget_is_cut_off_and_none_gives_up(
    tmp_path: Path,
) -> None:
    terms = Terms(retry=QUICK, budgets=Budgets(month_usd=0.01))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms, interactive=False) as at:
            for world in list(WorldId)[:5]:
                with pytest.raises(RunHalted, match="--month-budget"):
                    await answered(await at.model(world), turn(world=world))
            assert not any(at.waits.values())


async def test_a_world_s_own_budget_ends_its_work_only(tmp_path: Path) -> None:
    terms = Terms(retry=QUICK, limits=Limits(cost_usd=0.05))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms, interactive=False) as at:
            with pytest.raises(BudgetSpent, match="the budget of Alpha"):
                await answered(await at.model(), turn())
            await answered(await at.model(WorldId.BETA), turn(world=WorldId.BETA, max_tokens=100))


async def test_most_of_a_budget_spent_is_told_once(tmp_path: Path) -> None:
    terms = Terms(retry=QUICK, budgets=Budgets(issue_usd=0.03), limits=Limits(cost_usd=0))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms) as at:
            model = await at.model()
            server.script = lambda _: HELLO
            for number in range(9):
                await answered(model, turn(f"{number}", max_tokens=10))
            (warned,) = at.record.of(e.BudgetWarned)
            assert (warned.scope, warned.limit_usd) == (e.Scope.ISSUE, 0.03)
            assert warned.spent_usd >= 0.024


async def test_an_unknown_price_is_said_and_stops_nothing(tmp_path: Path) -> None:
    terms = Terms(retry=QUICK, budgets=Budgets(issue_usd=0.0001))
    with WireServer(lambda _: HELLO) as server:
        async with desk(server, tmp_path, terms=terms) as at:
            _, end = await answered(await at.model(priced=False), turn())
            assert end.cost_usd is None
            (line,) = await at.ledger.lines(By.MODEL)
            assert line.unknown == 1
