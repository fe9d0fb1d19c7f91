"""The journal: what is in it, in which tables, and what it refuses."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from miyabi_tui import history
from miyabi_tui.engine import events as e
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.scoring.score import Evidence, score
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.store.journal import Journal, open_journal
from miyabi_tui.engine.store.lock import driving
from miyabi_tui.engine.subscription import BufferedSubscription
from miyabi_tui.engine.worlds import WorldId, default_worlds

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
ALPHA, BETA = WorldId.ALPHA, WorldId.BETA
EVIDENCE = Evidence(tests_passed=3, tests_known=3, tests_added=True, lines_added=4)


def started(run_id: str) -> e.RunStarted:
    return e.RunStarted(
        run_id=run_id,
        issue=e.Issue("issue-7", "a title", "a text", 7),
        repo="/repo",
        base_ref="main",
        base_commit="abc",
        target="miyabi/issue-7",
        task="task",
        worlds=default_worlds("p/m", "p/n"),
        merge=e.MergePolicy.AUTO,
    )


STORY: tuple[e.AnyEvent, ...] = (
    e.PhaseChanged(phase=e.Phase.RACING),
    e.WorldPreparing(world=ALPHA),
    e.WorktreeCreated(world=ALPHA, path="/w/Alpha", branch="world-Alpha-issue-7-task"),
    e.WorldsSpawned(task="task", worlds=(ALPHA,)),
    e.WorldScored(
        world=ALPHA,
        score=score(EVIDENCE),
        evidence=EVIDENCE,
        ineligible=(),
        commit="def",
        seconds=1.0,
    ),
    e.WinnerSelected(world=ALPHA, by_person=False, override=False, reason="best", commit="def"),
    e.MergeReady(world=ALPHA, branch="miyabi/issue-7"),
    e.Merged(world=ALPHA, branch="miyabi/issue-7", commit="fed"),
    e.RunFinished(status=e.RunStatus.MERGED),
)


async def tell(journal: Journal, *events: e.AnyEvent, run_id: str = "r1") -> BufferedSubscription:
    """Send events through a bus into the journal."""
    bus, heard = Bus(run_id, journal, masker=Masker(), clock=lambda: 100.0), BufferedSubscription()
    bus.subscribe(heard)
    async with anyio.create_task_group() as group:
        group.start_soon(bus.run)
        for event in events:
            bus.post(event)
        bus.close()
    return heard


async def test_everything_told_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "miyabi.db"
    async with open_journal(path) as journal:
        heard = await tell(journal, started("r1"), *STORY)
    async with open_journal(path) as journal:
        records = await journal.records("r1")

    assert records == heard.drain()
    state = fold(records)
    assert (state.winner, state.status) == (ALPHA, e.RunStatus.MERGED)
    assert state.world(ALPHA).status is WorldStatus.WON


async def test_the_five_tables_follow_the_events(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    async with open_journal(path) as journal:
        await tell(journal, started("r1"), *STORY)

    with sqlite3.connect(path) as db:
        db.execute("PRAGMA foreign_keys = ON")
        run = db.execute(
            "SELECT issue_number, status, winning_world_id, final_score, completed_at"
            " FROM execution_runs"
        ).fetchone()
        assert run == (7, "merged", "Alpha", 100.0, 100.0)
        assert db.execute("SELECT task_name, status FROM task_executions").fetchall() == [
            ("task", "merged")
        ]
        worlds = db.execute(
            "SELECT world_id, status, branch_name, evaluation_score FROM world_executions"
        ).fetchall()
        assert worlds[0] == ("Alpha", "won", "world-Alpha-issue-7-task", 100.0)
        assert len(worlds) == 5
        kinds = [
            row[0] for row in db.execute("SELECT checkpoint_type FROM checkpoints ORDER BY id")
        ]
        assert kinds == [
            "WorktreeCreated",
            "WorldsSpawned",
            "WorldCompleted",
            "EvaluationDone",
            "MergeReady",
        ]
        (data,) = db.execute(
            "SELECT data FROM checkpoints WHERE checkpoint_type = 'EvaluationDone'"
        ).fetchone()
        assert json.loads(data) == {"winning_world": "Alpha", "all_scores": {"Alpha": 100.0}}
        assert db.execute("SELECT path, is_orphaned FROM worktrees").fetchall() == [("/w/Alpha", 0)]
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            db.execute("INSERT INTO events VALUES ('no such run', 1, 0, '', '', '{}')")
        indexes = {row[1] for row in db.execute("PRAGMA index_list(checkpoints)")}
        assert {"checkpoints_run_id", "checkpoints_checkpoint_type"} <= indexes
    db.close()


async def test_two_engines_write_to_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    async with open_journal(path) as one, open_journal(path) as two:
        async with anyio.create_task_group() as group:
            for number, journal in enumerate((one, two)):

                async def write(journal: Journal, run_id: str) -> None:
                    await tell(journal, started(run_id), *STORY, run_id=run_id)

                group.start_soon(write, journal, f"r{number}")
        assert {row.run_id for row in await one.runs()} == {"r0", "r1"}


async def test_neighbouring_output_is_joined_and_nothing_else_moves(tmp_path: Path) -> None:
    def output(world: WorldId, text: str, channel: e.Channel = e.Channel.TEXT) -> e.Output:
        return e.Output(world=world, channel=channel, text=text)

    async with open_journal(tmp_path / "miyabi.db") as journal:
        heard = await tell(
            journal,
            started("r1"),
            output(ALPHA, "a"),
            output(BETA, "1"),
            output(ALPHA, "b"),
            output(BETA, "2", e.Channel.REASONING),
            e.WorldPaused(world=ALPHA),
            output(ALPHA, "c"),
        )

    told = [record.event for record in heard.drain()][1:]
    assert told == [
        output(ALPHA, "ab"),
        output(BETA, "1"),
        output(BETA, "2", e.Channel.REASONING),
        e.WorldPaused(world=ALPHA),
        output(ALPHA, "c"),
    ]


async def test_half_a_surrogate_pair_is_no_text_and_harms_nobody(tmp_path: Path) -> None:
    half = e.Output(world=ALPHA, channel=e.Channel.TEXT, text="hi \ud83d")
    async with open_journal(tmp_path / "miyabi.db") as journal:
        heard = await tell(
            journal, started("r1"), half, e.Corrected(world=ALPHA, step=1, text="\ud83d")
        )

    (_, output, corrected) = [record.event for record in heard.drain()]
    assert isinstance(output, e.Output) and output.text == "hi ?"
    assert isinstance(corrected, e.Corrected) and corrected.text == "?"


async def test_emit_returns_when_the_event_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    async with open_journal(path) as journal, anyio.create_task_group() as group:
        bus = Bus("r1", journal, masker=Masker())
        group.start_soon(bus.run)
        await bus.emit(started("r1"))
        async with open_journal(path) as other:
            assert len(await other.records("r1")) == 1
        bus.close()


async def test_a_full_disk_reaches_whoever_emits(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        await tell(journal, started("r1"))
        # SQLite's own limit on its size stands for the disk.
        await journal._connection.execute("PRAGMA max_page_count = 1")
        bus = Bus("r1", journal, masker=Masker(), seq=1)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                group.start_soon(bus.run)
                huge = "x" * 500_000
                await bus.emit(e.Notice(level=e.Level.INFO, text=huge))

        assert caught.group_contains(StoreError, match="is the disk full", depth=1)


def test_a_slow_reader_keeps_lifecycle_events_and_loses_old_output() -> None:
    slow = BufferedSubscription()
    chunk = "x" * 60_000
    for number in range(200):
        slow.put(
            [
                e.Record(
                    2 * number, 0.0, e.Output(world=ALPHA, channel=e.Channel.STDOUT, text=chunk)
                ),
                e.Record(2 * number + 1, 0.0, e.StepFinished(world=ALPHA, step=number)),
            ]
        )

    records = slow.drain()

    steps = [one.event.step for one in records if isinstance(one.event, e.StepFinished)]
    kept = [one for one in records if isinstance(one.event, e.Output)]
    assert steps == list(range(200))
    assert 20 < len(kept) < 80
    assert kept[-1].seq == 398


# --- reading a part of a run ---------------------------------------------------------------------


def said(world: WorldId, text: str) -> e.Output:
    return e.Output(world=world, channel=e.Channel.STDOUT, text=text)


GAUGES = e.Gauges(worlds=(e.Gauge(ALPHA, 1.0, 2, 3),))


async def test_a_run_is_read_without_its_streams_but_with_its_end(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        step = e.StepFinished(world=ALPHA, step=1)
        await tell(journal, started("r1"), said(ALPHA, "a"), GAUGES, step, said(BETA, "b"))
        records = await journal.records("r1", streams=False)
        assert [one.seq for one in records] == [1, 4, 5], "the last one says where the journal ends"
        assert fold(records).seq == 5
        # Whoever goes on with it does not write over it.
        run = await journal.resume("r1")
        await journal.append("r1", [e.Record(run.seq + 1, 1.0, GAUGES)])
        assert [one.seq for one in await journal.records("r1", streams=False)] == [1, 4, 6]


async def test_recent_has_the_newest_output_of_each_world(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "miyabi.db") as journal:
        await tell(journal, started("r1"), said(BETA, "early and alone"))
        events = [said(ALPHA, f"{number:10}") for number in range(2_000)]
        records = [e.Record(seq, 1.0, event) for seq, event in enumerate(events, 3)]
        await journal.append("r1", records)
        await journal.append("r1", [e.Record(2_003, 1.0, e.StepFinished(world=ALPHA, step=1))])

        recent = await journal.recent("r1", characters=10_005)

    texts = [one.event.text for one in recent if isinstance(one.event, e.Output)]
    assert texts == ["early and alone", *(f"{number:10}" for number in range(1_000, 2_000))]
    assert [one.seq for one in recent] == sorted(one.seq for one in recent)
    assert isinstance(recent[0].event, e.RunStarted)
    assert isinstance(recent[-1].event, e.StepFinished)


async def test_recent_has_the_output_of_worlds_that_forked(tmp_path: Path) -> None:
    zeta = msgspec.structs.replace(default_worlds("p/m", "p/n")[0], id=WorldId.ZETA)
    forked = e.WorldForked(
        world=WorldId.ZETA, source=ALPHA, step=0, checkpoint="c", config=zeta, system="s"
    )
    async with open_journal(tmp_path / "miyabi.db") as journal:
        await tell(
            journal, started("r1"), forked, said(WorldId.ZETA, "hello"), e.WorldPaused(world=ALPHA)
        )
        recent = await journal.recent("r1")

    assert said(WorldId.ZETA, "hello") in [one.event for one in recent]


async def test_interrupted_runs_are_those_that_nobody_drives(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    endings: dict[str, e.AnyEvent] = {
        "merged": e.RunFinished(status=e.RunStatus.MERGED),
        "chosen": e.RunFinished(status=e.RunStatus.SELECTED),
        "stopped": e.RunFinished(status=e.RunStatus.INTERRUPTED),
        "failed": e.RunFinished(status=e.RunStatus.FAILED),
        "killed": e.PhaseChanged(phase=e.Phase.RACING),
        "driven": e.PhaseChanged(phase=e.Phase.RACING),
    }
    async with open_journal(path) as journal:
        for run_id, event in endings.items():
            await tell(journal, started(run_id), event, run_id=run_id)
        with driving(path, "driven"):
            rows = await journal.interrupted("/repo")
            assert [row.run_id for row in rows] == ["killed", "failed", "stopped"]
        assert len(await journal.interrupted("/repo")) == 4
        assert await journal.interrupted("/another") == []


# --- past runs -----------------------------------------------------------------------------------


async def test_an_interrupted_run_says_how_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "miyabi.db"
    begun = msgspec.structs.replace(started("r1"), repo=str(tmp_path))
    async with open_journal(path) as journal:
        await tell(journal, begun, e.WorldStarted(world=ALPHA, system="s", messages=()))

    assert "miyabi resume r1" in history.listing(await history.runs(path), as_json=False)
    page = history.page(await history.state(path, "r1"), as_json=False)
    assert "interrupted: its process ended" in page
    assert "go on with: miyabi resume r1" in page
    with driving(path, "r1"):
        assert "resume" not in history.listing(await history.runs(path), as_json=False)
        page = history.page(await history.state(path, "r1"), as_json=False)
        assert "resume" not in page and "miyabi attach r1" in page
    assert capsys.readouterr().err == ""

    path.write_bytes(b"\0" * 8192)
    assert await history.runs(path) == []
    assert "miyabi: the journal was damaged: it is kept as" in capsys.readouterr().err


@pytest.mark.parametrize("event", [started("r1"), *STORY], ids=lambda event: type(event).__name__)
def test_events_survive_json(event: e.AnyEvent) -> None:
    assert e.decode(e.encode(event)) == event
