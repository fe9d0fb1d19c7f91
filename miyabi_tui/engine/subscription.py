"""A reader's buffer between the engine's thread and its own."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Gauges, Output, TurnMetered, world_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.events import Record

BUFFERED_AT_MOST = 4_000_000  # characters of output a slow reader may be behind
OVERHEAD = 200  # counted for each piece of output, so that many small ones are bounded too
KEPT_AT_MOST = 10_000  # other events; whoever is further behind has stopped reading


class BufferedSubscription:
    """A reader's bounded buffer: lifecycle events are kept, output is joined and then dropped.

    `notify` is called, in the thread of whoever puts, after something came or the end did.
    """

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        self._changed = threading.Condition()
        self._notify = notify
        self._records: deque[Record] = deque()
        self._size = 0
        self._kept = 0
        self._ended = False

    def put(self, records: list[Record]) -> None:
        """Take in new records; called by the engine's thread."""
        with self._changed:
            for record in records:
                self._take(record)
            if self._size > BUFFERED_AT_MOST:
                self._shed()
            self._changed.notify_all()
        if self._notify is not None:
            self._notify()

    def _take(self, record: Record) -> None:
        if isinstance(record.event, Output):
            self._size += _size(record.event)
        elif isinstance(record.event, Gauges | TurnMetered):
            # Of what is measured over and over, a reader wants the last.
            if self._records and _measures_the_same(self._records[-1], record):
                self._records[-1] = record
                return
            self._kept += 1
        else:
            self._kept += 1
        self._records.append(record)

    def _shed(self) -> None:
        """Drop the older half of the output; whoever reads so slowly could not show it anyway."""
        records, self._records = self._records, deque()
        surplus = self._size - BUFFERED_AT_MOST // 2
        self._size = self._kept = 0
        for record in records:
            if isinstance(record.event, Output) and surplus > 0:
                surplus -= _size(record.event)
            else:
                self._take(record)

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._notify is not None:
            self._notify()

    def drain(self) -> list[Record]:
        """See `Subscription.drain`."""
        with self._changed:
            records = list(self._records)
            self._records.clear()
            self._size = self._kept = 0
            return records

    def wait(self, timeout: float | None = None) -> bool:
        """See `Subscription.wait`."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._records) or self._ended, timeout)

    @property
    def closed(self) -> bool:
        """See `Subscription.closed`."""
        with self._changed:
            return self._ended and not self._records

    @property
    def hopeless(self) -> bool:
        """Whether the reader is so far behind that it had better begin anew."""
        with self._changed:
            return self._kept > KEPT_AT_MOST


def _measures_the_same(before: Record, now: Record) -> bool:
    kinds = type(before.event) is type(now.event)
    return kinds and world_of(before.event) is world_of(now.event)


def _size(output: Output) -> int:
    return len(output.text) + OVERHEAD
