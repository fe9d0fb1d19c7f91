"""The bus: events go into the journal in batches, and only then to whoever listens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
from msgspec.structs import replace

from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.events import Gauges, Output, Record, RunFinished, TurnMetered
from miyabi_tui.engine.masked_events import EventMasker

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.events import AnyEvent
    from miyabi_tui.engine.masking import Masker
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.store.journal import Journal
    from miyabi_tui.engine.subscription import BufferedSubscription
    from miyabi_tui.engine.worlds import WorldId

BATCH_SECONDS = 0.05
JOINED_AT_MOST = 65_536  # characters of output in one event


class Bus:
    """The one way into a run's journal, which nothing passes that `masker` knows as a secret.

    All but `subscribe` belongs to the engine's thread.
    """

    def __init__(
        self,
        run_id: str,
        journal: Journal,
        *,
        masker: Masker,
        seq: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.masker = masker
        self._run_id = run_id
        self._journal = journal
        self._clock = clock
        self._seq = seq
        self._pending: list[tuple[float, AnyEvent]] = []
        self._posted = 0
        self._done = 0
        self._joinable: dict[WorldId, int] = {}
        self._work = anyio.Event()
        self._urgent = anyio.Event()
        self._written = anyio.Event()
        self._closing = False
        self._closed = False
        self._over = False
        self._error: StoreError | None = None
        self._subscriptions: list[BufferedSubscription] = []
        self._events = EventMasker(self.masker)

    @property
    def state(self) -> RunState:
        """The run as the journal has it."""
        return self._journal.state(self._run_id)

    async def records(self) -> list[Record]:
        """All that happened so far but for the streams' text.

        Raises:
            StoreError: the journal cannot be read or written.
        """
        await self.flush()
        return await self._journal.records(self._run_id, streams=False)

    def subscribe(self, subscription: BufferedSubscription) -> None:
        """Deliver everything from now on to `subscription`."""
        self._subscriptions.append(subscription)

    def unsubscribe(self, subscription: BufferedSubscription) -> None:
        """Deliver nothing more to `subscription`."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def post(self, event: AnyEvent) -> None:
        """See `Publisher.post`. Neighbouring output of a world is joined while it waits.

        Nothing is measured any more once the run is over, and nothing taken once it is closed.
        """
        if self._closed or (self._over and isinstance(event, Gauges)):
            return
        self._over = self._over or isinstance(event, RunFinished)
        for one in self._events.take(event):
            self._put(one)
        if self._closing:
            self._put_rest()

    def _put_rest(self) -> None:
        for one in self._events.rest():
            self._put(one)

    def _put(self, event: AnyEvent) -> None:
        self._posted += 1
        if isinstance(event, Output):
            if self._join(event):
                return
            self._joinable[event.world] = len(self._pending)
        elif not isinstance(event, Gauges | TurnMetered) and (
            world := getattr(event, "world", None)
        ):
            self._joinable.pop(world, None)
        self._pending.append((self._clock(), event))
        self._work.set()

    def _join(self, event: Output) -> bool:
        index = self._joinable.get(event.world)
        if index is None:
            return False
        at, last = self._pending[index]
        if (
            not isinstance(last, Output)
            or last.channel is not event.channel
            or last.call_id != event.call_id
            or len(last.text) + len(event.text) > JOINED_AT_MOST
        ):
            return False
        self._pending[index] = (at, replace(last, text=last.text + event.text))
        return True

    async def emit(self, event: AnyEvent) -> None:
        """See `Publisher.emit`."""
        self.post(event)
        await self.flush()

    async def flush(self) -> None:
        """Return when everything posted so far is in the journal and delivered.

        Raises:
            StoreError: the journal cannot be written.
        """
        target = self._posted
        while self._done < target:
            if self._error is not None:
                raise self._error
            if self._closed:
                return
            written = self._written
            self._urgent.set()
            await written.wait()

    async def run(self) -> None:
        """Write and deliver until `close`; the one writer.

        Raises:
            StoreError: the journal cannot be written; whoever waits in `emit` is told the same.
        """
        try:
            while not (self._closing and not self._pending):
                await self._work.wait()
                if not self._closing:
                    with anyio.move_on_after(BATCH_SECONDS):
                        await self._urgent.wait()
                await self._write()
        finally:
            self._closed = True
            self._written.set()

    async def _write(self) -> None:
        batch, self._pending = self._pending, []
        posted = self._posted
        self._joinable.clear()
        self._work, self._urgent = anyio.Event(), anyio.Event()
        if self._closing:
            self._work.set()
        if not batch:
            return
        records = [
            Record(seq, at, event) for seq, (at, event) in enumerate(batch, start=self._seq + 1)
        ]
        try:
            with anyio.CancelScope(shield=True):
                await self._journal.append(self._run_id, records)
                self._done = posted
        except StoreError as error:
            self._error = error
            raise
        finally:
            written, self._written = self._written, anyio.Event()
            written.set()
        self._seq += len(records)
        for subscription in self._subscriptions:
            subscription.put(records)

    def close(self) -> None:
        """Write what is left and end `run`."""
        if not self._closed:
            self._put_rest()
        self._closing = True
        self._work.set()
        self._urgent.set()
