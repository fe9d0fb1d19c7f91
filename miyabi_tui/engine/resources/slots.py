"""The places for heavy work: a world that runs commands, builds or tests takes one.

A world has one place, however many commands it runs in it, so that a command which needs another
one of its own world never waits for itself. Worlds wait in one queue, in the order in which they
asked: one that has just had a place is behind all that wait. All is for the engine's thread.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    OnWait = Callable[[str], None]


FIRST_WORD_SECONDS = 0.5  # of waiting, before it is worth a word
BETWEEN_SECONDS = 1.0  # from one word to the next
SLACK_SECONDS = 1e-6  # a timer may come that much too early


class _Asker:
    """One command that wants to run, or does. It is woken at `due` to look again.

    What it is to say changes whenever the queue moves: it says the latest, at its own pace.
    """

    def __init__(self, on_wait: OnWait) -> None:
        self.inside = False
        self.admitted = anyio.Event()
        self.told = ""
        self._to_tell = ""
        self._on_wait = on_wait
        self._speaks_at = anyio.current_time() + FIRST_WORD_SECONDS
        self._due = math.inf
        self._scope = anyio.CancelScope()

    def tell(self, text: str) -> None:
        """Say what it waits for as soon as that may be said; "" where nothing is worth a word."""
        self._to_tell = text
        self._speak()
        self._set()

    def end(self) -> None:
        """Say that it waits no longer, if it said that it does."""
        if self.told:
            self.told = ""
            self._on_wait("")

    def wake_at(self, due: float) -> None:
        """Let `wait` return at that moment of the loop's time, admitted or not."""
        self._due = due
        self._set()

    def admit(self) -> None:
        """Let it run."""
        self.inside = True
        self.admitted.set()

    async def wait(self) -> None:
        """Return when it is admitted, or due."""
        self._scope = anyio.CancelScope()
        self._set()
        with self._scope:
            await self.admitted.wait()
        self._due = math.inf
        if not self.inside:
            self._speak()

    def _speak(self) -> None:
        now = anyio.current_time()
        if self._to_tell != self.told and now >= self._speaks_at - SLACK_SECONDS:
            self.told, self._speaks_at = self._to_tell, now + BETWEEN_SECONDS
            self._on_wait(self.told)

    def _set(self) -> None:
        speaks = self._speaks_at if self._to_tell != self.told else math.inf
        self._scope.deadline = min(self._due, speaks)


class _Holder:
    """A world that has a place since a moment of the loop's time. An idle one does not count."""

    def __init__(self) -> None:
        self.commands = 0
        self.idle = False
        self.since = anyio.current_time()


class Slots:
    """So many places (None: no limit at all), and the queue for them.

    Two worlds begin `stagger_seconds` apart at least. What runs is never interrupted: with fewer
    places, or when a world works again that had lent its own, more may run than there are places
    until something ends.
    """

    def __init__(self, size: int | None, stagger_seconds: float = 0.0) -> None:
        self._size = size
        self._stagger = stagger_seconds
        self._next_start = -math.inf
        self._held = ""
        self._holders: dict[str, _Holder] = {}
        self._queue: dict[str, list[_Asker]] = {}  # in the order of the worlds' first askers
        self._paused: set[str] = set()

    @property
    def size(self) -> int | None:
        """How many places there are."""
        return self._size

    @property
    def holders(self) -> tuple[str, ...]:
        """The worlds that have a place, lent or not."""
        return tuple(self._holders)

    @property
    def used(self) -> int:
        """How many places are taken: those that are lent are not."""
        return sum(
            not one.idle and world not in self._paused for world, one in self._holders.items()
        )

    @property
    def waiting(self) -> tuple[str, ...]:
        """The worlds in the queue, the next one first."""
        return tuple(self._queue)

    @property
    def held(self) -> str:
        """Why nobody may begin; empty if they may."""
        return self._held

    def since(self, world: str) -> float | None:
        """The moment of the loop's time when the world got its place; None if it has none."""
        holder = self._holders.get(world)
        return holder.since if holder else None

    @asynccontextmanager
    async def slot(self, world: str, on_wait: OnWait) -> AsyncGenerator[None]:
        """Have a place of the world while in here; wait for it first, where there is none.

        `on_wait` hears what it waits for, in words, but not in the first half second and at most
        once a second, and "" when it is over, if it heard anything. Of several commands of a world
        the first one's hears it. It must neither fail nor wait.
        """
        asker = _Asker(on_wait)
        self._enter(world, asker)
        try:
            while not asker.inside:
                await asker.wait()
                self._advance()
            asker.end()
            yield
        finally:
            self._leave(world, asker)

    def resize(self, size: int) -> None:
        """Have so many places from now on, at least one."""
        self._size = max(1, size)
        self._advance()

    def hold(self, reason: str) -> None:
        """Let nobody begin until `release`; memory runs short, as the reason says in words."""
        self._held = reason
        self._advance()

    def release(self) -> None:
        """Let them begin again."""
        self._held = ""
        self._advance()

    def lend(self, world: str) -> None:
        """The world's commands do nothing at the moment: others may have its place meanwhile."""
        if holder := self._holders.get(world):
            holder.idle = True
            self._advance()

    def reclaim(self, world: str) -> None:
        """The world's commands work again."""
        if holder := self._holders.get(world):
            holder.idle = False
            self._advance()

    def pause(self, world: str) -> None:
        """The world stands still: it lends its place, and takes none though it be its turn."""
        self._paused.add(world)
        self._advance()

    def proceed(self, world: str) -> None:
        """The world goes on after a pause; it is where it was in the queue."""
        self._paused.discard(world)
        self._advance()

    def _enter(self, world: str, asker: _Asker) -> None:
        if world in self._holders or self._size is None:
            self._admit(world, asker)
        else:
            self._queue.setdefault(world, []).append(asker)
        self._advance()

    def _leave(self, world: str, asker: _Asker) -> None:
        if asker.inside:
            holder = self._holders[world]
            holder.commands -= 1
            if not holder.commands:
                del self._holders[world]
        else:
            self._queue[world].remove(asker)
            if not self._queue[world]:
                del self._queue[world]
        asker.end()
        self._advance()

    def _admit(self, world: str, asker: _Asker) -> None:
        holder = self._holders.setdefault(world, _Holder())
        holder.commands += 1
        holder.idle = False
        asker.admit()

    @property
    def _free(self) -> float:
        """How many may begin as far as places go."""
        if self._held:
            return 0
        return math.inf if self._size is None else max(0, self._size - self.used)

    def _ready(self) -> Iterator[str]:
        """The worlds that could use a place, the next one first."""
        return (world for world in self._queue if world not in self._paused)

    def _advance(self) -> None:
        """Let begin who may, and tell the others where they are."""
        now = anyio.current_time()
        while self._free and now >= self._next_start and (world := next(self._ready(), None)):
            for asker in self._queue.pop(world):
                self._admit(world, asker)
            self._next_start = now + self._stagger
        ready, free = list(self._ready()), self._free
        for place, world in enumerate(ready):
            speaker, *others = self._queue[world]
            if self._held:
                speaker.tell(f"waiting for memory ({self._held})")
            elif place >= free or speaker.told:  # else it is but a moment, not worth a word
                speaker.tell(f"waiting for a slot ({place + 1} of {len(ready)})")
            else:
                speaker.tell("")
            for asker in (speaker, *others):
                asker.wake_at(self._next_start if free and not place else math.inf)
