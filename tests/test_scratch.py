"""Folders for a while: gone with their owner, and after a kill with whoever comes next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine import scratch
from miyabi_tui.engine.collector import GarbageCollector
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.scratch import PREFIX, remove_abandoned, scratch_folder
from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.killed import kill_at
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

# Makes a folder with something in it, then is killed; or goes on until its input ends.
HOLDER = """
import os, pathlib, signal, sys
from miyabi_tui.engine.scratch import scratch_folder
with scratch_folder(sys.argv[1]) as folder:
    inside = folder / "base" / "settings"
    inside.mkdir(parents=True)
    inside.chmod(0)
    print(folder, flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are, with nobody else's among them."""
    folder = tmp_path / "disk"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def left(disk: Path, run: str) -> list[str]:
    """The folders of a run, on the temporary disk and in memory."""
    found = [one for place in (disk, scratch.SHARED_MEMORY) for one in place.glob(f"*{run}*")]
    return sorted({one.parent.name for one in found})


def test_a_folder_is_private_named_and_gone_afterwards(disk: Path) -> None:
    with scratch_folder("demo-") as folder:
        assert folder.parent == disk
        assert folder.name.startswith(f"{PREFIX}demo-")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "locked").mkdir(mode=0o500)
        remove_abandoned()
        assert (folder / "locked").is_dir()
    assert list(disk.iterdir()) == []


def test_only_the_folders_of_the_dead_are_removed(disk: Path) -> None:
    command = [sys.executable, "-c", HOLDER, "shell-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as holder:  # type: ignore[call-overload]
        folder = Path(holder.stdout.readline().strip())
        theirs = disk / f"{PREFIX}of-a-person"
        theirs.mkdir(mode=0o755)
        (disk / f"{PREFIX}file").touch()
        remove_abandoned()
        assert (folder / "base").is_dir()
        holder.stdin.close()
        assert holder.wait() == -signal.SIGKILL

    assert (folder / "base").is_dir()
    remove_abandoned()

    assert sorted(os.listdir(disk)) == sorted([theirs.name, f"{PREFIX}file"])


def test_whoever_is_taken_for_dead_at_birth_makes_another(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process looks between the making of the folder and its lock."""
    genuine: Callable[..., str] = tempfile.mkdtemp
    made: list[Path] = []

    def mkdtemp(**options: str) -> str:
        made.append(Path(genuine(**options)))
        if len(made) == 1:
            remove_abandoned()
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)

    with scratch_folder() as folder:
        assert folder == made[1]
        assert list(disk.iterdir()) == [folder]


def stop_once_begun(engine: Engine, record: e.Record, state: RunState) -> None:
    """A run that has found its isolation is enough."""
    if isinstance(record.event, e.SandboxChosen):
        engine.stop()


@pytest.mark.parametrize("next_one", ["start", "gc", "watcher"])
def test_what_a_killed_engine_left_goes_with_what_comes_next(
    next_one: str, disk: Path, tmp_path: Path
) -> None:
    repo, journal = racing.make_project(tmp_path / "project"), tmp_path / "state" / "miyabi.db"
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})

    everywhere = sorted({"disk", (scratch.shared_memory() or disk).name})

    run = kill_at("BaseMeasured", journal, repo, recording, watched=next_one == "watcher")

    if next_one == "watcher":
        anyio.run(until, lambda: not left(disk, run))
    elif next_one == "gc":
        assert left(disk, run) == everywhere
        anyio.run(GarbageCollector(open_repository(repo), journal).collect)
    else:
        assert left(disk, run) == everywhere
        state, _ = racing.race(racing.request_for(repo, recording), journal, stop_once_begun)
        assert state.sandbox is not None
    assert left(disk, run) == []
    assert list(disk.glob(f"{PREFIX}*")) == []
