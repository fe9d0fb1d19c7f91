"""The engine's end of the link: inside the engine's own loop, and never in its way."""

from __future__ import annotations

import logging
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.abc import SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from miyabi_tui import __version__
from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.link import place, wire
from miyabi_tui.engine.subscription import BufferedSubscription

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
    from pathlib import Path

    from anyio.abc import SocketListener, SocketStream, TaskGroup

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.store.journal import Journal

HELLO_SECONDS = 10.0
FAREWELL_SECONDS = 1.0  # for what watchers have not yet read when the run is over
REST_SECONDS = 0.2  # after a connection that could not be taken, say for want of descriptors
DIFFS_AT_ONCE = 2
RECORDS_AT_ONCE = 200
CHARACTERS_AT_ONCE = 200_000  # of output in one line

log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(
    control: Control, journal: Journal, bus: Bus, run_id: str, path: Path
) -> AsyncGenerator[None, None]:
    """Let other processes watch and steer the run, through the socket at `path`, meanwhile.

    A socket that cannot be opened is told in the run, which goes on without. Every watcher is told
    what happened up to the end of the body, if it reads; then the socket is gone.
    """
    async with anyio.create_task_group() as group:
        server = _Server(control, journal, bus, run_id, group)
        await server.open(path)
        try:
            yield
        finally:
            with anyio.move_on_after(FAREWELL_SECONDS, shield=True):
                await server.close(path)
            group.cancel_scope.cancel()


async def _listen(path: Path) -> SocketListener:
    """The socket; whatever was left of one is in nobody's use, as its run is driven by us."""
    place.make_folder(path.parent)
    with place.address(path) as name:
        return await anyio.create_unix_listener(name, mode=0o600)


class _Server:
    """All watchers of one run."""

    def __init__(
        self, control: Control, journal: Journal, bus: Bus, run_id: str, group: TaskGroup
    ) -> None:
        self._control = control
        self._journal = journal
        self._bus = bus
        self._run_id = run_id
        self._group = group
        self._watchers: set[_Watcher] = set()
        self._listener: SocketListener | None = None
        self._nobody = anyio.Event()
        self._hands = anyio.CapacityLimiter(4)  # threads of our own: the engine needs its own

    async def open(self, path: Path) -> None:
        """Begin to take watchers."""
        try:
            self._listener = await _listen(path)
        except OSError as error:
            self._group.start_soon(self._complain, error)
        else:
            self._group.start_soon(self._accept, self._listener)

    async def close(self, path: Path) -> None:
        """Take nobody more; return when every watcher has been told everything."""
        if self._listener is not None:
            await anyio.Path(path).unlink(missing_ok=True)
            await self._listener.aclose()
        self._nobody = anyio.Event()
        for watcher in self._watchers:
            watcher.subscription.end()
        if self._watchers:
            await self._nobody.wait()

    async def _complain(self, error: OSError) -> None:
        """Say that nobody can attach, once there is a run to say it in."""
        begun = anyio.Event()
        first = BufferedSubscription(begun.set)
        self._bus.subscribe(first)
        await begun.wait()
        self._bus.unsubscribe(first)
        text = f"no other terminal can attach to this run: {error}"
        self._bus.post(e.Notice(level=e.Level.WARNING, text=text))

    async def _accept(self, listener: SocketListener) -> None:
        """Take whoever comes, until the listener is closed."""
        while True:
            try:
                line = await listener.accept()
            except anyio.BrokenResourceError:
                await anyio.sleep(REST_SECONDS)
            except anyio.ClosedResourceError:
                return
            else:
                self._group.start_soon(self._take, line)

    async def _take(self, line: SocketStream) -> None:
        """One watcher, from its first word to its last; nothing it does reaches the engine."""
        async with line:
            try:
                await self._talk(line)
            except Exception as error:
                log.info("a watcher has gone: %r", error)

    async def _talk(self, line: SocketStream) -> None:
        if not place.is_ours(line.extra(SocketAttribute.raw_socket)):
            return
        lines = BufferedByteReceiveStream(line)
        with anyio.fail_after(HELLO_SECONDS):
            hello = wire.hello(await lines.receive_until(b"\n", wire.LINE_AT_MOST))
            if not wire.understood(hello):
                await line.send(wire.line(wire.Refused(program=__version__, pid=os.getpid())))
                return
            await line.send(wire.line(wire.Welcome(run_id=self._run_id)))
        watcher = _Watcher(line)
        self._watchers.add(watcher)
        self._bus.subscribe(watcher.subscription)
        try:
            async with anyio.create_task_group() as group:
                watcher.scope = group.cancel_scope
                group.start_soon(self._obey, watcher, lines, group)
                await self._tell(watcher, hello)
                group.cancel_scope.cancel()
        finally:
            self._bus.unsubscribe(watcher.subscription)
            self._watchers.discard(watcher)
            if not self._watchers:
                self._nobody.set()

    # --- telling ----------------------------------------------------------------------------------

    async def _tell(self, watcher: _Watcher, hello: wire.Hello) -> None:
        """The past from the journal, then what comes; the buffer already listens."""
        past = await self._journal.recent(self._run_id, characters=hello.characters)
        await watcher.send_records(one for one in past if one.seq > hello.after)
        last = max([hello.after, *(one.seq for one in past[-1:])])
        del past
        while True:
            news = watcher.listen()
            records = watcher.subscription.drain()
            await watcher.send_records(one for one in records if one.seq > last)
            if watcher.subscription.closed:
                return
            await news.wait()

    # --- obeying ----------------------------------------------------------------------------------

    async def _obey(
        self, watcher: _Watcher, lines: BufferedByteReceiveStream, group: TaskGroup
    ) -> None:
        """Do what the watcher says, in order, until it leaves or talks nonsense."""
        diffs = anyio.Semaphore(DIFFS_AT_ONCE)
        try:
            while True:
                said = wire.command(await lines.receive_until(b"\n", wire.LINE_AT_MOST))
                if isinstance(said, wire.DiffAsked):
                    await diffs.acquire()
                    group.start_soon(self._diff, watcher, said, diffs)
                else:
                    await anyio.to_thread.run_sync(self._do, said, limiter=self._hands)
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        except (anyio.DelimiterNotFound, msgspec.MsgspecError, UnicodeError) as error:
            log.info("a watcher was not understood: %r", error)
        group.cancel_scope.cancel()

    def _do(self, said: wire.Steering) -> None:
        match said:
            case wire.Steer(verb=verb, world=world):
                getattr(self._control, verb)(world)
            case wire.Ask(verb=verb):
                getattr(self._control, verb)()
            case wire.ForkOff(fork=fork):
                self._control.fork(fork)
            case wire.Say(world=world, text=text):
                self._control.tell(world, text)
            case wire.Reply(question=question, choice=choice, amount=amount):
                self._control.answer(question, choice, amount)

    async def _diff(self, watcher: _Watcher, asked: wire.DiffAsked, diffs: anyio.Semaphore) -> None:
        try:
            text = await self._read_diff(asked)
            answer = wire.DiffTold(number=asked.number, text=text)
        except MiyabiError as error:
            answer = wire.DiffTold(number=asked.number, error=str(error))
        finally:
            diffs.release()
        await watcher.send(answer)

    async def _read_diff(self, asked: wire.DiffAsked) -> str:
        def read() -> str:
            if asked.other is None:
                return self._control.diff(asked.world)
            return self._control.diff_between(asked.world, asked.other)

        return await anyio.to_thread.run_sync(read, limiter=self._hands, abandon_on_cancel=True)


class _Watcher:
    """One line, and what waits to be said on it."""

    def __init__(self, line: SocketStream) -> None:
        self.subscription = BufferedSubscription(self._notify)
        self.scope: anyio.CancelScope | None = None
        self._line = line
        self._turn = anyio.Lock()
        self._news = anyio.Event()

    def listen(self) -> anyio.Event:
        """An event that is set when something comes from now on."""
        self._news = anyio.Event()
        return self._news

    def _notify(self) -> None:
        self._news.set()
        if self.scope is not None and self.subscription.hopeless:
            self.scope.cancel()

    async def send(self, message: wire.Message) -> None:
        """Say it, as fast as the other side reads."""
        data = wire.line(message)
        async with self._turn:
            await self._line.send(data)

    async def send_records(self, records: Iterable[e.Record]) -> None:
        """Say all of these, in lines of a bounded size."""
        for some in _portions(records):
            await self.send(wire.Told(records=tuple(some)))


def _portions(records: Iterable[e.Record]) -> Iterator[Sequence[e.Record]]:
    some: list[e.Record] = []
    size = 0
    for one in records:
        some.append(one)
        size += len(one.event.text) if isinstance(one.event, e.Output) else 0
        if len(some) >= RECORDS_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some
