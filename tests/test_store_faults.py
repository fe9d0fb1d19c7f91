"""The journal when things go wrong: no room, no right to write, locked, a clock moved back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store import journal as store
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.worlds import WorldId
from tests.racing import FIX, make_project, race, record, request_for
from tests.test_journal import STORY, started, tell

pytestmark = pytest.mark.anyio


def check(path: Path) -> str:
    """SQLite's own verdict on the whole file."""
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def in_a_process(script: str, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- no room -------------------------------------------------------------------------------------

FULL_DISK = """
import json, resource, sqlite3, sys
from pathlib import Path
import anyio, psutil
from miyabi_tui.engine import events as e
from miyabi_tui.engine.store.journal import open_journal
from tests.racing import make_project, race, record, request_for
from tests.test_journal import tell
from miyabi_tui.engine.worlds import WorldId

folder = Path(sys.argv[1])
loud = [[("bash", {"command": "yes miyabi | head -c 3000000; exec sleep 600"})]]
repo = make_project(folder / "repo")
recording = record(folder / "turns", {WorldId.ALPHA: loud})
path = folder / "miyabi.db"

async def make():
    async with open_journal(path):
        pass

anyio.run(make)
# A file may not grow over this: what a full disk is to whoever writes to it.
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, most))
state, _ = race(request_for(repo, recording), path)
left = psutil.Process().children(recursive=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

async def go_on():
    async with open_journal(path) as journal:
        (row,) = await journal.interrupted(str(repo))
        run = await journal.resume(row.run_id)
        more = e.RunFinished(status=e.RunStatus.INTERRUPTED, reason="there is room again")
        await journal.append(run.run_id, [e.Record(run.seq + 1, 1.0, more)])
        return row.status, (await journal.resume(run.run_id)).reason, run.seq

status, reason, seq = anyio.run(go_on)
print(json.dumps([state.reason, len(left), status, seq, reason]))
"""


def test_a_full_disk_ends_the_run_and_leaves_the_journal_whole(tmp_path: Path) -> None:
    done = in_a_process(FULL_DISK, tmp_path)

    assert done.returncode == 0, done.stderr
    reason, left, status, seq, later = json.loads(done.stdout)
    assert reason.startswith(f"cannot write the journal {tmp_path}/miyabi.db")
    assert reason.endswith("(is the disk full? make room; then go on with: miyabi resume)")
    assert left == 0
    assert status == "running" and seq > 5, "what was written before is there, and can go on"
    assert later == "there is room again"
    assert check(tmp_path / "miyabi.db") == "ok"


async def test_one_journal_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        await tell(journal, started("r1"))
        ((pages,),) = await journal._connection.execute_fetchall("PRAGMA page_count")
        # SQLite's own limit on its size stands for the disk.
        await journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = e.Record(2, 1.0, e.Notice(level=e.Level.INFO, text="x" * 100_000))
        with pytest.raises(StoreError, match="cannot write"):
            await journal.append("r1", [big])
        assert journal.state("r1").seq == 1

        await journal._connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        await journal.append("r1", [big])
        assert [record.seq for record in await journal.records("r1")] == [1, 2]


async def test_the_wal_is_cut_back_after_a_long_reader(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    wal = path.with_name("miyabi.db-wal")
    notice = e.Notice(level=e.Level.INFO, text="x" * 1_000_000)
    async with open_journal(path) as journal:
        await tell(journal, started("r1"))
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchall()
            for seq in range(2, 22):
                await journal.append("r1", [e.Record(seq, 1.0, notice)])
            assert wal.stat().st_size > store.WAL_AT_MOST
        for seq in range(22, 25):
            await journal.append("r1", [e.Record(seq, 1.0, notice)])

        assert wal.stat().st_size <= store.WAL_AT_MOST
    assert not wal.exists()


# --- no right ------------------------------------------------------------------------------------

WITHOUT_PRIVILEGES = """
import ctypes, os, sys
if os.geteuid() == 0:  # root may write everywhere: without its capabilities it is like anybody
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
from miyabi_tui.cli import main
sys.exit(main(["runs"]))
"""


@pytest.mark.parametrize("begun", [False, True], ids=["empty", "with a journal"])
async def test_a_read_only_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    if begun:
        async with open_journal(folder / "miyabi.db") as journal:
            await tell(journal, started("r1"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setenv("MIYABI_STATE_DIR", str(folder))
    folder.chmod(0o555)
    try:
        done = in_a_process(WITHOUT_PRIVILEGES)
    finally:
        folder.chmod(0o755)

    assert done.returncode != 0
    assert f"cannot open the journal {folder}/miyabi.db" in done.stderr
    assert "set MIYABI_STATE_DIR to another folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# --- locked --------------------------------------------------------------------------------------


async def test_a_locked_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    async with open_journal(path) as journal:
        await tell(journal, started("r1"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="cannot open") as caught:
            async with open_journal(path, busy_seconds=0.05):
                pass
    assert "another program has it locked" in caught.value.next_step

    async with open_journal(path) as journal:
        assert journal.remark == ""
        assert len(await journal.records("r1")) == 1
    assert names(tmp_path) == ["miyabi.db"]


def test_a_journal_locked_in_the_middle_of_a_run_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    path, repo = tmp_path / "miyabi.db", make_project(tmp_path / "repo")
    recording = record(tmp_path / "turns", {WorldId.ALPHA: FIX})
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def lock(engine: object, one: e.Record, state: object) -> None:
            if isinstance(one.event, e.WorldStarted):
                other.execute("BEGIN IMMEDIATE")

        state, _ = race(request_for(repo, recording), path, lock)
        other.execute("ROLLBACK")

    assert state.status is e.RunStatus.FAILED
    assert "locked" in state.reason and "close that one, and try again" in state.reason

    async def go_on() -> list[str]:
        async with open_journal(path) as journal:
            return [row.run_id for row in await journal.interrupted(str(repo))]

    assert anyio.run(go_on) == [state.run_id]


# --- the clock -----------------------------------------------------------------------------------


async def test_runs_are_in_the_order_in_which_they_were_begun_whatever_the_clock_said(
    tmp_path: Path,
) -> None:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        for run_id, at in (("first", 3_000.0), ("second", 1_000.0), ("third", 2_000.0)):
            events = [started(run_id), *STORY]
            records = [e.Record(seq, at - seq, one) for seq, one in enumerate(events, 1)]
            await journal.append(run_id, records)

        assert [row.run_id for row in await journal.runs()] == ["third", "second", "first"]
        assert await journal.find("") == "third"
        assert await journal.find("", "/repo") == "third"
        assert [one.seq for one in await journal.records("first")] == list(range(1, 11))
