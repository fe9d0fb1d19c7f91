"""A run watched and steered from outside of its engine, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
import msgspec
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine import subscription as buffering
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.link import place, wire
from miyabi_tui.engine.link.client import RemoteControl
from miyabi_tui.engine.link.line import OtherVersion
from miyabi_tui.engine.link.server import serving
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.store.lock import driving
from miyabi_tui.engine.subscription import BufferedSubscription
from miyabi_tui.engine.worlds import Effort, WorldId
from tests import racing
from tests.test_journal import started

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from miyabi_tui.engine.control import Control, Subscription

ALPHA, BETA = WorldId.ALPHA, WorldId.BETA
RUN = "cafe0001"


class Recorder:
    """A control that only notes what is asked of it."""

    attached = False

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, verb: str) -> Callable[..., None]:
        return lambda *args: self.asked.append((verb, *args))

    def diff(self, world: WorldId) -> str:
        return f"the diff of {world}\n"

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        return f"from {one} to {other}\n"


class Served:
    """A journal, a bus and a socket, without a race."""

    def __init__(self, journal: Path, bus: Bus, control: Recorder) -> None:
        self.journal = journal
        self.bus = bus
        self.control = control
        self.path = place.socket_path(journal, RUN)

    def watch(self) -> tuple[RemoteControl, BufferedSubscription]:
        """A watcher that listens."""
        remote = RemoteControl(self.journal, RUN).__enter__()
        subscription = remote.subscribe()
        remote.start()
        return remote, subscription

    async def said(self, text: str) -> None:
        await self.bus.emit(e.Output(world=ALPHA, channel=e.Channel.TEXT, text=text))


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[Served, None]:
    journal = folder / "miyabi.db"
    control = Recorder()
    async with open_journal(journal) as open_one, anyio.create_task_group() as group:
        bus = Bus(RUN, open_one, masker=Masker())
        group.start_soon(bus.run)
        with driving(journal, RUN):
            path = place.socket_path(journal, RUN)
            async with serving(cast("Control", control), open_one, bus, RUN, path):
                await bus.emit(started(RUN))
                yield Served(journal, bus, control)
                await bus.emit(e.RunFinished(status=e.RunStatus.MERGED))
        bus.close()


async def everything(subscription: Subscription) -> list[e.Record]:
    """All records up to the end."""
    found: list[e.Record] = []
    while not subscription.closed:
        assert await anyio.to_thread.run_sync(subscription.wait, 20)
        found += subscription.drain()
    return found


def has(text: str, records: list[e.Record]) -> int:
    return sum(isinstance(one.event, e.Output) and one.event.text == text for one in records)


async def until_seen(subscription: Subscription, text: str) -> list[e.Record]:
    found: list[e.Record] = []
    while not has(text, found):
        assert await anyio.to_thread.run_sync(subscription.wait, 20)
        assert not subscription.closed, f"ended without {text!r}"
        found += subscription.drain()
    return found


@pytest.mark.anyio
async def test_whoever_comes_late_sees_all_of_it_and_nothing_twice(tmp_path: Path) -> None:
    async with served(tmp_path) as run:
        await run.said("before anybody came")
        first, early = await anyio.to_thread.run_sync(run.watch)
        for number in range(450):  # more than goes into one line
            run.bus.post(e.Notice(level=e.Level.INFO, text=str(number)))
        await run.said("in between")
        second, late = await anyio.to_thread.run_sync(run.watch)
        await run.said("at the end")
    for watcher, subscription in ((first, early), (second, late)):
        records = await everything(subscription)
        assert [one.seq for one in records] == list(range(1, len(records) + 1))
        assert [has(text, records) for text in ("before anybody came", "at the end")] == [1, 1]
        assert fold(records).status is e.RunStatus.MERGED
        assert len(fold(records).notices) == 450
        watcher.leave()


@pytest.mark.anyio
async def test_every_command_arrives_as_it_was_given(tmp_path: Path) -> None:
    fork = Fork(source=ALPHA, step=3, extra=True, effort=Effort.HIGH, added="mind\nthe gap")
    async with served(tmp_path) as run:
        remote, subscription = await anyio.to_thread.run_sync(run.watch)
        remote.pause(ALPHA)
        remote.proceed(ALPHA)
        remote.kill(BETA)
        remote.pick(ALPHA)
        remote.fork(fork)
        remote.tell(BETA, "mind\nthe gap")
        remote.answer("budget:issue:", "raise", 7.5)
        remote.merge()
        remote.stop()
        answer = await anyio.to_thread.run_sync(remote.diff, BETA)
        assert answer == "the diff of Beta\n"
        answer = await anyio.to_thread.run_sync(remote.diff_between, ALPHA, BETA)
        assert answer == "from Alpha to Beta\n"
        assert run.control.asked == [
            *(("pause", ALPHA), ("proceed", ALPHA), ("kill", BETA), ("pick", ALPHA)),
            *(("fork", fork), ("tell", BETA, "mind\nthe gap")),
            *(("answer", "budget:issue:", "raise", 7.5), ("merge",), ("stop",)),
        ]
    await everything(subscription)
    remote.leave()


@pytest.mark.anyio
async def test_only_its_user_can_reach_the_socket_and_it_goes_with_the_run(tmp_path: Path) -> None:
    async with served(tmp_path) as run:
        assert stat.S_IMODE(run.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(run.path.parent.stat().st_mode) == 0o700
    assert list(run.path.parent.iterdir()) == []


@pytest.mark.anyio
async def test_a_socket_left_by_a_kill_and_a_path_too_long_for_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    path = place.socket_path(deep / "miyabi.db", RUN)
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as old, place.address(path) as name:
        old.bind(name)
    async with served(deep) as run:
        remote, subscription = await anyio.to_thread.run_sync(run.watch)
        await run.said("hello")
        await until_seen(subscription, "hello")
        remote.leave()
    assert not path.exists()


@pytest.mark.anyio
async def test_a_run_that_cannot_listen_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("in the way")
    async with served(tmp_path) as run:
        seen = BufferedSubscription()
        run.bus.subscribe(seen)
        assert await anyio.to_thread.run_sync(seen.wait, 20)
        (notice,) = (one.event for one in seen.drain())
        assert isinstance(notice, e.Notice)
        assert "no other terminal can attach" in notice.text


HELLO = wire.line(wire.Hello())
NONSENSE = {
    "nothing at all": b"",
    "no JSON": b"GET / HTTP/1.1\r\n\r\n",
    "half a hello": HELLO[:10],
    "no text": b"\xff\xfe\n",
    "a line without an end": b"x" * (wire.LINE_AT_MOST + 65_536),
    "an unknown command": HELLO + b'{"type":"launch"}\n',
    "an unknown world": HELLO + b'{"type":"steer","verb":"kill","world":"Omega"}\n',
    "a verb of its own": HELLO + b'{"type":"steer","verb":"__class__","world":"Alpha"}\n',
    "half a surrogate": HELLO + b'{"type":"steer","verb":"kill","world":"\\ud800"}\n',
}


@pytest.mark.anyio
async def test_nonsense_hurts_nobody_but_its_author(tmp_path: Path) -> None:
    def talk(path: Path, said: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.settimeout(20)
            line.connect(str(path))
            line.sendall(said)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65_536):
                pass

    async with served(tmp_path) as run:
        remote, subscription = await anyio.to_thread.run_sync(run.watch)
        for said in NONSENSE.values():
            await anyio.to_thread.run_sync(talk, run.path, said)
        assert run.control.asked == []
        await run.said("still here")
        await until_seen(subscription, "still here")
        remote.leave()


@pytest.mark.anyio
async def test_another_version_is_refused_in_clear_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as run:
        monkeypatch.setattr(wire, "PROTOCOL", wire.PROTOCOL + 1)
        with pytest.raises(OtherVersion, match="cannot speak to each other"):
            await anyio.to_thread.run_sync(run.watch)


@pytest.mark.anyio
async def test_a_watcher_that_never_reads_holds_up_nobody_and_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffering, "KEPT_AT_MOST", 300)
    async with served(tmp_path) as run:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(run.path))
            deaf.sendall(HELLO)
            remote, subscription = await anyio.to_thread.run_sync(run.watch)
            with anyio.fail_after(20):
                for _ in range(30):
                    await run.said("x" * 50_000)  # fills the socket, then only the buffer
                for _ in range(400):
                    run.bus.post(e.Notice(level=e.Level.INFO, text="on and on"))
                await run.said("there")
                await until_seen(subscription, "there")
            heard = 0
            deaf.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                while data := deaf.recv(1 << 20):
                    heard += len(data)
            assert heard < 1_500_000
        remote.leave()


@pytest.mark.anyio
async def test_a_line_that_breaks_is_taken_up_where_it_was(tmp_path: Path) -> None:
    async with served(tmp_path) as run:
        remote, subscription = await anyio.to_thread.run_sync(run.watch)
        await run.said("one")
        records = await until_seen(subscription, "one")
        assert remote._line is not None
        remote._line.hang_up()
        await run.said("two")
        records += await until_seen(subscription, "two")
    records += await everything(subscription)
    assert [one.seq for one in records] == list(range(1, len(records) + 1))
    assert fold(records).status is e.RunStatus.MERGED
    remote.leave()


def test_a_reader_far_behind_keeps_the_events_and_the_last_gauges() -> None:
    gauges = [e.Gauges(worlds=()) for _ in range(3)]
    output = e.Output(world=ALPHA, channel=e.Channel.STDOUT, text="x" * 900_000)
    notice = e.Notice(level=e.Level.INFO, text="kept")
    told: list[int] = []
    reader = BufferedSubscription(lambda: told.append(1))

    flow: list[e.AnyEvent] = [
        notice,
        *gauges,
        output,
        output,
        output,
        notice,
        output,
        output,
        *gauges,
    ]
    reader.put([e.Record(seq, 0.0, event) for seq, event in enumerate(flow, start=1)])

    kinds = [type(one.event).__name__ for one in reader.drain()]
    assert kinds.count("Notice") == 2
    assert kinds.count("Gauges") == 2
    assert kinds.count("Output") == 2
    assert told == [1]
    assert not reader.hopeless


# --- with a whole engine --------------------------------------------------------------------------


def begun(engine: Engine) -> Subscription:
    subscription = engine.subscribe()
    engine.start()
    assert subscription.wait(20)
    return subscription


def until(
    subscription: Subscription, state: RunState, wanted: Callable[[RunState], bool]
) -> RunState:
    while not wanted(state):
        assert subscription.wait(40), "nothing happens"
        assert not subscription.closed, state
        state = fold(subscription.drain(), state)
    return state


def running(state: RunState) -> bool:
    return bool(state.worlds) and all(one.doing.startswith("running echo") for one in state.worlds)


def test_two_watchers_steer_one_race_and_see_what_its_engine_sees(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.SLEEPS})
    request = racing.request_for(repo, recording, interactive=True)
    journal = tmp_path / "miyabi.db"
    with Engine(lambda: (request, open_repository(repo)), journal) as engine:
        begun(engine)
        with (
            RemoteControl(journal, engine.run_id) as one,
            RemoteControl(journal, engine.run_id) as other,
        ):
            seen, late = one.subscribe(), other.subscribe()
            one.start()
            state = until(seen, RunState(), running)
            other.start()
            other.pause(ALPHA)
            state = until(seen, state, lambda run: run.world(ALPHA).status is WorldStatus.PAUSED)
            assert "a + b" in one.diff(BETA)
            one.kill(ALPHA)
            one.pick(BETA)
            state = until(seen, state, lambda run: run.merge_ready)
            other.merge()
            state = until(seen, state, lambda run: run.finished)
            assert fold(_rest(late)) == state == engine.state
            assert state.status is e.RunStatus.MERGED
            assert "a + b" in other.diff(BETA)  # its engine is through: read here
        engine.finish()
    with pytest.raises(UsageError, match="nobody drives"), RemoteControl(journal, engine.run_id):
        pass


def _rest(subscription: Subscription) -> list[e.Record]:
    found: list[e.Record] = []
    while not subscription.closed:
        assert subscription.wait(20)
        found += subscription.drain()
    return found


def test_messages_are_plain_lines_of_json() -> None:
    line = wire.line(wire.Steer(verb="kill", world=ALPHA))
    assert msgspec.json.decode(line) == {"type": "steer", "verb": "kill", "world": "Alpha"}
    assert line.endswith(b"\n")
