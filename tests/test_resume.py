"""Interrupted runs go on: killed with -9 anywhere, the run ends as if nothing had happened."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.sandbox.marks import marked
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.terms import Checkpoints
from miyabi_tui.engine.worlds import FIVE
from tests import racing
from tests.killed import kill_at

if TYPE_CHECKING:
    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

ALPHA, BETA, *_ = FIVE

SLOWLY: racing.Turns = [
    [("bash", {"command": "echo half > notes.txt; sleep 0.2; echo done >> notes.txt"})],
    *racing.FIX,
]
# In the order in which a race comes by them; each is where one engine ends.
KILLED_AT = (
    "WorktreeCreated",
    "TurnFinished",
    "ToolStarted",
    "StepFinished",
    "AttemptFinished",
    "EvaluationStarted",
    "WorldScored",
    "WinnerSelected",
    "MergeStarted",
    "Merged",
)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


def test_killed_ten_times_it_ends_as_if_undisturbed(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.UNTESTED, BETA: SLOWLY})
    run = ""
    for kind in KILLED_AT:
        run = kill_at(kind, journal, repo, recording, run)

    state, records = racing.resume(run, journal)

    assert (state.status, state.winner) == (e.RunStatus.MERGED, BETA)
    assert {world.id: world.score.total for world in state.worlds if world.score} == {
        ALPHA: 97.0,
        BETA: 100.0,
    }
    assert racing.git(repo, "show", f"{state.branch}:notes.txt") == "half\ndone"
    # Merged once, and every turn was bought once.
    merges = racing.git(repo, "log", "--branches", f"--grep=Miyabi-Run: {run}", "--format=%H")
    assert merges == state.commit
    bought = Counter(
        (one.event.world, one.event.step)
        for one in records
        if isinstance(one.event, e.TurnFinished)
    )
    assert bought == Counter([(ALPHA, 1), (ALPHA, 2), (BETA, 1), (BETA, 2), (BETA, 3)])
    assert sum(isinstance(one.event, e.WorldScored) for one in records) == 2
    assert sum(isinstance(one.event, e.BaseMeasured) for one in records) == 1
    assert [one.seq for one in records] == sorted({one.seq for one in records})
    # Nothing is damaged and nothing is left.
    assert "error" not in racing.git(repo, "fsck", "--full", "--strict")
    with sqlite3.connect(journal) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert marked(f"{run}-") == set()


def interrupt(kind: type[e.Event], **fields: object) -> racing.Act:
    """Stops the run at the first event of this kind with these fields."""

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        found = isinstance(record.event, kind) and all(
            getattr(record.event, name) == value for name, value in fields.items()
        )
        if found:
            engine.stop()

    return act


def stopped(
    repo: Path, journal: Path, recording: Path, act: racing.Act, **changes: object
) -> RunState:
    """A run that was stopped, say with q, and what it had come to."""
    state, _ = racing.race(racing.request_for(repo, recording, **changes), journal, act)
    assert state.status is e.RunStatus.INTERRUPTED
    return state


def test_the_screen_shows_at_once_what_was_restored(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: SLOWLY})
    before = stopped(repo, journal, recording, interrupt(e.StepFinished, step=2))

    state, records = racing.resume(before.run_id, journal)

    resumed = next(at for at, one in enumerate(records) if isinstance(one.event, e.RunResumed))
    past = records[:resumed]
    assert [one.seq for one in past] == sorted(one.seq for one in past)
    steps = [one.event.step for one in past if isinstance(one.event, e.StepFinished)]
    assert steps == [1, 2]
    said = [one.event.text for one in past if isinstance(one.event, e.Output)]
    assert "Working." in said
    assert state.status is e.RunStatus.SELECTED
    assert state.world(ALPHA).restored == "resumed at step 2"
    assert state.resumed == 1 and state.away_seconds >= 0


@pytest.mark.parametrize("damage", ["folder", "registration", "branch", "edited", "all"])
def test_whatever_happened_to_a_worktree_it_is_rebuilt_and_what_was_found_is_kept(
    repo: Path, journal: Path, tmp_path: Path, damage: str
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: SLOWLY})
    before = stopped(repo, journal, recording, interrupt(e.StepFinished, step=2))
    config = before.world(ALPHA).config
    path = Path(config.worktree)
    if damage == "folder":
        shutil.rmtree(path)
    elif damage == "registration":
        shutil.rmtree(repo / ".git" / "worktrees")
    elif damage == "branch":
        racing.git(repo, "update-ref", "-d", f"refs/heads/{config.branch}")
    elif damage == "all":
        shutil.rmtree(repo / ".miyabi")
        racing.git(repo, "worktree", "prune")
        racing.git(repo, "branch", "-D", config.branch)
        racing.git(repo, "gc", "--prune=now", "--quiet")
    if damage in ("edited", "registration"):
        (path / "notes.txt").write_text("my own hand\n")
        (path / "mine.txt").write_text("untracked\n")

    state, records = racing.resume(before.run_id, journal)

    assert state.status is e.RunStatus.SELECTED
    assert (path / "notes.txt").read_text() == "half\ndone\n"
    assert racing.git(repo, "show", f"{config.branch}:notes.txt") == "half\ndone"
    restored = next(one.event for one in records if isinstance(one.event, e.WorldRestored))
    assert restored.found
    if damage in ("edited", "registration"):
        assert racing.git(repo, "show", f"{restored.archived}:notes.txt") == "my own hand"
        assert racing.git(repo, "show", f"{restored.archived}:mine.txt") == "untracked"
        assert not (path / "mine.txt").exists()


def test_a_paused_world_is_still_paused_where_a_person_can_let_it_go_on(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})

    def pause(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.StepFinished):
            engine.pause(ALPHA)
        if isinstance(record.event, e.WorldPaused):
            engine.stop()

    before = stopped(repo, journal, recording, pause)
    seen: list[WorldStatus] = []

    def go_on(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.WorldPaused) and state.resumed:
            seen.append(state.world(ALPHA).status)
            engine.proceed(ALPHA)
        if isinstance(record.event, e.MergeReady):
            engine.merge()

    state, _ = racing.resume(before.run_id, journal, go_on, interactive=True)
    assert seen == [WorldStatus.PAUSED]
    assert state.status is e.RunStatus.MERGED


def test_a_pick_is_not_forgotten(repo: Path, journal: Path, tmp_path: Path) -> None:
    """Killed between the word of the person and the score: the picked world wins all the same."""
    turns = {ALPHA: racing.FIX, BETA: racing.SLEEPS}
    recording = racing.record(tmp_path / "turns", turns)

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and "sleep" in record.event.summary:
            engine.pick(BETA)
        if isinstance(record.event, e.WorldPicked):
            engine.stop()

    before = stopped(repo, journal, recording, act)
    state, records = racing.resume(before.run_id, journal)
    assert (state.status, state.winner) == (e.RunStatus.SELECTED, BETA)
    assert state.winner_by_person
    bought = [one for one in records if isinstance(one.event, e.TurnFinished)]
    assert len(bought) == before_bought(journal)  # nobody works on who has lost by then


def before_bought(journal: Path) -> int:
    """How many turns the journal has from before its first resume."""
    with sqlite3.connect(journal) as db:
        query = (
            "SELECT count(*) FROM events WHERE kind = 'turn_finished'"
            " AND seq < (SELECT min(seq) FROM events WHERE kind = 'run_resumed')"
        )
        return int(db.execute(query).fetchone()[0])


def test_without_a_person_a_paused_world_goes_on(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})

    def pause(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.StepFinished):
            engine.pause(ALPHA)
        if isinstance(record.event, e.WorldPaused):
            engine.stop()

    before = stopped(repo, journal, recording, pause)
    state, _ = racing.resume(before.run_id, journal)
    assert state.status is e.RunStatus.SELECTED
    assert not state.world(ALPHA).paused_when_cut


def test_worktrees_are_saved_by_the_clock_too(repo: Path, journal: Path, tmp_path: Path) -> None:
    """A long command is going on; what it has written by then is not lost with the worktree."""
    turns: racing.Turns = [
        [("bash", {"command": "echo half > half.txt; while [ ! -e go ]; do sleep 0.02; done"})]
    ]
    recording = racing.record(tmp_path / "turns", {ALPHA: turns})
    saved: list[e.CheckpointSaved] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.CheckpointSaved) and record.event.why == "automatic":
            saved.append(record.event)
            if "half.txt" in racing.git(repo, "ls-tree", "--name-only", record.event.commit):
                engine.stop()

    often = Checkpoints(every_seconds=0.2)
    state = stopped(repo, journal, recording, act, checkpoints=often)
    with sqlite3.connect(journal) as db:
        query = "SELECT checkpoint_type, count(*) FROM checkpoints GROUP BY checkpoint_type"
        kinds = dict(db.execute(query).fetchall())
    assert kinds["Automatic"] == len(saved)
    assert kinds["Saved"] == 2  # what the agent began with, and where it was stopped
    assert racing.git(repo, "show", f"{saved[-1].ref}:half.txt") == "half"
    assert state.world(ALPHA).checkpoints[-1].step == 0


def test_a_rebuilt_worktree_is_set_up_again(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: SLOWLY})
    commands = Commands(setup="mkdir -p __pycache__; echo x >> __pycache__/made-by-setup")
    state = stopped(repo, journal, recording, interrupt(e.StepFinished, step=1), commands=commands)
    made = Path(state.world(ALPHA).config.worktree, "__pycache__", "made-by-setup")
    assert made.read_text() == "x\n"
    shutil.rmtree(made.parent.parent)

    state, _ = racing.resume(state.run_id, journal)
    assert state.status is e.RunStatus.SELECTED
    assert made.read_text() == "x\n"


def test_a_rewritten_base_does_not_matter(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: SLOWLY})
    before = stopped(repo, journal, recording, interrupt(e.StepFinished, step=2))
    shutil.rmtree(repo / ".miyabi")
    racing.git(repo, "worktree", "prune")
    racing.git(repo, "branch", "-D", before.world(ALPHA).config.branch)
    racing.git(repo, "commit", "-q", "--amend", "-m", "another base")
    racing.git(repo, "reflog", "expire", "--expire=now", "--all")
    racing.git(repo, "gc", "--prune=now", "--quiet")

    state, _ = racing.resume(before.run_id, journal)
    assert state.status is e.RunStatus.SELECTED
    assert state.base_commit == before.base_commit


def test_only_one_engine_drives_a_run(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS})
    second: list[RunState] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and "sleep" in record.event.summary:
            second.append(racing.resume(state.run_id, journal)[0])
            engine.stop()

    stopped(repo, journal, recording, act)
    assert "is still going on" in second[0].reason
