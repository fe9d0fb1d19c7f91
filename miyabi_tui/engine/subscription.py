"""A reader's buffer between the engine's thread and its own."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Output

if TYPE_CHECKING:
    from miyabi_tui.engine.events import Record

BUFFERED_AT_MOST = 4_000_000  # characters of output a slow reader may be behind


class BufferedSubscription:
    """A reader's bounded buffer: lifecycle events are kept, output is joined and then dropped."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: deque[Record] = deque()
        self._size = 0
        self._ended = False

    def put(self, records: list[Record]) -> None:
        """Take in new records; called by the engine's thread."""
        with self._changed:
            for record in records:
                self._records.append(record)
                if isinstance(record.event, Output):
                    self._size += len(record.event.text)
            if self._size > BUFFERED_AT_MOST:
                self._shed()
            self._changed.notify_all()

    def _shed(self) -> None:
        """Drop the older half of the output; whoever reads so slowly could not show it anyway."""
        kept: deque[Record] = deque()
        surplus = self._size - BUFFERED_AT_MOST // 2
        for record in self._records:
            if isinstance(record.event, Output) and surplus > 0:
                surplus -= len(record.event.text)
                self._size -= len(record.event.text)
            else:
                kept.append(record)
        self._records = kept

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def drain(self) -> list[Record]:
        """See `Subscription.drain`."""
        with self._changed:
            records = list(self._records)
            self._records.clear()
            self._size = 0
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
