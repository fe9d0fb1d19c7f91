"""The process table: who belongs together, what is paid once, and what does not count."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.sandbox import table as tables
from miyabi_tui.engine.sandbox.base import Reading
from miyabi_tui.engine.sandbox.marks import MARK
from miyabi_tui.engine.sandbox.table import ProcessTable, TableReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a shell command in a session of its own, and waits for its first line."""
    begun: list[subprocess.Popen[str]] = []

    def begin(script: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
            start_new_session=True,
        )
        begun.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield begin
    for process in begun:
        reader = ProcessTable.read()
        for pid in reader.of_sessions({process.pid}) | reader.descendants({process.pid}):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def settled(reached: Callable[[ProcessTable], bool]) -> ProcessTable:
    """The first table of which this is true."""
    while not reached(table := ProcessTable.read()):
        pass
    return table


def _bare(parent: int) -> bool:
    """Whether a child of this process has no environment."""
    children = [row.pid for row in ProcessTable.read().rows.values() if row.parent == parent]
    return any(not Path(f"/proc/{pid}/environ").read_bytes() for pid in children)


def test_a_row_has_the_numbers_of_its_process() -> None:
    before = time.process_time()
    row = ProcessTable.read().rows[os.getpid()]
    assert (row.pid, row.parent, row.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert before - 0.1 < row.cpu_seconds < time.process_time() + 0.1
    assert 5_000_000 < row.memory_bytes < 5_000_000_000
    assert 0 < row.started < time.clock_gettime(time.CLOCK_BOOTTIME)


def test_descendants_also_in_other_sessions(start: Start) -> None:
    leader = start("(setsid bash -c 'echo ready; sleep 60; :' & sleep 60) & wait")
    table = settled(lambda table: len(table.descendants({leader.pid})) == 5)
    assert leader.pid in table.descendants({leader.pid, 2**22 + 1})
    assert len(table.of_sessions({leader.pid})) == 3
    assert table.of_sessions(set()) == set() == table.descendants(())


def test_the_marked_are_found_wherever_they_went(
    start: Start,
) -> None:
    one = start("setsid sleep 60 & env -i sleep 60 & echo ready; wait", **{MARK: "one"})
    two = start("echo ready; sleep 60 & wait", **{MARK: "two"})
    table = settled(lambda table: len(table.marked("one")) == 3 and _bare(one.pid))
    ones, twos = table.marked("one"), table.marked("two")
    assert one.pid in ones and len(ones) == 3  # that without an environment, too
    assert two.pid in twos and not ones & twos
    assert table.marked("one", known={two.pid, 2**22 + 1}) == ones | {two.pid}
    assert table.marked("") == set() == table.marked("three")


def test_an_environment_is_read_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    at = [0.0]
    reader = TableReader()

    def no_mark(pid: int) -> str:
        looks.append(pid)
        return ""

    monkeypatch.setattr(reader._memory.marks, "_read", no_mark)
    monkeypatch.setattr(tables, "_since_boot", lambda: at[0])
    process = start("echo ready; sleep 60 & wait", **{MARK: "m"})
    begun = ProcessTable.read().rows[process.pid].started

    def look(age: float) -> int:
        looks.clear()
        at[0] = begun + age
        table = reader.read()
        for mark in ("m", "n", "m"):
            table.marked(mark)
        return looks.count(process.pid)

    assert [look(age) for age in (0.05, 0.1, 0.6, 1.1, 9.0)] == [1, 1, 1, 0, 0]


def test_the_second_look_sees_what_exec_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter(["the parent's", "its own", "never asked"])
    reader = TableReader()
    me = os.getpid()
    monkeypatch.setattr(reader._memory.marks, "_read", lambda pid: next(seen) if pid == me else "")
    begun = ProcessTable.read().rows[me].started
    monkeypatch.setattr(tables, "_since_boot", lambda: begun + 0.3)
    assert me in reader.read().marked("the parent's")
    assert me in reader.read().marked("its own")
    assert me in reader.read().marked("its own")


def test_zombies_do_not_count_but_a_process_without_its_first_thread_does(
    start: Start,
) -> None:
    child = "os.fork() or os._exit(0); print(1, flush=True); time.sleep(60)"
    leader = start(f"exec {sys.executable} -c 'import os,time; {child}'")
    settled(lambda table: table.descendants({leader.pid}) == {leader.pid})
    number = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine)
    if number is None:
        pytest.skip("the number of the system call is not known here")
    thread = "lambda: (time.sleep(0.1), print(1, flush=True), time.sleep(60))"
    end_first = f"ctypes.CDLL(None).syscall({number}, 0)"
    headless = start(
        f"exec {sys.executable} -c 'import ctypes,threading,time\n"
        f"threading.Thread(target={thread}).start()\n{end_first}'"
    )
    assert " Z " in Path(f"/proc/{headless.pid}/stat").read_text()
    assert headless.pid in ProcessTable.read().rows
    headless.kill()


def test_a_reading_adds_up(start: Start) -> None:
    leader = start("sleep 60 & echo ready; wait")
    table = ProcessTable.read()
    pids = table.of_sessions({leader.pid})
    reading = table.reading([*pids, *pids, 2**22 + 1])
    assert reading.processes == 2 and reading.pids == pids
    assert reading.memory_bytes == sum(table.rows[pid].memory_bytes for pid in pids)
    assert 0 < table.fair_memory(pids) < reading.memory_bytes  # both run the same libraries
    assert table.reading(()) == Reading()
    assert table.fair_memory({2**22 + 1}) == 0


def test_a_namespace_is_shared_with_those_in_it() -> None:
    table = TableReader().read()
    assert {os.getpid(), os.getppid()} <= table.of_namespace(os.getpid())
    assert table.of_namespace(2**22 + 1) == set()


def test_a_namespace_of_its_own(start: Start) -> None:
    probe = subprocess.run(["unshare", "-Urpf", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no PID namespace to be had here")
    outer = start("unshare -Urpf bash -c 'sleep 60 & setsid sleep 60 & echo ready; wait'; true")
    table = TableReader().read()
    inside = table.descendants({outer.pid}) - {outer.pid}
    [first] = [pid for pid in inside if len(table.descendants({pid})) == 3]
    assert table.of_namespace(first) == table.descendants({first})
    assert os.getpid() not in table.of_namespace(first)


def test_what_ended_is_forgotten(start: Start) -> None:
    reader = TableReader()
    reader.read().marked("m")
    for gone in range(10_000_000, 10_001_000):
        reader._memory.marks._known[gone] = tables._Look(0.0, "m", 1, True)
    assert reader.read().marked("m") == set()
    assert len(reader._memory.marks._known) < 1000


def test_without_proc_psutil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PROC", "/nowhere")
    table = TableReader().read()
    row = table.rows[os.getpid()]
    assert (row.parent, row.session) == (os.getppid(), os.getsid(0))
    assert os.getpid() in table.descendants({os.getppid()})
    assert table.marked("m") == set() == table.of_namespace(os.getpid())
    assert table.fair_memory({os.getpid()}) == row.memory_bytes


def test_what_nobody_asked_for_is_read_seldom(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = tables._read
    monkeypatch.setattr(tables, "_read", lambda path, size: read.append(path) or real(path, size))  # type: ignore[func-returns-value]
    leader = start("echo ready; sleep 60 & wait")
    reader = TableReader()
    ours = reader.read().of_sessions({leader.pid})
    reader.read()
    assert read.count(f"/proc/{leader.pid}/stat") == 2
    monkeypatch.setattr(tables, "YOUNG", -1.0)  # as if all were old
    read.clear()
    for _ in range(tables.FOREIGN_AGAIN):
        table = reader.read()
    assert read.count(f"/proc/{leader.pid}/stat") == tables.FOREIGN_AGAIN
    assert read.count(f"/proc/{os.getppid()}/stat") == 1 and os.getppid() in table.rows
    leader.kill()
    for pid in ours - {leader.pid}:
        os.kill(pid, signal.SIGKILL)
    leader.wait()
    assert leader.pid not in reader.read().rows
