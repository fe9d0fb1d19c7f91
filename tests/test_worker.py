"""The thread of the small files: in order, whole, and never in the way of the loop."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import anyio
import pytest

from miyabi_tui.engine.store.worker import done, hand_over

pytestmark = pytest.mark.anyio


async def test_what_was_handed_over_first_is_done_first_and_one_wait_is_enough() -> None:
    seen: list[int] = []
    for number in range(100):
        hand_over(partial(seen.append, number))  # nobody waits for these
    assert await done(lambda: len(seen)) == 100
    assert seen == list(range(100))


async def test_the_loop_goes_on_while_it_works_and_an_error_comes_to_who_asked() -> None:
    told = threading.Event()

    def fail() -> None:
        assert told.wait(10)  # by the loop, which must not wait for this
        raise LookupError("no")

    async def ask() -> None:
        with pytest.raises(LookupError, match="no"):
            await done(fail)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.lowlevel.checkpoint()
        told.set()
    assert await done(lambda: "still there") == "still there"


async def test_who_is_cancelled_waits_for_the_end_and_is_told_what_came_of_it() -> None:
    begun, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    def work() -> str:
        begun.set()
        assert go_on.wait(10)
        return "done"

    async def ask() -> None:
        got.append(await done(work))
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.to_thread.run_sync(begun.wait)
        group.cancel_scope.cancel()
        go_on.set()
    assert got == ["done"]


async def test_who_is_cancelled_before_hands_nothing_over() -> None:
    seen: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await done(lambda: seen.append("never"))
    await done(lambda: None)
    assert seen == []


def test_a_loop_that_ends_early_leaves_the_thread_to_the_next_one() -> None:
    go_on = threading.Event()

    async def leave() -> None:
        task = asyncio.ensure_future(done(partial(go_on.wait, 10)))
        await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leave())  # which cuts the task short, as no task group would
    go_on.set()
    assert anyio.run(done, lambda: "next") == "next"
