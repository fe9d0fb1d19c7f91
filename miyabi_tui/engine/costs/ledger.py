"""The ledger: every model call of this user and what it costs, in an SQLite file of its own.

It is apart from the journal so that neither suffers from the other's damage. A call is in it before
it is made, with the least that it costs; what it costs is noted while the turn streams. So what was
spent is known also after a kill. A call counts for the day and the month in which it began, in the
local time of this machine then. Recorded turns are not billed, and have no place in here.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.to_thread import run_sync

from miyabi_tui.engine.costs import admission, past, report, rows
from miyabi_tui.engine.costs.entries import (
    Call,
    Caps,
    Entry,
    Spending,
    Status,
    Verdict,
    dollars,
)
from miyabi_tui.engine.costs.filing import connect, prepare
from miyabi_tui.engine.store.trouble import store_error
from miyabi_tui.engine.store.worker import Job, done, hand_over

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from pathlib import Path

    from miyabi_tui.engine.models.base import Usage

__all__ = ["Ledger", "ledger_path", "open_ledger"]

BUSY_SECONDS = 10.0
Result = TypeVar("Result")


class Ledger:
    """An open ledger, one for each engine. Use `open_ledger`.

    `remark` is what the person should know about its opening, empty where all was well.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        path: Path,
        journal: Path,
        owner: str,
        clock: Callable[[], float],
        remark: str,
    ) -> None:
        self.remark = remark
        self._db = db
        self._path = path
        self._journal = journal
        self._owner = owner
        self._clock = clock
        self._generation = 0
        self._changed = anyio.Event()

    async def begin(
        self, call: Call, *, worst_usd: float | None, floor_usd: float | None, caps: Caps
    ) -> Verdict:
        """Ask to make a call; with `Go` it is in the ledger, and must be settled or discarded.

        `worst_usd` is what it costs at most: reserved while it is open. `floor_usd`, what its input
        alone costs, counts as spent from now on. Both are US dollars, and None where the price is
        unknown: nothing can be weighed then, and the call goes; so does one that costs nothing.

        Raises:
            StoreError: the ledger cannot be written; the call should not be made.
        """
        wish = self._wish(call, worst_usd, floor_usd, caps)
        return await self._in_turn(
            "write", lambda: self._written(lambda: admission.admit(self._db, self._journal, wish))
        )

    async def note(self, id: int, usage: Usage, cost_usd: float | None) -> None:
        """What an open call has cost so far, so that it is known if this process dies now.

        Raises:
            StoreError: the ledger cannot be written.
        """
        values = rows.counted(id, usage, cost_usd) | {
            "status": Status.OPEN,
            "ended_at": None,
            "estimated": True,
        }
        await self._in_turn("write", lambda: self._db.execute(rows.COUNT, values))

    def settle(
        self,
        id: int,
        usage: Usage,
        cost_usd: float | None,
        status: Status = Status.FINISHED,
        *,
        estimated: bool = False,
    ) -> Awaitable[None]:
        """The bill of an open call; None where its price is unknown. Not cut short by a cancel.

        It is on its way at once; only when it is on the disk must be waited for. What was refused
        before it cost anything is `DISCARDED` with no usage and 0.0. A call that is closed already
        stays as it is.

        Raises:
            StoreError: the ledger cannot be written.
        """
        values = rows.counted(id, usage, cost_usd) | {
            "status": status,
            "ended_at": self._clock(),
            "estimated": estimated or usage.estimated,
        }
        return self._closed(hand_over(lambda: self._db.execute(rows.COUNT, values)))

    async def discard(self, id: int) -> None:
        """An open call has failed: what was noted last stands, as an estimate. See `settle`.

        Raises:
            StoreError: the ledger cannot be written.
        """
        values = (self._clock(), id)
        await self._closed(hand_over(lambda: self._db.execute(rows.DISCARD, values)))

    async def cached(self, call: Call, usage: Usage) -> int:
        """Enter a turn that the response cache answered: its tokens, and no cost; its id.

        Raises:
            StoreError: the ledger cannot be written.
        """
        wish = self._wish(call, None, None, Caps())
        return await self._in_turn(
            "write",
            lambda: admission.insert(
                self._db, wish, Status.CACHED, cost_nano=0, tokens=rows.tokens(usage)
            ),
        )

    async def close_dead(self, run_id: str) -> list[Entry]:
        """Discard what an earlier engine of this run left open; what it had noted stands.

        Only for who drives the run. The calls, as they are now.

        Raises:
            StoreError: the ledger cannot be written.
        """

        def close() -> list[Entry]:
            ids = [id for (id,) in self._db.execute(rows.DEAD, (run_id, self._owner)).fetchall()]
            now = self._clock()
            self._db.executemany(rows.DISCARD, [(now, id) for id in ids])
            return [rows.entry(self._db.execute(rows.ENTRY, (id,)).fetchone()) for id in ids]

        return await self._in_turn("write", lambda: self._written(close))

    async def spent(self, repo: str, issue_key: str, run_id: str) -> Spending:
        """What an issue and one run of it have cost, and the present month over everything.

        Raises:
            StoreError: the ledger cannot be read.
        """
        values = {
            "repo": repo,
            "issue_key": issue_key,
            "run_id": run_id,
            "month": day_of(self._clock())[:7],
        }
        issue, run, earlier, unknown, estimated, month = await self._in_turn(
            "read", lambda: self._db.execute(rows.SPENT, values).fetchone()
        )
        return Spending(
            run_usd=dollars(run),
            issue_usd=dollars(issue),
            month_usd=dollars(month),
            earlier_runs=earlier,
            earlier_usd=dollars(issue - run),
            unknown_calls=unknown or 0,
            estimated=bool(estimated),
        )

    async def lines(self, by: report.By, month: str = "") -> list[report.Line]:
        """The calls of a month like 2026-11, or all of them, added up.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return await self._in_turn("read", lambda: report.lines(self._db, by, month))

    async def past_worlds(self) -> list[past.WorldCost]:
        """What the worlds of past runs have cost, the newest first.

        Raises:
            StoreError: the ledger cannot be read.
        """
        return await self._in_turn("read", lambda: past.worlds(self._db))

    async def settled_since(self, generation: int, at_most: float) -> None:
        """Return once a call of this engine has closed since that `Wait`, to ask again.

        After `at_most` seconds in any case: other engines' calls are not heard of.
        """
        if self._generation == generation:
            with anyio.move_on_after(at_most):
                await self._changed.wait()

    def _wish(
        self, call: Call, worst_usd: float | None, floor_usd: float | None, caps: Caps
    ) -> admission.Wish:
        now = self._clock()
        return admission.Wish(
            call=call,
            owner=self._owner,
            day=day_of(now),
            at=now,
            worst_usd=worst_usd,
            floor_usd=floor_usd,
            caps=caps,
            generation=self._generation,
        )

    async def _closed(self, job: Job[sqlite3.Cursor]) -> None:
        await self._known("write", job)
        self._generation += 1
        self._changed.set()
        self._changed = anyio.Event()

    async def _in_turn(self, doing: str, act: Callable[[], Result]) -> Result:
        """Do it in a thread, one after another; a cancelled caller waits for what has begun."""
        return await self._known(doing, done(act))

    async def _known(self, doing: str, outcome: Awaitable[Result]) -> Result:
        """What comes of it, with its errors as a person knows them."""
        try:
            return await outcome
        except sqlite3.Error as error:
            raise store_error(doing, self._path, error, "the ledger") from error

    def _written(self, act: Callable[[], Result]) -> Result:
        """Do it in one transaction that has the ledger for itself from its beginning."""
        with _transaction(self._db):
            return act()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def day_of(at: float) -> str:
    """The day of a Unix time in this machine's local time: 2026-11-22."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def ledger_path(journal: Path) -> Path:
    """The ledger's place: next to the journal."""
    return journal.with_name("ledger.db")


@asynccontextmanager
async def open_ledger(
    journal: Path,
    *,
    owner: str = "",
    clock: Callable[[], float] = time.time,
    busy_seconds: float = BUSY_SECONDS,
) -> AsyncGenerator[Ledger, None]:
    """Open the ledger next to `journal`, making it on first use.

    `owner` marks the calls of this engine, so that a later one of the same run knows them from its
    own; it is made up where none is given. `busy_seconds` is how long another program that has the
    ledger locked is waited for. A damaged one is kept aside: `Ledger.remark` says so.

    Raises:
        StoreError: it cannot be opened, or a newer version wrote it (then it is left untouched).
    """
    path = ledger_path(journal)

    def open_it() -> tuple[str, sqlite3.Connection]:
        remark = prepare(path, journal, busy_seconds)
        db = connect(path, busy_seconds)
        db.execute("PRAGMA synchronous = NORMAL")
        return remark, db

    try:
        remark, db = await run_sync(open_it)
    except (sqlite3.Error, OSError) as error:
        raise store_error("open", path, error, "the ledger") from error
    try:
        yield Ledger(db, path, journal, owner or secrets.token_hex(8), clock, remark)
    finally:
        with anyio.CancelScope(shield=True):
            await hand_over(db.close)
