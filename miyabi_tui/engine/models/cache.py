"""The response cache (REQ-COST-4): the last turns of all engines of a user, least used out first.

In memory over cachetools, kept in SQLite. It may save money and must never cost a run: a file that
is damaged is begun anew, one that cannot be used is done without, and `trouble` says why.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
import msgspec

from miyabi_tui.engine.models.cache_file import CacheFile
from miyabi_tui.engine.store.trouble import code
from miyabi_tui.engine.store.worker import Job, hand_over

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from cachetools import TLRUCache

DAY = 86_400.0
T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """A kept answer, and when it was made: seconds since the epoch."""

    answer: bytes
    created: float


class ResponseCache:
    """An open cache of answers by key. Use `open_cache`.

    `hits` and `misses` are of this process. `trouble` is why the file is not used, or was begun
    anew; empty where all is well.
    """

    def __init__(
        self, path: Path, entries: int, seconds: float, clock: Callable[[], float]
    ) -> None:
        from cachetools import TLRUCache

        self.hits = 0
        self.misses = 0
        self.trouble = ""
        self._seconds = seconds
        self._clock = clock
        self._file: CacheFile | None = CacheFile(path, entries, seconds)
        self._memory: TLRUCache[str, Entry] = TLRUCache(entries, self._expiry, timer=clock)

    def _expiry(self, _key: str, entry: Entry, _now: float) -> float:
        return entry.created + self._seconds

    @property
    def hit_rate(self) -> float:
        """The share of the answers that were asked for and found, 0 to 1."""
        return self.hits / max(1, self.hits + self.misses)

    async def open(self) -> None:
        """Open the file, or do without it."""
        self.trouble = await self._guarded(lambda file: file.open()) or self.trouble

    async def get(self, key: str) -> bytes | None:
        """The answer kept under `key`, None where there is none that is still valid."""
        entry, now = self._memory.get(key), self._clock()
        # Asked also for an entry in memory, since it is to know what is in use.
        found = await self._guarded(lambda file: file.get(key, now))
        if entry is None and found is not None:
            entry = self._memory[key] = Entry(*found)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        return entry.answer

    def put(self, key: str, answer: bytes) -> Job[None]:
        """Keep an answer; where there are too many, the one goes that was used least lately.

        It is on its way at once: only when it is on the disk must be waited for.
        """
        entry = Entry(answer, self._clock())
        self._memory[key] = entry
        return self._guarded(lambda file: file.put(key, entry.answer, entry.created))

    async def discard(self, key: str) -> None:
        """Forget an answer that was of no use, and count it as not found."""
        self.hits, self.misses = self.hits - 1, self.misses + 1
        self._memory.pop(key, None)
        await self._guarded(lambda file: file.discard(key))

    async def close(self) -> None:
        """Let go of the file."""
        with anyio.CancelScope(shield=True):
            await self._guarded(lambda file: file.close())
            self._file = None

    def _guarded(self, do: Callable[[CacheFile], T]) -> Job[T | None]:
        """Do something with the file in a thread; where that fails, perhaps go on without it."""

        def attempt() -> T | None:
            if self._file is None:
                return None
            try:
                return do(self._file)
            except (sqlite3.Error, OSError) as error:
                self.trouble = f"the response cache {self._file.path} is not used: {error}"
                if code(error) != sqlite3.SQLITE_BUSY:  # that passes; nothing else does
                    self._file.close()
                    self._file = None
                return None

        return hand_over(attempt)


@asynccontextmanager
async def open_cache(
    path: Path,
    entries: int = 1_000,
    days: float = 7.0,
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[ResponseCache, None]:
    """The cache kept at `path`, of at most `entries` answers not older than `days`.

    `clock` gives seconds since the epoch. Nothing is raised: what is wrong is in `trouble`.
    """
    cache = ResponseCache(path, entries, days * DAY, clock)
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()
