"""A damaged journal is kept aside with all that belongs to it; a healthy one never is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.store.journal import Journal, open_journal
from miyabi_tui.engine.store.lock import driving
from miyabi_tui.engine.worlds import WorldId
from tests.test_journal import STORY, started, tell
from tests.test_schema import together
from tests.test_store_faults import check, names

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
RUNS = ("r1", "r2", "r3")


async def three_runs(path: Path) -> dict[str, list[e.Record]]:
    """A journal of three runs, each of many pages."""
    text = "something that a tool has said\n" * 300
    async with open_journal(path) as journal:
        for run_id in RUNS:
            output = e.Output(world=WorldId.ALPHA, channel=e.Channel.STDOUT, text=text)
            notices: list[e.AnyEvent] = [e.Notice(level=e.Level.INFO, text=text), output] * 10
            await tell(journal, started(run_id), *notices, *STORY, run_id=run_id)
        return {run_id: await journal.records(run_id) for run_id in RUNS}


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def spoil_header(path: Path) -> None:
    overwrite(path, 0, os.urandom(200))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def spoil_page(path: Path) -> None:
    overwrite(path, path.stat().st_size // 8192 * 4096, b"\xff" * 4096)


def empty_with_wal(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(path.read_bytes())
    path.unlink()


async def opened(path: Path) -> tuple[str, dict[str, list[e.Record]]]:
    """What is said when the journal is opened, and what is in it."""
    async with open_journal(path) as journal:
        await tell(journal, started("new"), run_id="new")
        found = {row.run_id: await journal.records(row.run_id) for row in await journal.runs()}
        return journal.remark, found


@pytest.mark.parametrize("spoil", [spoil_header, truncate, spoil_page, empty_with_wal])
async def test_a_damaged_journal_is_kept_aside_and_a_new_one_begun(
    tmp_path: Path, spoil: object
) -> None:
    path = tmp_path / "state" / "miyabi.db"
    before = await three_runs(path)
    assert callable(spoil)
    spoil(path)
    spoiled = {one.name: one.read_bytes() for one in path.parent.iterdir()}

    remark, found = await opened(path)

    asides = {one.name: one for one in path.parent.iterdir() if ".corrupt-" in one.name}
    (main,) = {one.removesuffix("-wal").removesuffix("-shm") for one in asides}
    assert str(path.with_name(main)) in remark and "a new one begins" in remark
    for name, data in spoiled.items():
        assert asides[name.replace("miyabi.db", main)].read_bytes() == data
    assert check(path) == "ok"
    assert found.pop("new")
    assert all(records == before[run_id] for run_id, records in found.items())
    if spoil is spoil_page:
        assert len(found) == 2, "the runs that the page is no part of"
        assert "with 2 of its 3 runs" in remark
    again, _ = await opened_once_more(path)
    assert again == ""


async def opened_once_more(path: Path) -> tuple[str, int]:
    async with open_journal(path) as journal:
        return journal.remark, len(await journal.runs())


async def test_a_second_damaged_journal_of_a_day_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    for _ in range(2):
        await three_runs(path)
        spoil_header(path)
        await opened_once_more(path)

    asides = [one for one in names(tmp_path) if "corrupt" in one]
    assert len(asides) == 2
    assert asides[1] == f"{asides[0]}-2"


async def test_a_damaged_journal_in_use_is_not_taken_from_under_a_run(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    await three_runs(path)
    spoil_page(path)
    before = path.read_bytes()

    with driving(path, "r1"), pytest.raises(StoreError, match="is damaged") as caught:
        await opened(path)

    assert "still writes run r1" in caught.value.cause
    assert path.read_bytes() == before
    assert not [one for one in names(tmp_path) if "corrupt" in one]


def test_many_who_find_the_damage_at_once_keep_one_journal_aside(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    anyio.run(three_runs, path)
    spoil_page(path)
    counts: list[int] = []

    def look() -> None:
        counts.append(anyio.run(opened_once_more, path)[1])

    together(look, 6)

    assert counts == [2] * 6
    assert len([one for one in tmp_path.iterdir() if one.name.endswith(tuple("0123456789"))]) == 1


async def test_damage_met_while_reading_is_told_and_mended_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a journal that is too large to be looked through at each opening.
    monkeypatch.setattr("miyabi_tui.engine.store.opening.CHECKED_AT_MOST", 0)
    path = tmp_path / "miyabi.db"
    await three_runs(path)
    spoil_page(path)

    async def read(journal: Journal) -> None:
        for run_id in RUNS:
            await journal.records(run_id)

    async with open_journal(path) as journal:
        assert journal.remark == ""
        with pytest.raises(StoreError, match=f"cannot read the journal {path}") as caught:
            await read(journal)
    assert "it is kept aside" in caught.value.next_step

    async with open_journal(path) as journal:
        assert "with 2 of its 3 runs" in journal.remark
    async with open_journal(path) as journal:
        assert journal.remark == ""


async def test_one_unreadable_event_costs_one_run(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    await three_runs(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "UPDATE events SET body = CAST(x'7bff7d' AS TEXT) WHERE run_id = 'r2' AND seq = 2"
        )

    async with open_journal(path) as journal:
        with pytest.raises(StoreError, match="an event that cannot be read") as caught:
            await journal.records("r2")
        assert "the other runs can be read" in caught.value.next_step
        assert len(await journal.records("r3")) > 20
        assert len(await journal.runs()) == 3


# --- not ours ------------------------------------------------------------------------------------


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()

    with pytest.raises(StoreError, match="is not a journal of miyabi"):
        await opened(path)

    assert names(tmp_path) == [path.name]
    assert path.read_bytes() == before


async def test_a_folder_in_the_journals_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    path.mkdir()
    with pytest.raises(StoreError, match="is no file"):
        await opened(path)
    assert path.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_root_takes_no_damaged_journal_from_its_user(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    await three_runs(path)
    spoil_header(path)
    os.chown(path, 65534, 65534)

    with pytest.raises(StoreError, match="is damaged") as caught:
        await opened(path)

    assert "another user" in caught.value.cause
    assert names(tmp_path) == ["miyabi.db"]
