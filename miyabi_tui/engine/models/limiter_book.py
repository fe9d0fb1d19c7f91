"""The book of all calls of the last minute and of those that wait: SQLite, a transaction a step.

The same book serves one engine, in memory, or all engines of a user, in a file. Everything here
blocks, for about a tenth of a millisecond, and is meant for one thread at a time.

A call that waits has a row with its moment, so that what it will use is kept for it. A row whose
moment has passed still counts from that moment on: an engine that was stopped does not hold up the
others. When it comes back its call is looked at again, and gets its turn before those behind it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import astuple

from miyabi_tui.engine.models.limiter_windows import (
    SECOND,
    WINDOW,
    Allowance,
    Counted,
    Hold,
    Wanted,
    Windows,
    plan,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

VERSION = 1
NOTICED = SECOND // 10  # a moment that moves back by less is not told: it is seen when it has come
SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of arrival
    account TEXT NOT NULL,
    at INTEGER NOT NULL,                   -- microseconds since 1970: admitted then, or to be
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    admitted INTEGER NOT NULL,
    owner TEXT NOT NULL,
    max_requests INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL
);
CREATE INDEX admitted_calls ON calls (account, at, requests, tokens) WHERE admitted = 1;
CREATE INDEX waiting_calls ON calls (account, id) WHERE admitted = 0;
CREATE TABLE accounts (
    account TEXT PRIMARY KEY,
    requests INTEGER NOT NULL,             -- the provider's own limits, 0 where it told none
    tokens INTEGER NOT NULL,
    held_at INTEGER NOT NULL,
    held_until INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
_WAITING = (
    "SELECT id, at, tokens, owner, max_requests, max_tokens FROM calls"
    " WHERE account = ? AND admitted = 0 ORDER BY id"
)
_SUMS = (
    "SELECT coalesce(sum(requests), 0), coalesce(sum(tokens), 0), coalesce(max(at), 0)"
    " FROM calls WHERE account = ? AND admitted = 1"
)
_COUNTED = "SELECT at, requests, tokens FROM calls WHERE account = ? AND admitted = 1 ORDER BY at"
_FORGET = "DELETE FROM calls WHERE account = ? AND admitted = 1 AND at <= ?"
_FORGET_LATER = "DELETE FROM calls WHERE account = ? AND admitted = 1 AND at > ?"
_LESS = "UPDATE calls SET tokens = max(0, tokens - ?) WHERE id = ?"
_WRITE = "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LAST = 2**62  # stands for the id that a call which has none will get


class Call:
    """One call of this engine; `id` is 0 until it is in the book, `at` is its moment there."""

    def __init__(self, account: str, allowance: Allowance, tokens: int) -> None:
        self.account = account
        self.allowance = allowance
        self.tokens = tokens
        self.id = 0
        self.at = 0
        self.admitted = False


class Account(NamedTuple):
    """What is known of an account besides its calls; times in microseconds."""

    limits: Allowance = Allowance()
    held_at: int = 0
    held_until: int = 0


class Moved(NamedTuple):
    """A waiting call whose moment is another now."""

    id: int
    owner: str
    at: int


class _Row(NamedTuple):
    """The row of a call that was not admitted yet."""

    id: int
    at: int
    tokens: int
    owner: str
    max_requests: int
    max_tokens: int


class Book:
    """The book over an open connection in autocommit mode.

    `owner` names this engine, `lives` tells whether another does, `clock` is the wall clock in
    seconds, `window` the length of the windows in microseconds.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        owner: str,
        clock: Callable[[], float],
        lives: Callable[[str], bool],
        *,
        window: int = WINDOW,
    ) -> None:
        self._db = db
        self._owner = owner
        self._clock = clock
        self._lives = lives
        self._window = window

    @classmethod
    def in_memory(cls, clock: Callable[[], float], *, window: int = WINDOW) -> Book:
        """A book of this engine alone."""
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        db.executescript(SCHEMA)
        return cls(db, "", clock, lambda _: True, window=window)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    # Each of these returns the calls that have moved thereby, and raises sqlite3.Error.

    def enter(self, call: Call) -> list[Moved]:
        """Admit a call, if its moment is now; else find it one, after those who were before it.

        One that was dropped from the book meanwhile comes back to the place that it had.
        """
        with self._transaction() as now:
            moved, at = self._plan(call.account, now, call)
            id = self._write(call, call.id, at, at <= now)
        call.id, call.at, call.admitted = id, at, at <= now
        return moved

    def withdraw(self, call: Call) -> list[Moved]:
        """Take a call out as if it had never come: it does not wait any more, or used nothing."""
        with self._transaction() as now:
            self._db.execute("DELETE FROM calls WHERE id = ?", (call.id,))
            return self._plan(call.account, now)[0]

    def settle(self, call: Call, used: int) -> list[Moved]:
        """Count the tokens a call has really used; those above its estimate count from now on."""
        more = used - call.tokens
        with self._transaction() as now:
            if more > 0:
                row = (None, call.account, now, 0, more, 1, self._owner, 0, 0)
                self._db.execute(_WRITE, row)
            else:
                self._db.execute(_LESS, (-more, call.id))
            moved = self._plan(call.account, now)[0]
        call.tokens = used
        return moved

    def tighten(self, account: str, limits: Allowance) -> list[Moved]:
        """Note the provider's own limits; 0 leaves what it told before."""
        with self._transaction() as now:
            known = self._account(account, now)
            requests = limits.requests or known.limits.requests
            tokens = limits.tokens or known.limits.tokens
            self._note(account, known._replace(limits=Allowance(requests, tokens)))
            return self._plan(account, now)[0]

    def hold(self, account: str, seconds: float) -> list[Moved]:
        """Let nobody of the account go for `seconds` from now on; a longer hold stays."""
        with self._transaction() as now:
            known = self._account(account, now)
            until = max(known.held_until, now + int(seconds * SECOND))
            self._note(account, known._replace(held_at=now, held_until=until))
            return self._plan(account, now)[0]

    def restore(self, accounts: Mapping[str, Account], calls: Iterable[Call]) -> list[Moved]:
        """Take over what is known from another book."""
        with self._transaction() as now:
            for account, known in accounts.items():
                self._note(account, known)
            for call in calls:
                self._write(call, call.id, call.at, call.admitted)
            return [one for account in accounts for one in self._plan(account, now)[0]]

    def waiting(self) -> list[Moved]:
        """All calls of this engine that wait, with their moments."""
        query = "SELECT id, owner, at FROM calls WHERE admitted = 0 AND owner = ?"
        return [Moved(*row) for row in self._db.execute(query, (self._owner,))]

    # --- one transaction --------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[int]:
        """Be the only one in the book, at the moment that this gives."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._now()  # not read earlier: nobody writes an earlier moment after a later one
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _now(self) -> int:
        return round(self._clock() * SECOND)

    def _plan(self, account: str, now: int, mine: Call | None = None) -> tuple[list[Moved], int]:
        """Give all that wait their moments anew; those that moved, and the moment of `mine`."""
        rows = self._rows(account)
        own = _LAST if mine is None else mine.id or _LAST
        begin = now - self._window
        # Whose moment has come counts, unless it stands behind the one that takes its turn now.
        due = [row for row in rows if begin < row.at <= now and (mine is None or row.id < own)]
        queue = [row for row in rows if row.at > now or (begin < row.at and row.id > own)]
        if mine is not None:
            queue = [row for row in queue if row.id != own]
            queue.append(_Row(own, 0, mine.tokens, self._owner, *astuple(mine.allowance)))
            queue.sort()  # by their arrival
        if not queue:
            return [], now
        known = self._account(account, now)
        wanted = [Wanted(row.tokens, Allowance(*row[4:]).within(known.limits)) for row in queue]
        self._db.execute(_FORGET, (account, now - self._window))
        if not known.held_until and all(one.allowance == Allowance() for one in wanted):
            moments = [now] * len(wanted)  # no limit: nothing needs to be counted
        else:
            moments = self._moments(account, due, wanted, now, known.held_until)
        found = now
        moved: list[Moved] = []
        for row, at in zip(queue, moments, strict=True):
            if row.id == own:
                found = at
            elif at != row.at:
                self._db.execute("UPDATE calls SET at = ? WHERE id = ?", (at, row.id))
                if not row.at <= at < row.at + NOTICED:
                    moved.append(Moved(row.id, row.owner, at))
        return moved, found

    def _moments(
        self, account: str, due: list[_Row], wanted: list[Wanted], now: int, held_until: int
    ) -> list[int]:
        sums = self._sums(account, now)
        # Closed before the end of the transaction, or it would go on reading what is there now.
        with closing(self._db.execute(_COUNTED, (account,))) as admitted:
            windows, last = _windows(admitted, sums, due, self._window)
            return plan(windows, wanted, now, Hold(held_until, last))

    def _rows(self, account: str) -> list[_Row]:
        """The calls that were not admitted yet, without those whose engine is dead."""
        rows = [_Row(*row) for row in self._db.execute(_WAITING, (account,))]
        dead = {
            owner for owner in {row.owner for row in rows} - {self._owner} if not self._lives(owner)
        }
        for owner in dead:
            self._db.execute("DELETE FROM calls WHERE admitted = 0 AND owner = ?", (owner,))
        return [row for row in rows if row.owner not in dead]

    def _sums(self, account: str, now: int) -> tuple[int, int, int]:
        """The requests and tokens in the windows now, and when somebody went last."""
        sums: tuple[int, int, int] = self._db.execute(_SUMS, (account,)).fetchone()
        if sums[2] > now + self._window:  # the clock was set back: they would count for very long
            self._db.execute(_FORGET_LATER, (account, now))
            sums = self._db.execute(_SUMS, (account,)).fetchone()
        return sums

    def _account(self, account: str, now: int) -> Account:
        query = "SELECT requests, tokens, held_at, held_until FROM accounts WHERE account = ?"
        row = self._db.execute(query, (account,)).fetchone()
        if row is None:
            return Account()
        requests, tokens, held_at, held_until = row
        known = Account(Allowance(requests, tokens), held_at, held_until)
        if held_at > now + SECOND:  # the clock was set back: nobody knows when the hold ends
            known = Account(known.limits)
            self._note(account, known)
        return known

    def _note(self, account: str, known: Account) -> None:
        row = (account, *astuple(known.limits), known.held_at, known.held_until)
        self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)", row)

    def _write(self, call: Call, id: int, at: int, admitted: bool) -> int:
        """Write a call's row, over the one it may have; its id."""
        limits = astuple(call.allowance)
        row = (id or None, call.account, at, 1, call.tokens, admitted, self._owner, *limits)
        return self._db.execute(_WRITE, row).lastrowid or 0


def _windows(
    admitted: Iterable[tuple[int, int, int]],
    sums: tuple[int, int, int],
    due: list[_Row],
    length: int,
) -> tuple[Windows, int]:
    """The windows with all that counts in them, and when somebody went last."""
    requests, tokens, last = sums
    counted = (Counted(*row) for row in admitted)
    coming = sorted(Counted(row.at, 1, row.tokens) for row in due)
    windows = Windows(
        merge(counted, coming) if coming else counted,
        requests + len(coming),
        tokens + sum(one.tokens for one in coming),
        length=length,
    )
    return windows, max([last, *(one.at for one in coming)])
