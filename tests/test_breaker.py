"""The circuit breaker: exactly these transitions, nobody overtaken, nothing wedged."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.events import BreakerState
from miyabi_tui.engine.models.breaker import CircuitBreaker, Outcome
from miyabi_tui.engine.terms import Breaker
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
EPOCH = 1_000_000.0  # what the wall clock shows when the loop's begins
OUTCOMES = st.sampled_from([True, False, False, None])
STEPS = st.one_of(
    st.just(("begin",)),
    st.tuples(st.just("end"), st.integers(0, 5), OUTCOMES),
    st.tuples(st.just("end"), st.integers(0, 5), OUTCOMES),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("sleep"), st.sampled_from([1.0, 29.5, 60.0])),
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


async def settled() -> None:
    """Return when everybody has done what can be done now."""
    for _ in range(12):
        await checkpoint()


class Caller:
    """A call in a task of its own, ended from outside."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.inside = False
        self.waits: list[float | None] = []
        self.scope = anyio.CancelScope()
        self._end = anyio.Event()
        self._outcome: bool | None = None

    async def run(self, breaker: CircuitBreaker) -> None:
        with self.scope:
            async with breaker.call(self.waits.append) as outcome:
                self.inside = True
                try:
                    await self._end.wait()
                finally:
                    self.inside = False
                tell(outcome, self._outcome)

    def end(self, outcome: bool | None) -> None:
        self._outcome = outcome
        self._end.set()


def tell(outcome: Outcome, success: bool | None) -> None:
    if success is not None:
        outcome.succeeded() if success else outcome.failed("it is down")


class Office:
    """A breaker, its callers, and what it said of its state."""

    def __init__(self, tasks: anyio.abc.TaskGroup, **terms: float) -> None:
        self.said: list[tuple[BreakerState, float | None, str]] = []
        self.breaker = CircuitBreaker(
            Breaker(**terms),  # type: ignore[arg-type]
            lambda *said: self.said.append(said),
            wall=lambda: EPOCH + anyio.current_time(),
        )
        self.callers: list[Caller] = []
        self._tasks = tasks

    async def begin(self) -> Caller:
        caller = Caller(len(self.callers))
        self.callers.append(caller)
        self._tasks.start_soon(caller.run, self.breaker)
        await settled()
        return caller

    async def call(self, outcome: bool | None) -> None:
        """A call that need not wait."""
        async with self.breaker.call(lambda _: pytest.fail("it had to wait")) as result:
            tell(result, outcome)

    async def end(self, caller: Caller, outcome: bool | None) -> None:
        caller.end(outcome)
        await settled()

    async def open(self) -> None:
        for _ in range(5):
            await self.call(False)
        assert self.breaker.state is OPEN


@pytest.mark.anyio
async def test_five_failures_a_minute_and_two_successes() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        for outcome in (False, False, False, False, True, False, False, False, False, None):
            await office.call(outcome)
        assert office.breaker.state is CLOSED, "a success in between, or a neutral one"
        await office.call(False)
        assert office.said == [(OPEN, EPOCH + 60, "it is down")]

        caller = await office.begin()
        assert (caller.inside, caller.waits) == (False, [EPOCH + 60])
        await anyio.sleep(59.9)
        assert not caller.inside
        await anyio.sleep(0.1)
        await settled()
        assert caller.inside
        assert anyio.current_time() == pytest.approx(60)
        await office.end(caller, True)
        assert office.breaker.state is HALF_OPEN
        await office.call(True)

    assert [state for state, _, _ in office.said] == [OPEN, HALF_OPEN, CLOSED]


@pytest.mark.anyio
async def test_half_open_lets_one_through_at_a_time_in_order() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks, successes=3)
        await office.open()
        first, second, third, fourth = [await office.begin() for _ in range(4)]
        await anyio.sleep(60)
        await settled()
        assert [one.inside for one in office.callers] == [True, False, False, False]
        assert second.waits == [EPOCH + 60, None]

        await office.end(first, True)
        assert [one.inside for one in office.callers] == [False, True, False, False]
        second.scope.cancel()  # its turn goes on
        await settled()
        assert [one.inside for one in office.callers] == [False, False, True, False]
        await office.end(third, False)
        assert office.said[-1] == (OPEN, EPOCH + 120, "it is down")
        assert not fourth.inside
        assert fourth.waits == [EPOCH + 60, None, EPOCH + 120]

        await anyio.sleep(60)
        await settled()
        fifth = await office.begin()
        assert (fourth.inside, fifth.inside) == (True, False)
        await office.end(fourth, None)
        assert fifth.inside, "what is neutral gives its turn to the next"
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_who_comes_just_when_a_turn_ends_does_not_overtake() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        await office.open()
        probe, waiting = await office.begin(), await office.begin()
        await anyio.sleep(60)
        await settled()
        probe.end(None)
        late = await office.begin()
        assert (waiting.inside, late.inside) == (True, False)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_when_it_closes_all_go_at_once() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks, successes=1)
        await office.open()
        callers = [await office.begin() for _ in range(5)]
        await anyio.sleep(60)
        await settled()
        await office.end(callers[0], True)
        assert [one.inside for one in callers] == [False, True, True, True, True]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_what_began_before_it_opened_says_nothing_about_now() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        late = [await office.begin() for _ in range(4)]
        await office.open()
        await office.end(late[0], False)
        await office.end(late[1], True)
        assert office.breaker.state is OPEN
        await anyio.sleep(60)
        await office.call(True)
        await office.end(late[2], False)
        await office.end(late[3], True)
        assert office.breaker.state is HALF_OPEN
        await office.call(True)
        assert office.breaker.state is CLOSED


@pytest.mark.anyio
async def test_a_stream_that_is_closed_in_the_middle_gives_its_turn_on() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        await office.open()
        await anyio.sleep(60)

        async def stream() -> AsyncGenerator[int, None]:
            async with office.breaker.call(lambda _: None):
                for number in range(9):
                    yield number

        async with aclosing(stream()) as numbers:
            async for _ in numbers:
                waiting = await office.begin()
                assert not waiting.inside
                break
        await settled()
        assert waiting.inside
        tasks.cancel_scope.cancel()


class Reference:
    """The requirement, as plainly as it can be said."""

    def __init__(self) -> None:
        self.state = CLOSED
        self.changes: list[BreakerState] = []
        self.row = 0
        self.until = 0.0
        self.queue: list[int] = []
        self.inside: dict[int, int] = {}  # the call and how many changes there were when it began

    def begin(self, call: int, now: float) -> None:
        self.queue.append(call)
        self.look(now)

    def look(self, now: float) -> None:
        if self.queue and self.state is OPEN and now >= self.until:
            self.change(HALF_OPEN)
        while self.queue and (
            self.state is CLOSED
            or (self.state is HALF_OPEN and len(self.changes) not in self.inside.values())
        ):
            self.inside[self.queue.pop(0)] = len(self.changes)

    def end(self, call: int, success: bool | None, now: float) -> None:
        if call in self.queue:
            self.queue.remove(call)
        elif self.inside.pop(call) == len(self.changes) and success is not None:
            half = self.state is HALF_OPEN
            if success:
                self.row = self.row + 1 if half else 0
                if half and self.row == 2:
                    self.change(CLOSED)
            else:
                self.row += 1
                if half or self.row == 5:
                    self.change(OPEN)
                    self.until = now + 60
        self.look(now)

    def change(self, state: BreakerState) -> None:
        self.state, self.row = state, 0
        self.changes.append(state)


async def compare(steps: list[tuple[object, ...]]) -> None:
    """Take the steps with a breaker and with the reference, and compare after each."""
    reference = Reference()
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        there: list[Caller] = []
        for _ in range(5):  # or few examples would ever open it
            await office.call(False)
            reference.begin(-1, 0)
            reference.end(-1, False, 0)
        for step in steps:
            match step:
                case ("begin",):
                    there.append(await office.begin())
                    reference.begin(there[-1].number, anyio.current_time())
                case ("sleep", float(seconds)):
                    await anyio.sleep(seconds)
                    reference.look(anyio.current_time())
                case (what, int(which), *outcome) if there:
                    caller = there.pop(which % len(there))
                    if what == "end" and caller.inside:
                        success = outcome[0]
                        assert success is None or isinstance(success, bool)
                        caller.end(success)
                        reference.end(caller.number, success, anyio.current_time())
                    else:
                        caller.scope.cancel()
                        reference.end(caller.number, None, anyio.current_time())
            await settled()
            assert [said[0] for said in office.said] == reference.changes
            assert {one.number for one in there if one.inside} == set(reference.inside)
        tasks.cancel_scope.cancel()


@given(st.lists(STEPS, max_size=40))
@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_whatever_happens_it_does_what_the_reference_does(steps: list[tuple[object, ...]]) -> None:
    anyio.run(compare, steps, backend=VIRTUAL[0], backend_options=VIRTUAL[1])
