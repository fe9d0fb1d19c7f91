"""One thread for the files that every model call touches: the ledger, the rate limit, the cache.

Their steps take some ten microseconds each, less than it costs to hand them to anyio's pool of
threads. They are done in the order in which they were handed over, by whatever task. So who hands
over several needs to wait for the last one only, and wakes the thread and the loop only once.
"""

from __future__ import annotations

from asyncio import get_running_loop
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Generator

T = TypeVar("T")


class Job(Generic[T]):
    """Something that was handed over. It is done, whether somebody waits for it or not."""

    def __init__(self, act: Callable[[], T]) -> None:
        self._act = act
        self._loop = get_running_loop()
        self._waiter: Future[None] | None = None
        self._done = False
        self._result: T
        self._error: BaseException | None = None

    def __await__(self) -> Generator[Any, None, T]:
        """What came of it, or its exception; a cancelled caller waits, too."""
        return self._ended().__await__()

    async def _ended(self) -> T:
        if not self._done:
            waiter = self._waiter = self._loop.create_future()
            if not self._done:  # asked again: who does it may not have seen that somebody waits
                with anyio.CancelScope(shield=True):
                    await waiter
        if self._error is not None:
            raise self._error
        return self._result

    def run(self) -> None:
        """Do it, in the thread."""
        try:
            self._result = self._act()
        except BaseException as error:
            self._error = error
        self._done = True
        if self._waiter is not None:
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


_jobs: SimpleQueue[Job[object]] = SimpleQueue()
_starting = Lock()
_thread: Thread | None = None


def hand_over(act: Callable[[], T]) -> Job[T]:
    """Have it done in the thread, after all that was handed over before."""
    global _thread
    job = Job(act)
    if _thread is None:
        with _starting:
            if _thread is None:
                _thread = Thread(target=_work, name="small files", daemon=True)
                _thread.start()
    _jobs.put(job)  # type: ignore[arg-type]
    return job


async def done(act: Callable[[], T]) -> T:
    """Hand it over, unless this task is cancelled already, and wait for what comes of it."""
    await checkpoint_if_cancelled()
    return await hand_over(act)


def _work() -> None:
    while True:
        _jobs.get().run()
