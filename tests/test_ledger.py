"""The ledger: no cap is passed, nothing that was spent is forgotten, and sums are exact."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from miyabi_tui.engine.costs.entries import Call, Caps, Go, Spent, Status, Verdict, Wait
from miyabi_tui.engine.costs.ledger import Ledger, ledger_path, open_ledger
from miyabi_tui.engine.costs.report import By
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.events import Scope
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.store.lock import driving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parent.parent
USAGE = Usage(1_000, 100, 400, 50)
FREE = Caps()
CALL = Call(
    run_id="r1",
    repo="/repo",
    issue_key="issue-7",
    title="a title",
    world="Alpha",
    step=3,
    model="anthropic/claude",
)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


def call(**changes: Any) -> Call:
    return Call(**{**{name: getattr(CALL, name) for name in Call.__struct_fields__}, **changes})


async def ask(ledger: Ledger, worst: float, caps: Caps = FREE, **changes: Any) -> Verdict:
    return await ledger.begin(call(**changes), worst_usd=worst, floor_usd=0.0, caps=caps)


async def begun(ledger: Ledger, worst: float = 0.0, caps: Caps = FREE, **changes: Any) -> int:
    verdict = await ask(ledger, worst, caps, **changes)
    assert isinstance(verdict, Go), verdict
    return verdict.id


async def paid(ledger: Ledger, cost: float, **changes: Any) -> None:
    """A call that is over."""
    await ledger.settle(await begun(ledger, **changes), USAGE, cost)


async def total(ledger: Ledger, by: By = By.MODEL) -> float:
    return sum(line.cost_usd for line in await ledger.lines(by))


# --- what is spent --------------------------------------------------------------------------------


async def test_each_scope_counts_its_own(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, 1.0)
        await paid(ledger, 2.0, world="Beta")
        await paid(ledger, 4.0, run_id="r2")
        await paid(ledger, 8.0, run_id="r3", issue_key="issue-8")
        await paid(ledger, 16.0, run_id="r4", repo="/other")
        verdict = await ask(ledger, 0.5)
        spent = await ledger.spent("/repo", "issue-7", "r1")

    assert isinstance(verdict, Go)
    assert verdict.spent.world_usd == 1.0
    assert verdict.spent.issue_usd == 7.0
    assert verdict.spent.month_usd == 31.0
    assert (spent.run_usd, spent.issue_usd, spent.month_usd) == (3.0, 7.0, 31.0)
    assert (spent.earlier_runs, spent.earlier_usd) == (1, 4.0)


async def test_an_issue_that_was_never_raced_has_cost_nothing(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        spent = await ledger.spent("/repo", "issue-7", "r1")

    assert (spent.issue_usd, spent.earlier_runs, spent.unknown_calls) == (0.0, 0, 0)
    assert not spent.estimated


async def test_a_call_counts_from_its_beginning_and_settles_to_its_bill(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        verdict = await ledger.begin(CALL, worst_usd=1.0, floor_usd=0.25, caps=FREE)
        assert isinstance(verdict, Go)
        asked = await ledger.spent("/repo", "issue-7", "r1")
        await ledger.note(verdict.id, USAGE, 0.5)
        noted = await ledger.spent("/repo", "issue-7", "r1")
        await ledger.settle(verdict.id, USAGE, 0.125)
        settled = await ledger.spent("/repo", "issue-7", "r1")

    assert (asked.issue_usd, asked.estimated) == (0.25, True)
    assert (noted.issue_usd, noted.estimated) == (0.5, True)
    assert (settled.issue_usd, settled.month_usd, settled.estimated) == (0.125, 0.125, False)


async def test_the_first_bill_stands_and_a_failed_call_keeps_what_was_noted(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        billed, failed = await begun(ledger), await begun(ledger, world="Beta")
        await ledger.note(failed, USAGE, 0.5)
        await ledger.settle(billed, USAGE, 1.0)
        await ledger.settle(billed, USAGE, 9.0)
        await ledger.note(billed, USAGE, 9.0)
        await ledger.discard(billed)
        await ledger.discard(failed)
        alpha, beta = sorted(await ledger.lines(By.WORLD), key=lambda line: line.key)

    assert (alpha.cost_usd, alpha.estimated, alpha.answers) == (1.0, False, 1)
    assert (beta.cost_usd, beta.estimated, beta.answers) == (0.5, True, 0)
    assert beta.input_tokens == USAGE.input_tokens


async def test_usage_that_nobody_reported_makes_the_sum_an_estimate(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await ledger.settle(await begun(ledger), Usage(10, 5, estimated=True), 0.5)
        (line,) = await ledger.lines(By.MODEL)

    assert line.estimated


async def test_an_unknown_price_is_no_cost_of_zero_and_stops_nobody(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, 5.0)
        verdict = await ledger.begin(
            CALL, worst_usd=None, floor_usd=None, caps=Caps(issue_usd=5.0, month_usd=5.0)
        )
        assert isinstance(verdict, Go)
        open_one = await ledger.spent("/repo", "issue-7", "r1")
        await ledger.settle(verdict.id, USAGE, None)
        spent = await ledger.spent("/repo", "issue-7", "r1")
        (line,) = await ledger.lines(By.ISSUE)

    assert open_one == spent, "an unknown price is no estimate either"
    assert (spent.issue_usd, spent.unknown_calls, spent.estimated) == (5.0, 1, False)
    assert (line.cost_usd, line.unknown, line.estimated) == (5.0, 1, False)


async def test_sums_of_money_do_not_drift(journal: Path) -> None:
    assert math.fsum([0.1] * 10) == 1.0 != sum([0.1] * 10)
    async with open_ledger(journal) as ledger:
        for _ in range(10):
            await paid(ledger, 0.1)
        await paid(ledger, 0.000_000_015)  # a token at the cheapest price
        verdict = await ask(ledger, 0.5, Caps(issue_usd=1.500_000_015))
        assert await total(ledger) == 1.000_000_015

    assert isinstance(verdict, Go), "what fits into the cap to the last token is begun"


async def test_a_price_that_is_nonsense_breaks_nothing(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, math.nan)
        await paid(ledger, -1.0)
        assert await total(ledger) == 0.0
        await paid(ledger, math.inf)
        verdict = await ask(ledger, math.inf, Caps(issue_usd=math.inf))
        assert await total(ledger) == 1e9

    assert isinstance(verdict, Spent)


async def test_turns_from_the_cache_are_counted_and_cost_nothing(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, 0.5)
        for _ in range(3):
            await ledger.cached(CALL, USAGE)
        (line,) = await ledger.lines(By.MODEL)

    assert (line.cost_usd, line.calls, line.input_tokens) == (0.5, 1, USAGE.input_tokens)
    assert (line.hits, line.answers, line.hit_rate) == (3, 4, 0.75)


async def test_the_days_are_the_sums_of_their_calls_whatever_happened(journal: Path) -> None:
    dice, now = random.Random(7), [1_780_000_000.0]
    async with open_ledger(journal, clock=lambda: now[0]) as ledger:
        for _ in range(60):
            now[0] += dice.random() * 86_400
            known = dice.random() < 0.8
            floor = dice.random() if known else None
            verdict = await ledger.begin(CALL, worst_usd=floor, floor_usd=floor, caps=FREE)
            assert isinstance(verdict, Go)
            await ledger.note(verdict.id, USAGE, dice.random() if known else None)
            if dice.random() < 0.8:
                await ledger.settle(verdict.id, USAGE, dice.choice([None, dice.random()]))
        by_day = {line.key: line.cost_usd for line in await ledger.lines(By.DAY)}
    with closing(sqlite3.connect(ledger_path(journal))) as db:
        days = dict(db.execute("SELECT day, cost_nano / 1e9 FROM days").fetchall())

    assert {day: cost for day, cost in by_day.items() if cost} == pytest.approx(
        {day: cost for day, cost in days.items() if cost}
    )


# --- what may be spent ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "scope"),
    [
        (Caps(world_usd=1.0), Scope.WORLD),
        (Caps(issue_usd=1.0), Scope.ISSUE),
        (Caps(month_usd=1.0), Scope.MONTH),
        (Caps(world_usd=9.0, issue_usd=1.0, month_usd=9.0), Scope.ISSUE),
    ],
)
async def test_a_call_that_could_pass_a_cap_is_not_begun(
    journal: Path, caps: Caps, scope: Scope
) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, 0.75)
        refused = await ask(ledger, 0.375, caps)
        assert await total(ledger) == 0.75
        (line,) = await ledger.lines(By.MODEL)
        fits = await ask(ledger, 0.25, caps)

    assert refused == Spent(scope, 0.75, 0.375, 1.0)
    assert line.calls == 1
    assert isinstance(fits, Go)


async def test_what_costs_nothing_goes_also_when_all_is_spent(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        await paid(ledger, 2.0)
        verdict = await ask(ledger, 0.0, Caps(issue_usd=1.0))

    assert isinstance(verdict, Go)


async def test_a_call_waits_for_what_others_may_need_and_goes_once_they_need_less(
    journal: Path,
) -> None:
    caps = Caps(issue_usd=1.0)
    heard = []
    async with open_ledger(journal) as ledger:
        first = await begun(ledger, 0.75)
        waits = await ask(ledger, 0.5, caps, world="Beta")
        assert isinstance(waits, Wait)

        async def wait() -> None:
            await ledger.settled_since(waits.generation, 60)
            heard.append(await ask(ledger, 0.5, caps, world="Beta"))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert heard == []
            await ledger.settle(first, USAGE, 0.125)
        await ledger.settled_since(waits.generation, 60)  # was heard already: no waiting

    assert (waits.scope, waits.spent_usd, waits.reserved_usd) == (Scope.ISSUE, 0.0, 0.75)
    assert isinstance(heard[0], Go)


async def test_what_a_call_has_spent_of_its_worst_case_is_not_counted_twice(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        first = await begun(ledger, 0.75)
        await ledger.note(first, USAGE, 0.5)
        fits = await ask(ledger, 0.25, Caps(issue_usd=1.0))
        first_over = await begun(ledger, 0.25, world="Beta")
        await ledger.note(first_over, USAGE, 2.0)  # more than its worst case: then that counts
        spent = await ledger.spent("/repo", "issue-7", "r1")

    assert isinstance(fits, Go)
    assert spent.issue_usd == 2.5


async def test_sums_are_read_from_indexes(journal: Path) -> None:
    """Ten thousand calls are no reason to look at all of them."""
    from miyabi_tui.engine.costs.admission import _RESERVED, _SUMS

    async with open_ledger(journal) as ledger:
        await paid(ledger, 1.0)
    with closing(sqlite3.connect(ledger_path(journal))) as db:
        names = {"run_id": "", "world": "", "repo": "", "issue_key": "", "month": ""}
        plan = [
            row[3]
            for query in (_SUMS, _RESERVED)
            for row in db.execute(f"EXPLAIN QUERY PLAN {query}", names)
        ]

    assert "SCAN calls" not in plan
    assert sum("COVERING INDEX" in step for step in plan) == 2


SPENDER = """
import sys
from functools import partial
from pathlib import Path
import anyio
from miyabi_tui.engine.costs.entries import Call, Caps, Go
from miyabi_tui.engine.costs.ledger import open_ledger
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.store.lock import driving

journal, run, worst, cap, note = Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:6])
mine = Call(run_id=run, repo="/repo", issue_key="issue-7", title="t", world="Alpha", step=1,
            model="anthropic/claude")

async def main():
    async with open_ledger(journal) as ledger:
        print("ready", flush=True)
        sys.stdin.readline()
        begun = 0
        while True:
            verdict = await ledger.begin(mine, worst_usd=worst, floor_usd=0.0,
                                         caps=Caps(issue_usd=cap))
            if not isinstance(verdict, Go):
                break
            begun += 1
            if note:
                await ledger.note(verdict.id, Usage(10, 5), note)
        print(begun, type(verdict).__name__, flush=True)
        sys.stdin.readline()

with driving(journal, run):
    anyio.run(main)
"""


class Spender:
    """An engine in a process of its own that begins calls until it may not."""

    def __init__(
        self, journal: Path, run: str, *, worst: float, cap: float, note: float = 0.0
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SPENDER, str(journal), run, *map(str, (worst, cap, note))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __enter__(self) -> Spender:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_two_engines_never_pass_a_cap_together(journal: Path) -> None:
    with ExitStack() as stack:
        engines = [
            stack.enter_context(Spender(journal, run, worst=0.01, cap=1.0)) for run in ("r1", "r2")
        ]
        assert [one.says() for one in engines] == ["ready", "ready"]
        for one in engines:
            one.go_on()
        told = [one.says().split() for one in engines]

    assert sum(int(begun) for begun, _ in told) == 100
    assert [why for _, why in told] == ["Wait", "Wait"], "one may settle for less"


# --- processes that die ---------------------------------------------------------------------------


@pytest.fixture
def killed(journal: Path) -> Iterator[Spender]:
    """The engine of r1: one call noted at $0.25 of $0.75 at most, then kill -9."""
    with Spender(journal, "r1", worst=0.75, cap=0.75, note=0.25) as spender:
        assert spender.says() == "ready"
        spender.go_on()
        assert spender.says() == "1 Wait"
        spender.process.send_signal(signal.SIGKILL)
        spender.process.wait()
        yield spender


async def test_a_kill_in_mid_turn_leaves_the_estimate_and_reserves_nothing(
    journal: Path, killed: Spender
) -> None:
    async with open_ledger(journal) as ledger:
        spent = await ledger.spent("/repo", "issue-7", "r2")
        verdict = await ask(ledger, 0.75, Caps(issue_usd=1.0), run_id="r2")

    assert killed.process.returncode == -signal.SIGKILL
    assert (spent.earlier_runs, spent.earlier_usd, spent.estimated) == (1, 0.25, True)
    assert isinstance(verdict, Go)


async def test_who_goes_on_with_the_run_closes_what_was_left_open(
    journal: Path, killed: Spender
) -> None:
    async with open_ledger(journal) as ledger:
        with driving(journal, "r1"):
            fits = await ask(ledger, 0.75, Caps(issue_usd=1.0))  # nothing of before is reserved
            (dead,) = await ledger.close_dead("r1")
            assert await ledger.close_dead("r1") == []
        assert await total(ledger) == 0.25

    assert isinstance(fits, Go), "its own call is not taken for a dead one"
    assert (dead.call.run_id, dead.call.world, dead.call.step) == ("r1", "Alpha", 1)
    assert (dead.status, dead.cost_usd, dead.usage) == (
        Status.DISCARDED,
        0.25,
        Usage(10, 5, estimated=True),
    )
    assert dead.ended_at is not None and dead.ended_at >= dead.started_at


async def test_a_cancelled_engine_settles_its_call_and_never_loses_one(journal: Path) -> None:
    async with open_ledger(journal) as ledger:
        with anyio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(anyio.get_cancelled_exc_class()):
                await ask(ledger, 0.5)
        assert await total(ledger) == 0.0

        with closing(sqlite3.connect(ledger_path(journal), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            got = []
            async with anyio.create_task_group() as group:

                async def begin_and_settle() -> None:
                    verdict = await ask(ledger, 0.5)
                    assert isinstance(verdict, Go)
                    try:
                        got.append(verdict.id)
                        await anyio.sleep_forever()
                    finally:
                        await ledger.settle(verdict.id, USAGE, 0.125, Status.DISCARDED)

                group.start_soon(begin_and_settle)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()  # while its transaction waits for the other's
                other.execute("ROLLBACK")
        (line,) = await ledger.lines(By.MODEL)

    assert len(got) == 1
    assert (line.calls, line.cost_usd, line.answers) == (1, 0.125, 0)


# --- months ---------------------------------------------------------------------------------------


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def test_a_month_begins_at_midnight_here(journal: Path, tokyo: None) -> None:
    now = [datetime(2026, 10, 31, 23, 59, 59).timestamp()]
    caps = Caps(month_usd=1.0)
    async with open_ledger(journal, clock=lambda: now[0]) as ledger:
        await paid(ledger, 0.75)
        late = await begun(ledger, 0.25, caps)
        refused = await ask(ledger, 0.5, caps)
        now[0] += 1
        verdict = await ask(ledger, 1.0, caps)
        await ledger.settle(late, USAGE, 0.25)
        spent = await ledger.spent("/repo", "issue-7", "r1")
        october, november = await ledger.lines(By.MODEL, "2026-10"), await ledger.lines(By.DAY)

    assert isinstance(refused, Spent | Wait)
    assert isinstance(verdict, Go)
    assert verdict.spent.month_usd == 0.0
    assert (spent.month_usd, spent.issue_usd) == (0.0, 1.0)
    assert [line.cost_usd for line in october] == [1.0]
    assert [line.key for line in november] == ["2026-10-31", "2026-11-01"]


# --- the file -------------------------------------------------------------------------------------


async def test_nobody_else_can_read_it(journal: Path) -> None:
    before = os.umask(0o022)
    try:
        async with open_ledger(journal) as ledger:
            await paid(ledger, 1.0)
            modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in journal.parent.iterdir()}
            folder = stat.S_IMODE(journal.parent.stat().st_mode)
    finally:
        os.umask(before)

    assert folder == 0o700
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)


async def test_a_damaged_ledger_is_kept_aside_and_what_can_be_read_is_taken_over(
    journal: Path,
) -> None:
    async with open_ledger(journal) as ledger:
        for _ in range(30):
            await paid(ledger, 0.5, title="a long title " * 50)
    path = ledger_path(journal)
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)

    async with open_ledger(journal) as ledger:
        remark, kept = ledger.remark, await total(ledger)
        verdict = await ask(ledger, 1.0, Caps(month_usd=kept + 0.5))
        await paid(ledger, 1.0)
    async with open_ledger(journal) as ledger:
        assert ledger.remark == ""
        assert await total(ledger) == kept + 1.0
    aside, *_ = sorted(journal.parent.glob("ledger.db.corrupt-*"))  # and what belongs to it

    assert 0.0 < kept < 15.0
    assert isinstance(verdict, Spent), "what was taken over counts for the month"
    assert f"{aside}" in remark
    assert f"the {kept / 0.5:g} calls" in remark
    assert aside.read_bytes() == bytes(data)


async def test_what_is_damaged_is_not_touched_while_another_writes_to_it(journal: Path) -> None:
    with Spender(journal, "r9", worst=1.0, cap=1.0) as spender:
        assert spender.says() == "ready"
        ledger_path(journal).write_bytes(b"no database at all" * 500)
        with pytest.raises(StoreError, match="is damaged") as caught:
            async with open_ledger(journal):
                pass

    assert "run r9" in caught.value.cause
    assert not list(journal.parent.glob("*.corrupt*"))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("PRAGMA user_version = 99", "was written by a newer miyabi"),
        ("DROP TABLE calls", "is not a ledger of miyabi"),
    ],
)
async def test_what_is_newer_or_not_ours_is_left_alone(
    journal: Path, statement: str, says: str
) -> None:
    async with open_ledger(journal):
        pass
    with closing(sqlite3.connect(ledger_path(journal))) as db, db:
        db.execute(statement)
    before = ledger_path(journal).read_bytes()

    with pytest.raises(StoreError, match=says):
        async with open_ledger(journal):
            pass
    assert ledger_path(journal).read_bytes() == before


async def test_a_locked_ledger_is_an_error_that_says_so(journal: Path) -> None:
    async with open_ledger(journal, busy_seconds=0.0) as ledger:
        with closing(sqlite3.connect(ledger_path(journal), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="cannot write the ledger") as caught:
                await ask(ledger, 1.0)
            other.execute("ROLLBACK")
        assert isinstance(await ask(ledger, 1.0), Go)

    assert "another program has it locked" in caught.value.next_step
