"""The tables say what the fold says, after whatever events, and checkpoints hold their data."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models.base import AssistantMessage, Sampling, Usage
from miyabi_tui.engine.scoring.score import score
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.worlds import WorldId, default_worlds
from tests.test_journal import ALPHA, EVIDENCE, said, started, tell

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def varied(random: Random, worlds: list[WorldId]) -> e.AnyEvent:
    """Any event that changes something, for any world: most of them at odd moments."""
    world, step = random.choice(worlds), random.randrange(5)
    fork = random.choice([world, WorldId.ZETA, WorldId.ETA])
    config = msgspec.structs.replace(
        default_worlds("p/m", "p/n")[0], id=fork, worktree=f"/w/{fork}", branch=f"b-{fork}"
    )
    total = score(EVIDENCE)
    usage, message = Usage(), AssistantMessage("text")
    choices: list[e.AnyEvent] = [
        e.RunResumed(away_seconds=1.0, worlds=tuple(random.sample(worlds, 2))),
        e.PhaseChanged(phase=random.choice(list(e.Phase))),
        e.WorldPreparing(world=world),
        e.WorktreeCreated(world=world, path=f"/w/{world}", branch=f"b-{world}"),
        e.WorldsSpawned(task="task", worlds=tuple(worlds)),
        e.WorldStarted(world=world, system="s", messages=()),
        e.StepStarted(world=world, step=step, sampling=Sampling("m")),
        said(world, "text"),
        e.TurnFinished(
            world=world,
            step=step,
            message=message,
            usage=usage,
            cost_usd=random.choice([None, 0.25]),
            stop_reason="",
            seconds=1.0,
        ),
        e.StepFinished(world=world, step=step, checkpoint=random.choice(["", "c"]), tests="3 ok"),
        e.CheckpointSaved(
            world=world, step=step, commit="c", ref="r", why=random.choice(["automatic", "begun"])
        ),
        e.WorldRestored(world=world, step=step),
        e.WorldForked(
            world=fork,
            source=world,
            step=step,
            checkpoint="c",
            config=config,
            system="s",
        ),
        e.WorldPaused(world=world),
        e.WorldContinued(world=world),
        e.EvaluationStarted(world=world),
        e.WorldScored(
            world=world, score=total, evidence=EVIDENCE, ineligible=(), commit="d", seconds=1.0
        ),
        e.WorldKilled(world=world, reason="by hand"),
        e.WorldFailed(world=world, title="failed"),
        e.WorldPicked(world=world),
        e.PickWithdrawn(world=world),
        e.WinnerSelected(world=world, by_person=True, override=False, reason="best", commit="d"),
        e.NoWinner(reason="none"),
        e.MergeReady(world=world, branch="m"),
        e.MergeStarted(world=world, branch="m", commit="e"),
        e.Merged(world=world, branch="m", commit="e"),
        e.MergeFailed(world=world, branch="m", cause="conflict"),
        e.RunFinished(status=random.choice(list(e.RunStatus))),
    ]
    return random.choice(choices)


@pytest.mark.parametrize("seed", range(3))
async def test_every_row_is_what_the_fold_says(tmp_path: Path, seed: int) -> None:
    random, path = Random(seed), tmp_path / "miyabi.db"
    state, seq = RunState(), 0
    async with open_journal(path) as journal:
        with closing(sqlite3.connect(path)) as db:
            events: list[e.AnyEvent] = [started("r1")]
            for _ in range(100):
                records = [
                    e.Record(number, float(number), event)
                    for number, event in enumerate(events, seq + 1)
                ]
                await journal.append("r1", records)
                state, seq = fold(records, state), seq + len(records)
                assert journal.state("r1") == state
                compare_rows(db, state)
                worlds = [world.id for world in state.worlds]
                events = [varied(random, worlds) for _ in range(random.randrange(1, 6))]
            kinds = {kind for (kind,) in db.execute("SELECT checkpoint_type FROM checkpoints")}
            assert kinds >= {"StepFinished", "Automatic", "Saved", "MergeReady"}
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert len(state.worlds) == 7, "extra worlds have rows too"
    async with open_journal(path) as journal:
        assert settled(await journal.resume("r1")) == settled(state)


def settled(run: RunState) -> RunState:
    """The run without what only its streams tell."""
    worlds = (msgspec.structs.replace(world, last_output_at=None) for world in run.worlds)
    return msgspec.structs.replace(run, worlds=tuple(worlds))


def compare_rows(db: sqlite3.Connection, state: RunState) -> None:
    winner = state.world(state.winner) if state.winner else None
    assert db.execute(
        "SELECT id, issue_number, status, started_at, completed_at, round(total_cost_usd, 6),"
        " winning_world_id, final_score, issue_key, title, repo, base_commit, branch, merge_commit"
        " FROM execution_runs"
    ).fetchall() == [
        (
            *("r1", 7, state.status, state.started_at, state.ended_at),
            round(state.total_cost_usd, 6),
            *(state.winner, winner.score.total if winner and winner.score else None),
            *("issue-7", "a title", "/repo", "abc", state.branch or None, state.commit or None),
        )
    ]
    assert db.execute(
        "SELECT task_name, status, started_at, completed_at FROM task_executions"
    ).fetchall() == [("task", state.status, state.started_at, state.ended_at)]
    assert set(
        db.execute(
            "SELECT world_id, worktree_path, branch_name, status, started_at, completed_at,"
            " evaluation_score, round(cost_usd, 6) FROM world_executions"
        )
    ) == {
        (
            *(world.id, world.config.worktree or None, world.config.branch or None, world.status),
            *(world.started_at, world.ended_at, world.score.total if world.score else None),
            round(world.cost_usd, 6),
        )
        for world in state.worlds
    }
    assert set(db.execute("SELECT world_id, path, branch, is_orphaned, run_id FROM worktrees")) == {
        (world.id, world.config.worktree, world.config.branch, 0, "r1")
        for world in state.worlds
        if world.config.worktree
    }


async def test_steps_and_savings_are_checkpoints_too(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    turn = e.TurnFinished(
        world=ALPHA,
        step=1,
        message=AssistantMessage("text"),
        usage=Usage(),
        cost_usd=0.25,
        stop_reason="",
        seconds=1.0,
    )
    async with open_journal(path) as journal:
        await tell(
            journal,
            started("r1"),
            e.CheckpointSaved(world=ALPHA, step=0, commit="c0", ref="refs/0", why="begun"),
            turn,
            e.StepFinished(world=ALPHA, step=1, checkpoint="c1", tests="3 passed"),
            e.CheckpointSaved(world=ALPHA, step=1, commit="c2", ref="refs/2", why="automatic"),
            e.StepFinished(world=ALPHA, step=2),
        )
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT checkpoint_type, world_id, data FROM checkpoints ORDER BY id")
        found = [(kind, world, json.loads(data)) for kind, world, data in rows]
    saved = {"world_id": "Alpha", "step": 0, "commit": "c0", "ref": "refs/0", "why": "begun"}
    clock = {"step": 1, "commit": "c2", "ref": "refs/2", "why": "automatic"}
    step = {"world_id": "Alpha", "step": 1, "commit": "c1", "tests": "3 passed", "cost": 0.25}
    assert found == [
        ("Saved", "Alpha", saved),
        ("StepFinished", "Alpha", step),
        ("Automatic", "Alpha", saved | clock),
    ]


async def test_a_worktree_that_is_worked_in_again_is_no_orphan(tmp_path: Path) -> None:
    path = tmp_path / "miyabi.db"
    made = e.WorktreeCreated(world=ALPHA, path="/w/Alpha", branch="b")
    async with open_journal(path) as journal:
        await tell(journal, started("r1"), made)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE worktrees SET is_orphaned = 1, orphaned_at = 5, created_at = 3")
        await journal.append("r1", [e.Record(3, 200.0, e.WorldRestored(world=ALPHA, step=1))])
    with closing(sqlite3.connect(path)) as db:
        row = db.execute(
            "SELECT is_orphaned, orphaned_at, created_at, last_accessed_at FROM worktrees"
        ).fetchone()
    assert row == (0, None, 3.0, 200.0)
