"""The whole engine on a real repository: who wins, what is merged, what the person can do."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest

from miyabi_tui import history
from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.errors import StoreError, WorktreeError
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.repo.worktrees import FiveWorldsManager, Worktree
from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.engine.store.journal import Journal
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests import racing
from tests.processes import left_in, stands_still

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHA, BETA, GAMMA, DELTA, EPSILON = FIVE


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


def test_five_worlds_are_scored_and_only_the_best_is_merged(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    (repo / "calc/ops.py").write_text("# my unsaved work\n")
    (repo / "notes.txt").write_text("mine")
    before = racing.git(repo, "status", "--porcelain"), racing.git(repo, "rev-parse", "HEAD")
    turns = {
        ALPHA: racing.UNTESTED,
        BETA: racing.FIX,
        GAMMA: racing.UNSAFE,
        DELTA: racing.DELETES,
        EPSILON: racing.BROKEN,
    }
    request = racing.request_for(
        repo, racing.record(tmp_path / "turns", turns), merge=e.MergePolicy.AUTO
    )

    state, records = racing.race(request, journal)

    assert state.status is e.RunStatus.MERGED
    assert state.winner is BETA
    totals = {world.id: world.score.total for world in state.worlds if world.score}
    assert totals[BETA] == 100.0
    assert totals[ALPHA] == 97.0  # −3: no test was added
    assert {world.id for world in state.worlds if world.ineligible} == {GAMMA, DELTA, EPSILON}
    assert "security, high" in state.world(GAMMA).ineligible[0]
    assert "deletes or weakens tests" in " ".join(state.world(DELTA).ineligible)
    assert "does not build" in state.world(EPSILON).ineligible[0]
    assert [world.status for world in state.worlds] == [
        WorldStatus.LOST,
        WorldStatus.WON,
        *[WorldStatus.LOST] * 3,
    ]
    assert [record.seq for record in records] == list(range(1, len(records) + 1))

    # Only the winner is merged, as one commit by the user, and the checkout is as it was.
    assert racing.git(repo, "show", "miyabi/issue-7:calc/ops.py") == racing.RIGHT.strip()
    assert racing.git(repo, "rev-list", "--count", "main..miyabi/issue-7") == "1"
    assert racing.git(repo, "log", "-1", "--format=%an %ae %s", "miyabi/issue-7") == (
        "Ada ada@example.org add() subtracts (#7)"
    )
    assert "Beta 100 · Alpha 97" in racing.git(repo, "log", "-1", "--format=%b", "miyabi/issue-7")
    after = racing.git(repo, "status", "--porcelain"), racing.git(repo, "rev-parse", "HEAD")
    assert after == before
    # The losers' branches stay, and the base's own worktree is gone.
    branches = racing.git(repo, "branch", "--format=%(refname:short)").splitlines()
    assert sum(name.startswith("world-") for name in branches) == 5
    assert "/base/" not in racing.git(repo, "worktree", "list")


def test_equal_scores_go_to_the_smaller_change(repo: Path, journal: Path, tmp_path: Path) -> None:
    long = [
        [("write", {"path": "calc/ops.py", "content": "# A remark.\n\n" + racing.RIGHT})],
        *racing.UNTESTED[1:],
    ]
    turns = {ALPHA: long, BETA: racing.UNTESTED}

    state, _ = racing.race(
        racing.request_for(repo, racing.record(tmp_path / "turns", turns)), journal
    )

    assert state.winner is BETA
    assert "fewer changed lines" in state.winner_reason


def test_nobody_eligible_means_nothing_is_merged(repo: Path, journal: Path, tmp_path: Path) -> None:
    turns = {ALPHA: racing.NOTHING, BETA: racing.DELETES}
    request = racing.request_for(
        repo, racing.record(tmp_path / "turns", turns), merge=e.MergePolicy.AUTO
    )

    state, _ = racing.race(request, journal)

    assert state.status is e.RunStatus.NO_WINNER
    assert "it changes nothing" in state.reason
    assert "miyabi/" not in racing.git(repo, "branch")
    assert state.world(ALPHA).score is not None


@pytest.mark.parametrize("policy", [e.MergePolicy.ASK, e.MergePolicy.NEVER])
def test_without_a_person_a_winner_is_only_selected(
    repo: Path, journal: Path, tmp_path: Path, policy: e.MergePolicy
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})

    state, _ = racing.race(racing.request_for(repo, recording, merge=policy), journal)

    assert (state.status, state.winner, state.branch) == (e.RunStatus.SELECTED, ALPHA, "")
    assert "miyabi/" not in racing.git(repo, "branch")


def test_one_world_failing_leaves_the_others_alone(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    short = [racing.FIX[0]]  # the recording ends before it finishes: a model error
    recording = racing.record(tmp_path / "turns", {ALPHA: short, BETA: racing.FIX})

    state, _ = racing.race(racing.request_for(repo, recording), journal)

    assert state.world(ALPHA).status is WorldStatus.FAILED
    assert "no turn 2" in state.world(ALPHA).reason
    assert state.winner is BETA


SAID = (e.Channel.STDOUT, "ready\n")


def test_pause_freezes_and_go_on_finishes(repo: Path, journal: Path, tmp_path: Path) -> None:
    marker = tmp_path / "go"
    waits = [
        [("bash", {"command": f"echo ready; while [ ! -e {marker} ]; do sleep 0.02; done"})],
        *racing.FIX,
    ]
    recording = racing.record(tmp_path / "turns", {ALPHA: waits})
    seen: list[str] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        event = record.event
        if isinstance(event, e.Output) and (event.channel, event.text) == SAID and not seen:
            seen.append("ready")
            engine.pause(ALPHA)
        if isinstance(event, e.WorldPaused):
            assert state.world(ALPHA).status is WorldStatus.PAUSED
            seen.append(_frozen(tmp_path))
            marker.touch()
            engine.proceed(ALPHA)

    state, _ = racing.race(racing.request_for(repo, recording), journal, act)

    assert seen == ["ready", "frozen"]
    assert state.winner is ALPHA


def _frozen(folder: Path) -> str:
    """Whether the shell that waits for the marker in `folder` is frozen; that takes a moment."""
    found = "none"
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[:2] == ["bash", "-c"] and f"! -e {folder}" in words[2]:
            found, end = "goes on", time.monotonic() + 20
            while time.monotonic() < end:
                if stands_still(process.pid):
                    return "frozen"
    return found


def test_a_message_joins_with_the_next_turn_and_comes_too_late_after_the_last(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "t", {BETA: racing.FIX})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and record.event.step == 1:
            engine.tell(BETA, "Mind the tests.")
        if isinstance(record.event, e.EvaluationStarted):
            engine.tell(BETA, "Too late.")

    state, records = racing.race(racing.request_for(repo, recording), journal, act)
    steps = [one.event for one in records if isinstance(one.event, e.StepStarted)]
    assert [one.told for one in steps] == [(), ("Mind the tests.",)]
    assert any("Beta will read nothing more" in one.text for one in state.notices)
    assert not state.world(BETA).told


def test_kill_ends_one_world_and_every_process_of_it(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.FIX})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.Output) and "sleeping" in record.event.text:
            engine.kill(ALPHA)

    state, _ = racing.race(racing.request_for(repo, recording), journal, act)

    assert state.world(ALPHA).status is WorldStatus.KILLED
    assert state.winner is BETA
    assert not _sleepers(state)
    # What it had written is still there.
    worktree = state.world(ALPHA).config.worktree
    assert racing.git(repo, "-C", worktree, "diff", "--stat")


def _sleepers(state: RunState) -> list[psutil.Process]:
    return [one for world in state.worlds for one in left_in(Path(world.config.worktree))]


def test_picking_a_world_at_work_ends_the_race_for_all(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.SLEEPS})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and record.event.world is BETA:
            if record.event.name == "bash":
                engine.pick(BETA)

    request = racing.request_for(repo, recording, merge=e.MergePolicy.AUTO)
    state, _ = racing.race(request, journal, act)

    assert (state.status, state.winner) == (e.RunStatus.MERGED, BETA)
    assert state.winner_by_person
    assert state.world(ALPHA).status is WorldStatus.KILLED
    assert state.world(ALPHA).reason == "Beta was picked"
    assert racing.git(repo, "show", "miyabi/issue-7:calc/ops.py") == racing.RIGHT.strip()


def test_picking_against_the_ranking_is_an_override_and_m_merges_it(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX, BETA: racing.UNSAFE})
    ready: list[WorldId] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            ready.append(record.event.world)
            if len(ready) == 1:
                engine.pick(BETA)
            else:
                engine.merge()

    request = racing.request_for(repo, recording, interactive=True)
    state, _ = racing.race(request, journal, act)

    assert ready == [ALPHA, BETA]
    assert (state.status, state.winner, state.override) == (e.RunStatus.MERGED, BETA, True)
    assert "although security, high" in state.winner_reason
    assert "shell=True" in racing.git(repo, "show", "miyabi/issue-7:calc/ops.py")


def test_stop_while_racing_is_an_interruption_without_leftovers(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS, BETA: racing.SLEEPS})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.Output) and "sleeping" in record.event.text:
            engine.stop()

    state, _ = racing.race(racing.request_for(repo, recording), journal, act)

    assert state.status is e.RunStatus.INTERRUPTED
    assert not _sleepers(state)


def test_stop_after_the_choice_leaves_the_winner_selected(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            engine.stop()

    request = racing.request_for(repo, recording, interactive=True)
    state, _ = racing.race(request, journal, act)

    assert (state.status, state.winner) == (e.RunStatus.SELECTED, ALPHA)


def test_a_conflict_with_the_target_changes_nothing(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    request = racing.request_for(repo, recording, merge=e.MergePolicy.AUTO, target="release")
    racing.git(repo, "switch", "-q", "-c", "release")
    (repo / "calc/ops.py").write_text("def add(a, b):\n    return sum((a, b))\n")
    racing.git(repo, "commit", "-q", "-am", "another way")
    racing.git(repo, "switch", "-q", "main")
    before = racing.git(repo, "rev-parse", "release")

    state, _ = racing.race(request, journal)

    assert state.status is e.RunStatus.FAILED
    assert state.merge_failed is not None
    assert state.merge_failed.files == ("calc/ops.py",)
    assert racing.git(repo, "rev-parse", "release") == before


def test_setup_and_environment_reach_every_command(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    from miyabi_tui.engine.scoring.toolchain import Commands

    tells = [
        [("bash", {"command": "cat made-by-setup; echo $MIYABI_WORLD $MIYABI_PORT_FIRST"})],
        *racing.FIX,
    ]
    recording = racing.record(tmp_path / "turns", {ALPHA: tells, BETA: tells})
    request = racing.request_for(
        repo, recording, commands=Commands(setup="echo set up > made-by-setup")
    )

    _, records = racing.race(request, journal)

    said = {
        record.event.world: record.event.text.split()
        for record in records
        if isinstance(record.event, e.ToolFinished) and "set up" in record.event.text
    }
    assert said[ALPHA][:3] == ["set", "up", "Alpha"]
    assert said[BETA][:3] == ["set", "up", "Beta"]
    assert said[ALPHA][3] != said[BETA][3]  # ports of its own


def test_a_run_that_cannot_start_says_why(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    request = racing.request_for(
        repo, recording, providers={"t": Provider(Kind.REPLAY, base_url=str(tmp_path / "gone"))}
    )

    state, _ = racing.race(request, journal)

    assert state.status is e.RunStatus.FAILED
    assert "there is no recording" in state.reason


def test_a_journal_that_cannot_be_opened_fails_the_run(repo: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    blocked = tmp_path / "file"
    blocked.write_text("")

    state, _ = racing.race(racing.request_for(repo, recording), blocked / "miyabi.db")

    assert state.status is e.RunStatus.FAILED
    assert "cannot open the journal" in state.reason


def test_a_journal_that_fails_midway_ends_the_run_and_all_it_started(
    repo: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS})
    genuine = Journal.append

    async def full(self: Journal, run_id: str, records: Sequence[e.Record]) -> None:
        if any(isinstance(one.event, e.Output) and "sleeping" in one.event.text for one in records):
            raise StoreError("cannot write the journal", "disk full", "make room")
        await genuine(self, run_id, records)

    monkeypatch.setattr(Journal, "append", full)

    state, _ = racing.race(racing.request_for(repo, recording), journal)

    assert state.status is e.RunStatus.FAILED
    assert "disk full" in state.reason
    assert not _sleepers(state)


def test_a_run_stopped_at_once_is_in_the_journal(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.SLEEPS})
    request = racing.request_for(repo, recording)

    with Engine(lambda: (request, open_repository(repo)), journal) as engine:
        engine.start()
    rows = anyio.run(history.runs, journal)

    assert [(row.run_id, row.status) for row in rows] == [(engine.run_id, "interrupted")]


def test_what_is_measured_is_the_base_whatever_is_checked_out(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    request = racing.request_for(repo, recording)
    racing.git(repo, "switch", "-q", "--orphan", "docs")
    racing.git(repo, "commit", "-q", "--allow-empty", "-m", "no code here")

    state, _ = racing.race(request, journal)

    assert not state.notices
    assert (state.base and state.base.tests_known, state.world(ALPHA).score is not None) == (
        1,
        True,
    )


def test_a_base_that_leaves_a_locked_folder_behind_is_only_a_notice(
    repo: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: FiveWorldsManager, worktree: Worktree) -> None:
        raise WorktreeError(f"cannot remove {worktree.path}", "Permission denied")

    monkeypatch.setattr(FiveWorldsManager, "remove", refuse)
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})

    state, _ = racing.race(racing.request_for(repo, recording), journal)

    assert state.winner is ALPHA
    assert "left behind" in state.notices[-1].text


def test_two_runs_at_once_take_two_branches(repo: Path, journal: Path, tmp_path: Path) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    request = racing.request_for(repo, recording, merge=e.MergePolicy.AUTO)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(racing.race, request, journal) for _ in range(2)]
        states = [run.result()[0] for run in runs]

    assert {state.branch for state in states} == {"miyabi/issue-7", "miyabi/issue-7-2"}
    for state in states:
        assert racing.git(repo, "rev-list", "--count", f"main..{state.branch}") == "1"


def test_picked_before_its_review_finds_something_grave_it_has_to_be_picked_again(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    unsafe = [racing.UNSAFE[0][:1], *racing.UNSAFE]
    recording = racing.record(tmp_path / "turns", {ALPHA: unsafe, BETA: racing.FIX})
    picked: list[int] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.StepFinished) and record.event.world is ALPHA and not picked:
            picked.append(record.seq)
            engine.pick(ALPHA)
        if isinstance(record.event, e.NoWinner):
            engine.pick(ALPHA)
        if isinstance(record.event, e.MergeReady):
            engine.stop()

    request = racing.request_for(repo, recording, interactive=True)
    state, records = racing.race(request, journal, act)

    chosen = [one.event for one in records if isinstance(one.event, e.NoWinner | e.WinnerSelected)]
    assert [type(one) for one in chosen] == [e.NoWinner, e.WinnerSelected]
    assert state.winner is ALPHA
    assert [one.split()[1] for one in state.overridden] == ["B602"]
    assert "to take it with that, pick it again" in " ".join(one.text for one in state.notices)
