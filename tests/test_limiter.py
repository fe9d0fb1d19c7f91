"""The rate limiter in one engine, on a virtual clock: never over the limit, nor late, in order."""

from __future__ import annotations

import itertools
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.models.limiter import (
    Allowance,
    LimitStore,
    Place,
    RateLimiter,
    account_id,
    limits_alone,
)
from miyabi_tui.engine.models.limiter_book import Book, Call
from miyabi_tui.engine.models.registry import Kind
from tests.virtual_time import VIRTUAL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

MINUTE = 60.0
FEW = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


@pytest.fixture
def store() -> Iterator[LimitStore]:
    with limits_alone(anyio.current_time) as store:
        yield store


def limiter(store: LimitStore, requests: int = 0, tokens: int = 0) -> RateLimiter:
    return RateLimiter("account", Allowance(requests, tokens), store)


def at_once(until: float) -> None:
    pytest.fail(f"it had to wait until {until}")


class Caller:
    """A call in a task of its own, that ends when it is told to."""

    def __init__(self, limiter: RateLimiter, tokens: int = 1) -> None:
        self.waits: list[float] = []
        self.since: float | None = None
        self.scope = anyio.CancelScope()
        self.place: Place | None = None
        self._limiter = limiter
        self._tokens = tokens
        self._end = anyio.Event()

    async def run(self) -> None:
        with self.scope:
            async with self._limiter.place(self._tokens, self.waits.append) as self.place:
                self.since = anyio.current_time()
                await self._end.wait()


async def begun(tasks: anyio.abc.TaskGroup, *callers: Caller) -> None:
    for caller in callers:
        tasks.start_soon(caller.run)
    await settled()


async def settled() -> None:
    """Return when everybody has done what can be done now."""
    for _ in range(20):
        await checkpoint()


# --- what a caller notices ------------------------------------------------------------------------


@pytest.mark.anyio
async def test_who_need_not_wait_is_told_nothing_and_who_must_is_told_until_when(
    store: LimitStore,
) -> None:
    two = limiter(store, requests=2)
    for at in (0, 10):
        async with two.place(1_000, at_once) as place:
            assert place.since == at
        await anyio.sleep(10)
    waits: list[float] = []
    for at in (60, 70, 120):
        async with two.place(1_000, waits.append) as place:
            assert anyio.current_time() == place.since == at
    assert waits == [60, 70, 120]


@pytest.mark.anyio
async def test_tokens_that_were_not_used_bring_the_others_forward(store: LimitStore) -> None:
    some = limiter(store, tokens=100)
    big, second, third = Caller(some, 80), Caller(some, 50), Caller(some, 50)
    async with anyio.create_task_group() as tasks:
        await begun(tasks, big, second, third)
        assert (second.waits, third.waits) == ([60], [60])
        await anyio.sleep(20)
        assert big.place is not None
        await big.place.settle(40)
        await settled()
        assert second.since == 20
        assert third.waits == [60]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_tokens_beyond_the_estimate_count_from_now_on(store: LimitStore) -> None:
    some = limiter(store, tokens=100)
    first, second = Caller(some, 40), Caller(some, 80)
    async with anyio.create_task_group() as tasks:
        await begun(tasks, first, second)
        await anyio.sleep(20)
        assert first.place is not None
        await first.place.settle(70)
        assert second.since is None
        await anyio.sleep(200)
        assert second.waits == [60, 80], "30 more than said, from the moment of 20"
        assert second.since == 80
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_who_gives_up_makes_room_for_those_behind(store: LimitStore) -> None:
    one = limiter(store, requests=1)
    callers = [Caller(one) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        await begun(tasks, *callers)
        assert [caller.waits for caller in callers] == [[], [60], [120], [180]]
        callers[1].scope.cancel()
        await settled()
        assert [caller.waits for caller in callers[2:]] == [[120, 60], [180, 120]]
        tasks.cancel_scope.cancel()
    async with one.place(1, lambda until: None) as place:
        assert place.since == 60, "nothing is left of those that waited"


@pytest.mark.anyio
async def test_a_call_larger_than_the_allowance_goes_alone(store: LimitStore) -> None:
    some = limiter(store, tokens=100)
    async with some.place(10, at_once):
        pass
    waits: list[float] = []
    async with some.place(5_000, waits.append) as place:
        assert place.since == 60
    async with some.place(1, waits.append) as place:
        assert place.since == 120
    assert waits == [60, 120]


@pytest.mark.anyio
async def test_a_place_that_is_past_is_renewed(store: LimitStore) -> None:
    one = limiter(store, requests=1)
    async with one.place(1, at_once) as place:
        await place.renew(at_once)
        assert place.since == 0, "the first was given back"
        other = Caller(one)
        async with anyio.create_task_group() as tasks:
            await begun(tasks, other)
            waits: list[float] = []
            await place.renew(waits.append)
            assert other.since == 0
            assert (waits, place.since) == ([60], 60)
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_accounts_are_apart_and_allowances_are_each_engines_own(store: LimitStore) -> None:
    async with limiter(store, requests=1).place(1, at_once):
        async with RateLimiter("other", Allowance(1), store).place(1, at_once):
            pass
        async with limiter(store, requests=2).place(1, at_once):
            pass
        async with limiter(store).place(1, at_once):
            pass


@pytest.mark.anyio
async def test_the_providers_own_limits_count_where_they_are_stricter(store: LimitStore) -> None:
    some = limiter(store, requests=2, tokens=100)
    await some.tighten(requests=50, tokens=30)
    async with some.place(20, at_once):
        waiting = Caller(some, 20)
        async with anyio.create_task_group() as tasks:
            await begun(tasks, waiting)
            assert waiting.waits == [60]
            await some.tighten(requests=None, tokens=40)  # it was given more
            await settled()
            assert waiting.since == 0
            third = Caller(some, 0)
            await begun(tasks, third)
            assert third.waits == [60], "its own 2 requests are stricter than 50"
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_hold_moves_everybody_and_afterwards_they_go_one_at_a_time(
    store: LimitStore,
) -> None:
    many = limiter(store, requests=100)
    await many.hold(10)
    callers = [Caller(many) for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        await begun(tasks, *callers)
        assert [caller.waits for caller in callers] == [[10], [10.5], [11]]
        await anyio.sleep(10.7)
        await many.hold(20)
        await many.hold(5)
        await settled()
        assert [caller.since for caller in callers] == [10, 10.5, None]
        assert callers[2].waits == [11, 30.7]
        await anyio.sleep(25)
        late = Caller(many)
        await begun(tasks, late)
        assert late.since == 35.7
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_stream_that_is_closed_in_the_middle_keeps_nothing_waiting(
    store: LimitStore,
) -> None:
    some = limiter(store, tokens=100)

    async def stream(tokens: int) -> AsyncGenerator[int, None]:
        async with some.place(tokens, lambda until: None) as place:
            try:
                yield 1
                yield 2
            finally:
                await place.settle(10)

    async with aclosing(stream(100)) as items:
        async for _ in items:
            break
    async with some.place(90, at_once):
        pass
    with anyio.move_on_after(5):
        async with aclosing(stream(50)) as items:
            async for _ in items:
                pytest.fail("there was no room")
    await anyio.sleep(55)
    async with some.place(100, at_once):
        pass


def test_an_account_is_an_address_and_a_key() -> None:
    account = account_id(Kind.OPENAI, None, "sk-secret")
    assert account == account_id(Kind.OPENAI_CHAT, "https://api.openai.com/v1/", "sk-secret\n")
    others = {
        account_id(Kind.OPENAI, None, "sk-other"),
        account_id(Kind.OPENAI, "http://127.0.0.1:8000/v1", "sk-secret"),
        account_id(Kind.ANTHROPIC, None, "sk-secret"),
    }
    assert len({account, *others}) == 4
    assert "secret" not in account


# --- the book: processes that stand still, clocks that are set ------------------------------------


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def entered(book: Book, requests: int, call: Call | None = None) -> Call:
    call = call or Call("account", Allowance(requests), 1)
    book.enter(call)
    return call


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Iterator[Book]:
    book = Book.in_memory(clock)
    yield book
    book.close()


def test_one_that_does_not_wake_holds_nobody_up_and_still_comes_before_the_next(
    book: Book, clock: Clock
) -> None:
    entered(book, 1)
    stopped, second = entered(book, 1), entered(book, 1)
    clock.now += 60  # the moment of the stopped one
    third = entered(book, 1)
    clock.now += 60
    assert entered(book, 1, second).admitted
    clock.now += 1
    fourth = entered(book, 1)
    assert not entered(book, 1, stopped).admitted, "it would be one too many"
    clock.now += 59
    assert not entered(book, 1, third).admitted
    assert entered(book, 1, stopped).admitted
    clock.now += 60
    assert not entered(book, 1, fourth).admitted
    assert entered(book, 1, third).admitted


def test_one_that_wakes_late_moves_those_behind_by_as_much(book: Book, clock: Clock) -> None:
    entered(book, 1)
    late, behind = entered(book, 1), entered(book, 1)
    clock.now += 60.25
    assert entered(book, 1, late).admitted
    clock.now += 59.75
    assert not entered(book, 1, behind).admitted, "only 59.75 s have gone by since"
    clock.now += 0.25
    assert entered(book, 1, behind).admitted


def test_what_is_kept_for_those_behind_does_not_keep_the_first_from_going(book: Book) -> None:
    def call(tokens: int) -> Call:
        one = Call("account", Allowance(tokens=100), tokens)
        book.enter(one)
        return one

    small, big, first, behind = call(5), call(95), call(50), call(40)
    book.settle(big, 0)  # now both have room
    book.settle(small, 45)  # and now only one of them
    book.enter(first)
    assert first.admitted
    book.enter(behind)
    assert not behind.admitted


@pytest.mark.parametrize("set_back", [30.0, 86_400.0])
def test_a_clock_that_is_set_back_costs_a_minute_or_two_at_most(
    book: Book, clock: Clock, set_back: float
) -> None:
    entered(book, 1)
    book.hold("account", 3_600)
    clock.now -= set_back
    call = entered(book, 1)
    assert call.at / 1e6 - clock.now <= 2 * MINUTE
    if not call.admitted:
        clock.now = call.at / 1e6
        assert entered(book, 1, call).admitted


# --- properties -----------------------------------------------------------------------------------


class Job(NamedTuple):
    """A call: `gap` seconds after the one before, of so many tokens, settled `work` later."""

    gap: int
    tokens: int
    work: int
    used: int
    patience: int | None = None


def job(used: st.SearchStrategy[int], patience: st.SearchStrategy[int | None]) -> object:
    tokens = st.integers(1, 120)
    gap = st.sampled_from([0, 0, 0, 1, 7, 30, 60, 61])
    return st.builds(Job, gap, tokens, st.integers(0, 70), used, patience)


FRUGAL = st.lists(
    job(st.integers(0, 120), st.none() | st.integers(0, 200)),  # type: ignore[arg-type]
    max_size=25,
)
ALLOWANCES = st.builds(Allowance, st.integers(0, 4), st.sampled_from([0, 100, 250]))


async def performed(jobs: list[Job], allowance: Allowance, holds: dict[int, int]) -> Record:
    """Really do the jobs; when each was admitted, and what was counted when."""
    record = Record()
    with limits_alone(anyio.current_time) as store:
        limiter = RateLimiter("account", allowance, store)

        async def do(number: int, job: Job) -> None:
            with anyio.move_on_after(
                float("inf") if job.patience is None else job.patience + 0.5
            ) as patience:
                async with limiter.place(job.tokens, lambda until: None) as place:
                    patience.deadline = float("inf")
                    assert place.since == anyio.current_time()
                    record.admitted.append((number, place.since, job.tokens))
                    await anyio.sleep(job.work + 0.25)
                    await place.settle(job.used)
                    record.settled.append((anyio.current_time(), place.since, job))

        async with anyio.create_task_group() as tasks:
            for number, one in enumerate(jobs):
                await anyio.sleep(one.gap)
                if number in holds:
                    await limiter.hold(holds[number])
                    record.holds.append((anyio.current_time(), holds[number]))
                tasks.start_soon(do, number, one)
                await settled()
    # Those with the same moment are woken in any order.
    record.admitted.sort(key=lambda one: (one[1], one[0]))
    return record


class Record:
    """What happened: admissions in their order, settlements, holds."""

    def __init__(self) -> None:
        self.admitted: list[tuple[int, float, int]] = []
        self.settled: list[tuple[float, float, Job]] = []
        self.holds: list[tuple[float, int]] = []

    def in_window(self, end: float, upto: int) -> tuple[int, int]:
        """Requests and tokens in the minute to `end`, as was known then, of the first `upto`."""
        admitted = [(at, tokens) for _, at, tokens in self.admitted[:upto] if at > end - MINUTE]
        tokens = sum(tokens for _, tokens in admitted)
        for at, since, job in self.settled:
            more = job.used - job.tokens
            counts_from = at if more > 0 else since
            if at <= end and counts_from > end - MINUTE:
                tokens += more
        return len(admitted), tokens

    def check_windows(self, allowance: Allowance) -> None:
        """No admission took a window over."""
        for upto, (_, at, wanted) in enumerate(self.admitted):
            requests, tokens = self.in_window(at, upto)
            if allowance.requests:
                assert requests + 1 <= allowance.requests
            if allowance.tokens:
                assert tokens + min(wanted, allowance.tokens) <= allowance.tokens


def expected(jobs: list[Job], allowance: Allowance) -> list[tuple[int, float]]:
    """The same as plainly as it can be said: whenever something happens, the first go that fit."""
    arrivals, at = [], 0
    for number, one in enumerate(jobs):
        at += one.gap
        arrivals.append((at, number, one))
    queue: list[tuple[int, int, Job]] = []
    record = Record()
    moments = {float(at) for at, _, _ in arrivals}
    moments |= {at + one.patience + 0.5 for at, _, one in arrivals if one.patience is not None}
    while moments:
        now = min(moments)
        moments.remove(now)
        gone = [one for one in queue if one[2].patience is not None]
        gone = [one for one in gone if now >= one[0] + (one[2].patience or 0) + 0.5]
        queue = [one for one in queue if one not in gone]
        record.settled += [
            (now, since, jobs[number])
            for number, since, _ in record.admitted
            if now == since + jobs[number].work + 0.25
        ]
        while arrivals and arrivals[0][0] <= now:
            queue.append(arrivals.pop(0))
        while queue:
            wanted = queue[0][2].tokens
            requests, tokens = record.in_window(now, len(record.admitted))
            too_many = 0 < allowance.requests < requests + 1
            if too_many or 0 < allowance.tokens < tokens + min(wanted, allowance.tokens):
                break
            done = queue.pop(0)
            record.admitted.append((done[1], now, wanted))
            moments |= {now + done[2].work + 0.25, now + MINUTE}
    return [(number, since) for number, since, _ in record.admitted]


def in_virtual_time(function: Callable[..., object], *args: object) -> object:
    return anyio.run(function, *args, backend=VIRTUAL[0], backend_options=VIRTUAL[1])  # type: ignore[arg-type]


@given(FRUGAL, ALLOWANCES)
@FEW
def test_each_goes_at_the_first_moment_that_there_is_room_and_never_before(
    jobs: list[Job], allowance: Allowance
) -> None:
    jobs = [one._replace(used=min(one.used, one.tokens)) for one in jobs]
    record = in_virtual_time(performed, jobs, allowance, {})
    assert isinstance(record, Record)
    record.check_windows(allowance)
    assert [one[:2] for one in record.admitted] == expected(jobs, allowance)


@given(
    st.lists(job(st.integers(0, 400), st.none()), max_size=25),  # type: ignore[arg-type]
    ALLOWANCES,
    st.dictionaries(st.integers(0, 24), st.integers(1, 90), max_size=3),
)
@FEW
def test_with_more_used_than_said_and_holds_nobody_goes_too_early_and_nobody_starves(
    jobs: list[Job], allowance: Allowance, holds: dict[int, int]
) -> None:
    record = in_virtual_time(performed, jobs, allowance, holds)
    assert isinstance(record, Record)
    record.check_windows(allowance)
    assert [number for number, _, _ in record.admitted] == list(range(len(jobs))), "in order, all"
    for begin, seconds in record.holds:
        after = [at for _, at, _ in record.admitted if at > begin]
        assert all(at >= begin + seconds for at in after)
        calm = [at for at in after if at < begin + seconds + MINUTE]
        assert all(late - early >= 0.5 for early, late in itertools.pairwise(calm))
