"""The book of calls as an engine uses it: in a thread, shared with other engines, never in the way.

If the shared book fails later on, the engine goes on with one of its own, and says so.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.models.limiter_bell import Bell
from miyabi_tui.engine.models.limiter_book import SCHEMA, VERSION, Account, Book, Call, Moved
from miyabi_tui.engine.models.limiter_windows import SECOND, WINDOW, Allowance
from miyabi_tui.engine.store.lock import alone
from miyabi_tui.engine.store.trouble import is_damage
from miyabi_tui.engine.store.worker import done

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from pathlib import Path

BUSY_SECONDS = 2.0  # a transaction takes a tenth of a millisecond: whoever has it longer is stuck
_PARTS = ("", "-wal", "-shm")


class Ticket(Call):
    """A call that a task of this engine waits for."""

    def __init__(self, account: str, allowance: Allowance, tokens: int) -> None:
        super().__init__(account, allowance, tokens)
        self.moved = anyio.Event()

    def move(self, at: int) -> None:
        """Take another moment, and wake who waits."""
        if at != self.at:
            self.at = at
            self.moved.set()


class LimitStore:
    """What the limiters of an engine stand on. Use `open_limits` or `limits_alone`.

    `trouble` says why the calls of other engines are not counted, None where they are.
    """

    def __init__(
        self,
        book: Book,
        bell: Bell | None,
        clock: Callable[[], float],
        window: int = WINDOW,
        on_trouble: Callable[[StoreError], None] | None = None,
    ) -> None:
        self.trouble: StoreError | None = None
        self.clock = clock
        self._book = book
        self._bell = bell
        self._shared = bell is not None
        self._window = window
        self._on_trouble = on_trouble
        self._tickets: dict[int, Ticket] = {}  # those that wait, and of the last minute
        self._known: dict[str, Account] = {}
        self._turn = anyio.Lock(fast_acquire=True)

    async def enter(self, ticket: Ticket) -> None:
        """Admit the ticket, or give it a moment; see `Book.enter`."""
        self._forget()
        await self._do(lambda book: book.enter(ticket))
        self._tickets[ticket.id] = ticket

    async def withdraw(self, ticket: Ticket) -> None:
        """Take the ticket back, whether it waited or was admitted and never used."""
        self._tickets.pop(ticket.id, None)
        if ticket.id:
            await self._do(lambda book: book.withdraw(ticket))

    async def settle(self, ticket: Ticket, used: int) -> None:
        """Count the tokens that were really used."""
        await self._do(lambda book: book.settle(ticket, used))

    async def tighten(self, account: str, limits: Allowance) -> None:
        """Note what the provider says its own limits are; 0 is what it does not say."""
        known = self._known.get(account, Account())
        told = Allowance(
            limits.requests or known.limits.requests, limits.tokens or known.limits.tokens
        )
        if told != known.limits:  # each answer says it again
            await self._do(lambda book: book.tighten(account, told))
            self._known[account] = known._replace(limits=told)

    async def hold(self, account: str, seconds: float) -> None:
        """Admit nobody of the account for `seconds`."""
        await self._do(lambda book: book.hold(account, seconds))
        now = int(self.clock() * SECOND)
        known = self._known.get(account, Account())
        until = max(known.held_until, now + int(seconds * SECOND))
        self._known[account] = known._replace(held_at=now, held_until=until)

    async def listen(self) -> None:
        """Hear what other engines moved: a task, until it is cancelled."""
        while self._bell is not None:
            await anyio.wait_readable(self._bell.socket)
            self._bell.silence()
            await self._do(Book.waiting)

    def close(self) -> None:
        """Close the book, when nobody uses it any more. Blocks for a moment."""
        self._book.close()

    async def _do(self, step: Callable[[Book], list[Moved]]) -> None:
        """Take a step in the book, and tell everybody whose moment is another then.

        Once it has begun it ends, also where the task is cancelled: in the book it is whole.
        """
        async with self._turn:
            if not self._shared:
                moved = step(self._book)  # in memory: it waits for nobody
            else:
                try:
                    moved = await done(lambda: self._step(step))
                except sqlite3.Error as error:
                    moved = self._go_on_alone(error)
                    moved += step(self._book)
        for one in moved:
            if ticket := self._tickets.get(one.id):
                ticket.move(one.at)

    def _step(self, step: Callable[[Book], list[Moved]]) -> list[Moved]:
        """Take the step, in a thread; the calls of this engine that it moved."""
        assert self._bell is not None
        moved = step(self._book)
        own = self._bell.name
        for owner in {one.owner for one in moved} - {own}:
            self._bell.ring(owner)
        return [one for one in moved if one.owner == own]

    def _go_on_alone(self, error: Exception) -> list[Moved]:
        """Begin a book of this engine's own with what it knows itself."""
        with suppress(sqlite3.Error):
            self._book.close()
        self._shared = False
        self._book = Book.in_memory(self.clock, window=self._window)
        self.trouble = _trouble("the shared rate limit cannot be kept", error)
        accounts = {one.account: Account() for one in self._tickets.values()} | self._known
        moved = self._book.restore(accounts, self._tickets.values())
        if self._on_trouble is not None:
            self._on_trouble(self.trouble)
        return moved

    def _forget(self) -> None:
        """Drop the tickets that count no more; they are in the order of their arrival."""
        past = int(self.clock() * SECOND) - self._window
        while self._tickets:
            first = next(iter(self._tickets.values()))
            if not first.admitted or first.at > past:
                break
            del self._tickets[first.id]


@contextmanager
def limits_alone(
    clock: Callable[[], float] = time.time, *, window: float = 60.0
) -> Iterator[LimitStore]:
    """A store that counts only this engine's calls; see `open_limits`."""
    length = int(window * SECOND)
    with closing(LimitStore(Book.in_memory(clock, window=length), None, clock, length)) as store:
        yield store


@asynccontextmanager
async def open_limits(
    path: Path,
    clock: Callable[[], float] = time.time,
    *,
    window: float = 60.0,
    busy_seconds: float = BUSY_SECONDS,
    on_trouble: Callable[[StoreError], None] | None = None,
) -> AsyncGenerator[LimitStore, None]:
    """Open the store at `path`, which all engines of this user share, making it on first use.

    Run its `listen` in a task, as long as it is open.
    `clock` is the wall clock in seconds, `window` the length of the windows in seconds, which must
    be the same in all engines. `on_trouble` is called, at most once, when the store fails later on:
    then the engine goes on with what it knows itself.

    Raises:
        StoreError: it cannot be used; `limits_alone` is what remains.
    """
    length = int(window * SECOND)
    async with AsyncExitStack() as stack:
        try:
            bell = await run_sync(Bell, path.with_name(f"{path.name}.bells"))
            stack.callback(bell.close)
            db = await run_sync(_open, path, busy_seconds)
        except (sqlite3.Error, OSError) as error:
            raise _trouble("cannot share the rate limit with other runs", error, path) from error
        book = Book(db, bell.name, clock, bell.hangs, window=length)
        store = LimitStore(book, bell, clock, length, on_trouble)
        stack.push_async_callback(_close, store)
        yield store


async def _close(store: LimitStore) -> None:
    with anyio.CancelScope(shield=True):
        await done(store.close)


def _open(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Open the file; a damaged one is put aside, as it is about one minute only."""
    with alone(path, busy_seconds):
        try:
            return _connect(path, busy_seconds)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        for part in _PARTS:
            with suppress(FileNotFoundError):
                os.replace(f"{path}{part}", f"{path}.damaged{part}")
        return _connect(path, busy_seconds)


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    with _closed_if_it_fails(db):
        db.execute("PRAGMA synchronous = NORMAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(
                f"{path} was written by a newer miyabi",
                f"it has version {version}, this program knows {VERSION}",
                "update miyabi, or set MIYABI_STATE_DIR to another folder",
            )
        if version == 0:
            db.execute("PRAGMA page_size = 1024")  # a step changes little: less to write
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)
        elif db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("malformed")
    return db


@contextmanager
def _closed_if_it_fails(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


def _trouble(title: str, error: Exception, path: Path | None = None) -> StoreError:
    where = f" in {path.parent}" if path else ""
    return StoreError(
        title,
        str(error),
        f"this run counts only its own calls; is there room, and may files be written{where}?",
    )
