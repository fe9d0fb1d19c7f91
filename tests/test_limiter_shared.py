"""The rate limiter of several engines: processes that share one file, die, or lose the file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.models.limiter import Allowance, LimitStore, RateLimiter, open_limits
from miyabi_tui.engine.models.limiter_bell import Bell
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

ENGINE = """
import sys, anyio
from pathlib import Path
from miyabi_tui.engine.models.limiter import Allowance, RateLimiter, open_limits

path, window, requests, tokens, calls, used = sys.argv[1], *map(float, sys.argv[2:])

def say(*words):
    print(*words, flush=True)

async def call(limiter):
    async with limiter.place(int(tokens), lambda until: say("wait", until)) as place:
        say("at", place.since)
        if used >= 0:
            await anyio.to_thread.run_sync(sys.stdin.readline)
            await place.settle(int(used))

async def main():
    async with open_limits(Path(path), window=window) as store:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.listen)
            limiter = RateLimiter("account", Allowance(int(requests), 100), store)
            async with anyio.create_task_group() as callers:
                for _ in range(int(calls)):
                    callers.start_soon(call, limiter)
            tasks.cancel_scope.cancel()

anyio.run(main)
"""


def engine(path: Path, **options: float) -> subprocess.Popen[str]:
    """Another engine, that makes calls and says when it waits and when it goes."""
    values = {"window": 60.0, "requests": 0, "tokens": 10, "calls": 1, "used": -1} | options
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(path), *(str(value) for value in values.values())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


@asynccontextmanager
async def opened(path: Path, **options: object) -> AsyncGenerator[LimitStore]:
    async with open_limits(path, **options) as store, anyio.create_task_group() as tasks:  # type: ignore[arg-type]
        tasks.start_soon(store.listen)
        yield store
        tasks.cancel_scope.cancel()


def limiter(store: LimitStore, requests: int = 0, tokens: int = 0) -> RateLimiter:
    return RateLimiter("account", Allowance(requests, tokens), store)


def at_once(when: float) -> None:
    pytest.fail(f"it had to wait until {when}")


class Caller:
    """A call of this process, that waits in a task of its own."""

    def __init__(self, limiter: RateLimiter, tokens: int) -> None:
        self.waits: list[float] = []
        self.inside = anyio.Event()
        self._limiter = limiter
        self._tokens = tokens

    async def run(self) -> None:
        async with self._limiter.place(self._tokens, self.waits.append):
            self.inside.set()


# --- several processes ----------------------------------------------------------------------------


def test_two_engines_together_never_pass_the_limit(tmp_path: Path) -> None:
    window = 0.3
    both = [engine(tmp_path / "limits.db", window=window, requests=4, calls=10) for _ in range(2)]
    said = [line for process in both for line in process.communicate(timeout=30)[0].splitlines()]

    times = sorted(round(float(one[3:]) * 1e6) for one in said if one.startswith("at "))
    assert len(times) == 20
    for first, fifth in zip(times, times[4:], strict=False):
        assert fifth - first >= window * 1e6, "five within a window"


@pytest.mark.anyio
async def test_engines_wake_each_other(tmp_path: Path) -> None:
    with engine(tmp_path / "limits.db", tokens=100, used=10) as other:
        assert line(other)[0] == "at"
        async with opened(tmp_path / "limits.db") as store, anyio.create_task_group() as tasks:
            some = limiter(store, tokens=100)
            caller = Caller(some, 50)
            tasks.start_soon(caller.run)
            await until(lambda: bool(caller.waits))
            assert caller.waits[0] > time.time() + 30
            other.communicate("go on\n", timeout=20)  # it has used 10 of its 100
            with anyio.fail_after(10):
                await caller.inside.wait()

            with engine(tmp_path / "limits.db", tokens=70) as third:
                assert line(third)[0] == "wait"
                await some.hold(300)  # told at once to those that wait elsewhere
                assert float(line(third)[1]) > time.time() + 200
                third.kill()


@pytest.mark.anyio
async def test_one_that_is_killed_while_it_waits_leaves_its_place(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    async with opened(path) as store, anyio.create_task_group() as tasks:
        one = limiter(store, requests=1)
        async with one.place(1, at_once) as place:
            pass
        with engine(path, requests=1) as other:
            assert float(line(other)[1]) == pytest.approx(place.since + 60)
            second = Caller(one, 1)
            tasks.start_soon(second.run)
            await until(lambda: bool(second.waits))
            assert second.waits == [pytest.approx(place.since + 120)]
            other.kill()
        third = Caller(one, 1)
        tasks.start_soon(third.run)
        await until(lambda: bool(third.waits) and len(second.waits) > 1)
        assert third.waits == [pytest.approx(place.since + 120)]
        assert second.waits[1:] == [pytest.approx(place.since + 60)]
        tasks.cancel_scope.cancel()
    assert len(list((tmp_path / "limits.db.bells").iterdir())) == 0


@pytest.mark.anyio
async def test_cancelled_ones_leave_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    async with opened(path) as store:
        one = limiter(store, requests=1)
        async with one.place(1, at_once):
            for seconds in (0.0, 0.0005, 0.001, 0.002, 0.05):
                with anyio.move_on_after(seconds):
                    async with one.place(1, lambda when: None):
                        pytest.fail("there was no room")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (1,)


@pytest.mark.anyio
async def test_a_long_path_is_no_trouble_for_the_bells(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30) / "limits.db"
    async with opened(path) as store:
        bell = Bell(path.with_name("limits.db.bells"))
        async with limiter(store).place(1, at_once):
            assert all(bell.hangs(one.name) for one in path.with_name("limits.db.bells").iterdir())
        bell.close()


# --- trouble with the file ------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as db:
        db.execute("PRAGMA user_version = 9")
    tmp_path.joinpath("folder.db").mkdir()
    for name in ("file/limits.db", "newer.db", "folder.db"):
        with pytest.raises(StoreError) as caught:
            async with open_limits(tmp_path / name):
                pytest.fail("it cannot be used")
        assert caught.value.cause
        assert caught.value.next_step


@pytest.mark.anyio
async def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    async with opened(path) as store, limiter(store, requests=1).place(1, at_once):
        assert store.trouble is None
    assert path.with_name("limits.db.damaged").exists()
    async with opened(path) as store:
        caller = Caller(limiter(store, requests=1), 1)
        with anyio.move_on_after(0.05):
            await caller.run()
        assert caller.waits, "the new file is kept"


@pytest.mark.anyio
@pytest.mark.parametrize("sabotage", ["DROP TABLE calls", "BEGIN EXCLUSIVE"])
async def test_a_file_that_fails_later_does_not_end_the_run(tmp_path: Path, sabotage: str) -> None:
    path = tmp_path / "limits.db"
    told: list[StoreError] = []
    async with opened(path, busy_seconds=0.05, on_trouble=told.append) as store:
        two = limiter(store, requests=2, tokens=100)
        async with anyio.create_task_group() as tasks, two.place(100, at_once) as place:
            callers = [Caller(two, 40), Caller(two, 50), Caller(two, 60)]
            for caller in callers:
                tasks.start_soon(caller.run)
                await until(lambda caller=caller: bool(caller.waits))  # type: ignore[misc]
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute(sabotage)
                await place.settle(60)  # what this engine knows still counts, in the same order
                with anyio.fail_after(10):
                    await callers[0].inside.wait()
            assert store.trouble is not None
            assert told == [store.trouble]
            assert [caller.inside.is_set() for caller in callers] == [True, False, False]
            assert callers[1].waits == [pytest.approx(place.since + 60)]
            tasks.cancel_scope.cancel()
