"""The monitor: what worlds use, told while they use it; the disk in slices, and connections."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine import monitor as monitors
from miyabi_tui.engine.monitor import Monitor
from miyabi_tui.engine.sandbox import disk_use
from miyabi_tui.engine.sandbox.base import Reading
from miyabi_tui.engine.sandbox.connections import connections
from miyabi_tui.engine.sandbox.disk_use import Count, DiskUse
from miyabi_tui.engine.terms import Sandboxing
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.sandbox.base import Sandbox
    from miyabi_tui.engine.sandbox.table import ProcessTable

A, B, *_ = FIVE
MB = 2**20

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


class Session:
    """A sandbox as far as the monitor sees it: the sessions of these leaders."""

    def __init__(self, *leaders: int) -> None:
        self.leaders = set(leaders)
        self.memory: int | None = None
        self.broken = False

    def usage(self, table: ProcessTable) -> Reading:
        if self.broken:
            raise RuntimeError("the daemon is gone")
        found = table.reading(table.of_sessions(self.leaders))
        if self.memory is None:
            return found
        return Reading(0.0, self.memory, found.processes, found.pids)


class Journal:
    """Takes what is published."""

    def __init__(self) -> None:
        self.gauges: list[dict[WorldId, e.Gauge]] = []

    def post(self, event: e.AnyEvent) -> None:
        assert isinstance(event, e.Gauges)
        self.gauges.append({one.world: one for one in event.worlds})

    def busy(self, world: WorldId) -> float:
        return self.gauges[-1][world].cpu_percent


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps, in a session of its own."""
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def monitor(
    sandboxes: dict[WorldId | None, Session],
    journal: Journal | None = None,
    folders: Mapping[WorldId, Sequence[Path]] | None = None,
    limits: Sandboxing | None = None,
) -> Monitor:
    return Monitor(
        cast("dict[WorldId | None, Sandbox]", sandboxes),
        cast("Publisher", journal or Journal()),
        lambda world: (folders or {}).get(world, ()),
        limits or Sandboxing(),
    )


def look(
    made: Monitor,
    sandboxes: dict[WorldId, Session],
    folders: Mapping[WorldId, Sequence[Path]] | None = None,
) -> dict[WorldId, e.Gauge]:
    """One reading, a second after the last one."""
    made._read_at = time.monotonic() - 1.0
    there = {world: (folders or {}).get(world, ()) for world in sandboxes}
    gauges, _ = made._look(cast("dict[WorldId, Sandbox]", sandboxes), there)
    return {one.world: one for one in gauges}


@pytest.mark.anyio
async def test_it_tells_of_worlds_with_processes_and_once_that_they_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitors, "EVERY_SECONDS", 0.005)
    monkeypatch.setattr(monitors, "REST", 0)
    journal = Journal()
    process = await anyio.open_process(
        [sys.executable, "-c", "while True: pass"], start_new_session=True
    )
    watched = monitor({A: Session(process.pid), B: Session(), None: Session()}, journal)
    async with anyio.create_task_group() as group:
        group.start_soon(watched.watch)
        await until(lambda: journal.gauges[-1:] != [] and journal.busy(A) > 50)
        gauge = journal.gauges[-1][A]
        assert gauge.processes == 1 and gauge.memory_bytes > MB
        assert all(set(one) == {A} for one in journal.gauges)
        process.kill()
        await process.aclose()
        await until(lambda: journal.gauges[-1][A].processes == 0)
        told = len(journal.gauges)
        await anyio.sleep(0.05)
        assert len(journal.gauges) == told
        assert journal.gauges[-1][A] == e.Gauge(A, 0.0, 0, 0)
        group.cancel_scope.cancel()


def test_a_world_that_cannot_be_measured_does_not_end_the_others(
    child: subprocess.Popen[bytes],
) -> None:
    worlds = {A: Session(child.pid), B: Session(child.pid)}
    worlds[A].broken = True
    assert set(look(monitor({}), worlds)) == {B}


def test_a_world_whose_sandbox_was_closed_is_at_rest(child: subprocess.Popen[bytes]) -> None:
    made = monitor({})
    assert look(made, {A: Session(child.pid)})[A].processes == 1
    assert look(made, {})[A].processes == 0
    assert look(made, {}) == {}


def test_shared_memory_over_the_limit_counts_once(child: subprocess.Popen[bytes]) -> None:
    worlds = {A: Session(child.pid)}
    limits = Sandboxing(memory_gb=1)
    made = monitor({}, limits=limits)
    worlds[A].memory = 2**30
    assert look(made, worlds)[A].memory_bytes == 2**30
    worlds[A].memory = 2**31  # as the sum of many that share it
    assert 0 < look(made, worlds)[A].memory_bytes < 10 * MB


def test_it_rests_the_longer_the_longer_a_reading_takes(
    monkeypatch: pytest.MonkeyPatch, child: subprocess.Popen[bytes]
) -> None:
    class Slow(Session):
        def usage(self, table: ProcessTable) -> Reading:
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            return super().usage(table)

    made = monitor({})
    _, rest = made._look(cast("dict[WorldId, Sandbox]", {A: Slow(child.pid)}), {A: ()})
    assert 0.7 <= rest <= 5.0
    monkeypatch.setattr(monitors, "REST", 0)
    _, rest = made._look(cast("dict[WorldId, Sandbox]", {A: Session(child.pid)}), {A: ()})
    assert rest == 0.5


# --- the disk -----------------------------------------------------------------------------------


def du(folder: Path) -> int:
    """The same by another hand; that counts the folder itself."""
    told = subprocess.run(["du", "-s", "-B1", folder], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0]) - folder.lstat().st_blocks * 512


def test_a_count_is_what_du_says(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "large").write_bytes(bytes(300_000))
    os.link(tree / "a" / "large", tree / "a" / "b" / "same")
    (tree / os.fsdecode(b"no \xff text\n")).write_text("x")
    with (tree / "sparse").open("wb") as file:
        file.truncate(10**10)
    (tmp_path / "outside").write_bytes(bytes(5 * MB))
    (tree / "link").symlink_to(tmp_path)
    (tree / "a" / "up").symlink_to("../..")
    count = Count([tree])
    assert count.go_on(10)
    assert 300_000 < count.bytes == du(tree) < MB


def test_nothing_hides_in_the_depth(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(40):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        Path("large").write_bytes(bytes(3 * MB))
    finally:
        os.chdir(here)
    count = Count([tmp_path])
    assert count.go_on(10)
    assert count.bytes >= 3 * MB


def test_what_is_no_folder_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MB))
    (tmp_path / "link").symlink_to("/usr")
    count = Count([tmp_path / "large", tmp_path / "link", tmp_path / "gone"])
    assert count.go_on(10) and count.bytes == 0


def test_a_huge_tree_is_counted_in_slices(tmp_path: Path) -> None:
    for number in range(600):
        (tmp_path / str(number)).write_text("x")
    count, slices = Count([tmp_path]), 1
    while not count.go_on(0.0):
        slices += 1
    assert slices == 600 // disk_use.AT_ONCE + 1
    assert count.bytes == du(tmp_path)


def test_a_world_is_counted_when_it_has_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_use, "AGAIN_SECONDS", 0.0)
    use: DiskUse[WorldId] = DiskUse(100 * MB)
    folders = {A: [tmp_path]}
    assert use.look(folders, (), 10.0) == {A: 0}
    (tmp_path / "large").write_bytes(bytes(MB))
    assert use.look(folders, (), 10.0) == {A: 0}  # nothing of it runs
    assert use.look(folders, {A}, 10.0)[A] >= MB
    (tmp_path / "large").unlink()
    use.forget(A)
    assert use.look(folders, (), 10.0) == {A: 0}


def test_a_count_under_way_tells_what_is_over_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (tmp_path / str(number)).write_bytes(bytes(4096))
    monkeypatch.setattr(disk_use, "AT_ONCE", 1)
    use: DiskUse[WorldId] = DiskUse(100 * MB)
    while not (found := use.look({A: [tmp_path]}, {A}, 0.03)[A]):
        pass
    assert found < 300 * 4096


def test_where_the_disk_fills_it_is_counted_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [1000 * MB]
    monkeypatch.setattr(disk_use, "_free", lambda folders: free[0])
    monkeypatch.setattr(disk_use, "FIRST_SHARE", 0.0)
    use: DiskUse[WorldId] = DiskUse(100 * MB)
    (tmp_path / "large").write_bytes(bytes(MB))
    assert use.look({A: [tmp_path]}, {A}, 10.0) == {A: 0}
    free[0] -= 101 * MB
    assert use.look({A: [tmp_path]}, {A}, 10.0)[A] >= MB


def test_a_disk_that_grew_is_told_of_a_world_at_rest(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MB))
    made, worlds, folders = monitor({}), {A: Session()}, {A: (tmp_path,)}
    made._disk.look(folders, (), 100.0)
    gauge = look(made, worlds, folders)[A]
    assert (gauge.processes, gauge.disk_bytes >= MB) == (0, True)
    assert look(made, worlds, folders) == {}
    worlds[A] = Session()  # taken back to a checkpoint: another sandbox, other files
    (tmp_path / "large").unlink()
    made._disk.forget(A)
    made._disk.look(folders, (), 100.0)
    assert look(made, worlds, folders)[A].disk_bytes == 0


# --- connections --------------------------------------------------------------------------------

TALK = """
import socket, sys, time, os
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
mine = [socket.create_connection(server.getsockname()) for _ in range(3)]
asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); asks.connect(("127.0.0.1", 9))
loose = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); loose.bind(("127.0.0.1", 0))
pair = socket.socketpair()
os.fork()
os.write(1, b"ready\\n")
time.sleep(60)
"""


def test_connections_are_counted_once_and_a_listener_is_none() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TALK], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        sessions = {A: Session(process.pid), B: Session()}
        gauges = look(monitor({}), sessions)
        assert gauges[A].connections == 3 + 1  # what the server has not accepted is nobody's
        assert gauges[A].processes == 2 and B not in gauges
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def test_one_that_is_gone_has_none() -> None:
    with contextlib.closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with contextlib.closing(socket.create_connection(server.getsockname())):
            assert connections({A: [2**22 + 1], B: [os.getpid()]}) == {A: 0, B: 1}
