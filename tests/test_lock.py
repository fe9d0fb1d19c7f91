"""One driver for a run: what two processes, a killed one and a merely curious one see."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.store.lock import alone, driven, driver, driving, is_driven
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from miyabi_tui.engine.store.lock import driving

with driving(Path(sys.argv[1]), "r1"):
    command = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
    print(command.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "miyabi.db"


@pytest.fixture
def holder(journal: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that drives r1, and a command that it started."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(journal)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        command = int(process.stdout.readline())
        try:
            yield process, command
        finally:
            process.kill()
            os.kill(command, signal.SIGKILL)  # nobody but init waits for it: it is there still


def test_another_process_is_named(journal: Path, holder: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = holder

    assert driver(journal, "r1") == process.pid
    assert driven(journal) == ["r1"]
    with pytest.raises(UsageError) as caught, driving(journal, "r1"):
        pass

    assert caught.value.cause == f"another miyabi drives it, process {process.pid}"
    assert driver(journal, "r1") == process.pid, "the attempt must not wipe out its number"
    assert not is_driven(journal, "r2")


def test_the_lock_dies_with_its_process_and_not_with_its_commands(
    journal: Path, holder: tuple[subprocess.Popen[str], int]
) -> None:
    process, command = holder
    process.kill()
    process.wait()

    assert alive(command)
    assert not is_driven(journal, "r1")
    assert driver(journal, "r1") is None
    with driving(journal, "r1"):
        assert driver(journal, "r1") == os.getpid()
    assert driven(journal) == []


def test_whoever_asks_is_in_nobodys_way(journal: Path) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            is_driven(journal, "r1")

    curious = [threading.Thread(target=ask) for _ in range(2)]
    for thread in curious:
        thread.start()
    try:
        for _ in range(50):
            with driving(journal, "r1"):
                assert is_driven(journal, "r1")
    finally:
        done.set()
        for thread in curious:
            thread.join()


def test_there_are_never_two_drivers(journal: Path) -> None:
    """Letting go removes the file: who had opened it before must not take it for the lock."""
    inside: list[int] = []
    met: list[int] = []

    def drive() -> None:
        for _ in range(150):
            try:
                with driving(journal, "r1"):
                    inside.append(1)
                    met.append(len(inside))
                    inside.pop()
            except UsageError:
                continue

    drivers = [threading.Thread(target=drive) for _ in range(4)]
    for thread in drivers:
        thread.start()
    for thread in drivers:
        thread.join()

    assert len(met) > 150
    assert set(met) == {1}


def test_a_lock_file_that_went_away_is_no_lock(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder lets go, and removes the file, after we have opened it and before we lock it."""
    genuine, removed = fcntl.flock, list[Path]()

    def flock(file: IO[str], how: int) -> None:
        if not removed:
            removed.append(Path(file.name))
            removed[0].unlink()
        genuine(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with driving(journal, "r1"):
        assert removed
        assert is_driven(journal, "r1")


def test_waiting_to_be_alone_has_an_end(journal: Path) -> None:
    with alone(journal, 0.0):
        with pytest.raises(BlockingIOError), alone(journal, 0.02):
            pass
    with alone(journal, 0.0):
        pass
    assert [path.name for path in journal.parent.iterdir()] == []
