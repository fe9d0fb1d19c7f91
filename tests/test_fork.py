"""Going back to a checkpoint: the same world again, another future, or one world more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import FIVE, Effort, WorldId
from tests import racing

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

ALPHA, BETA, *_ = FIVE
ZETA = WorldId.ZETA

STEPS: racing.Turns = [
    [("bash", {"command": "echo one > steps.txt; git add -A; git commit -qm mine"})],
    [("bash", {"command": "echo two >> steps.txt; echo x > astray.txt; pytest -q tests"})],
    [("write", {"path": "calc/ops.py", "content": racing.RIGHT})],
    [("finish", {"summary": "Done."})],
]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return racing.make_project(tmp_path / "project")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "miyabi.db"


def once_ready(fork: Fork) -> racing.Act:
    """Forks when the race has come to its end the first time, and merges at the second."""
    forked = False

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        nonlocal forked
        if isinstance(record.event, e.MergeReady):
            if forked:
                engine.merge()
            else:
                forked = True
                engine.fork(fork)

    return act


def test_a_finished_world_goes_back_and_its_future_is_archived(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: STEPS})
    (recording / "recording.json").write_text('{"input_usd_per_million_tokens": 3.0}')
    request = racing.request_for(repo, recording, interactive=True)

    state, records = racing.race(request, journal, once_ready(Fork(source=ALPHA, step=1)))

    assert state.status is e.RunStatus.MERGED
    alpha = state.world(ALPHA)
    assert alpha.restored == "taken back to step 1"
    steps = [one.event.step for one in records if isinstance(one.event, e.StepFinished)]
    assert steps == [1, 2, 3, 4, 2, 3, 4]
    assert [one.step for one in alpha.checkpoints] == [0, 1, 2, 3, 4]
    assert [one.tests for one in alpha.checkpoints] == ["", "", "1 failed", "1 failed", "1 failed"]
    fork = next(one.event for one in records if isinstance(one.event, e.WorldForked))
    # The future that ended is kept whole, and the worktree had really gone back.
    assert racing.git(repo, "show", f"{fork.archived}:calc/ops.py") == racing.RIGHT.strip()
    assert "taken back to step 1" in racing.git(repo, "log", "-1", "--format=%B", fork.archived)
    assert racing.git(repo, "show", f"{state.branch}:steps.txt") == "one\ntwo"
    # What both futures cost is on the meter.
    paid = [one.event.cost_usd for one in records if isinstance(one.event, e.TurnFinished)]
    assert alpha.cost_usd == pytest.approx(sum(filter(None, paid)))
    assert len(paid) == 7 and all(paid)


def test_an_extra_world_begins_with_the_same_past_and_other_ways(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: STEPS})
    (recording / "recording.json").write_text('{"input_usd_per_million_tokens": 3.0}')
    other = racing.record(tmp_path / "other", {ZETA: STEPS})
    (other / "recording.json").write_text('{"input_usd_per_million_tokens": 3.0}')
    providers = {
        "t": Provider(Kind.REPLAY, base_url=str(recording)),
        "o": Provider(Kind.REPLAY, base_url=str(other)),
    }
    request = racing.request_for(repo, recording, interactive=True, providers=providers)
    fork = Fork(
        source=ALPHA, step=2, extra=True, model="o/o", effort=Effort.HIGH, added="Mind the docs."
    )

    state, records = racing.race(request, journal, once_ready(fork))

    assert [world.id for world in state.worlds] == [ALPHA, ZETA]
    zeta = state.world(ZETA)
    assert (zeta.config.model, zeta.config.effort) == ("o/o", Effort.HIGH)
    assert zeta.score is not None and zeta.forked_from is ALPHA
    assert 0 < zeta.cost_usd < state.world(ALPHA).cost_usd  # the past was paid for by Alpha
    asked = [one.event.step for one in records if isinstance(one.event, e.StepStarted)]
    assert asked == [1, 2, 3, 4, 3, 4]
    # A branch and a worktree of its own, from the checkpoint, the agent's own commit included.
    branch = zeta.config.branch
    assert branch.startswith("world-Zeta-")
    assert racing.git(repo, "show", f"{branch}:steps.txt") == "one\ntwo"
    assert "mine" in racing.git(repo, "log", "--format=%s", branch)
    assert (state.winner, state.status) == (ZETA, e.RunStatus.MERGED)  # as good, and cheaper


def test_a_killed_world_comes_back(repo: Path, journal: Path, tmp_path: Path) -> None:
    turns = {ALPHA: [*STEPS[:2], *racing.SLEEPS[1:]], BETA: racing.FIX}
    recording = racing.record(tmp_path / "turns", turns)
    merged = False

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        nonlocal merged
        event = record.event
        asleep = isinstance(event, e.ToolStarted) and "sleep" in event.summary
        if asleep and not state.world(ALPHA).restored:
            engine.kill(ALPHA)
        elif asleep:
            engine.pick(ALPHA)
        elif isinstance(event, e.MergeReady):
            if state.winner is BETA:
                engine.fork(Fork(source=ALPHA, step=2))
            elif not merged:
                merged = True
                engine.merge()

    request = racing.request_for(repo, recording, interactive=True)
    state, records = racing.race(request, journal, act)

    assert any(isinstance(one.event, e.WorldKilled) for one in records)
    assert state.world(ALPHA).status is WorldStatus.WON
    assert (state.winner, state.status) == (ALPHA, e.RunStatus.MERGED)
    assert racing.git(repo, "show", f"{state.branch}:astray.txt") == "x"


def test_a_running_world_is_taken_back_in_the_middle_of_a_command(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: [*STEPS[:2], *racing.SLEEPS[1:]]})
    asked: list[int] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and "sleep" in record.event.summary:
            asked.append(record.seq)
            if len(asked) == 1:
                engine.fork(Fork(source=ALPHA, step=1, added="Not so sleepy."))
            else:
                engine.stop()

    request = racing.request_for(repo, recording, interactive=True)
    state, _ = racing.race(request, journal, act)
    assert len(asked) == 2
    assert state.status is e.RunStatus.INTERRUPTED

    # And the other future can be interrupted and resumed like any.
    def pick(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolStarted) and record.seq > asked[1]:
            engine.pick(ALPHA)

    state, records = racing.resume(state.run_id, journal, pick)
    assert (state.winner, state.status) == (ALPHA, e.RunStatus.SELECTED)
    steps = [one.event.step for one in records if isinstance(one.event, e.TurnFinished)]
    assert steps == [1, 2, 3, 2, 3]


def test_what_cannot_be_is_refused_and_nothing_is_lost(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.UNTESTED})
    request = racing.request_for(repo, recording, interactive=True)
    told: list[str] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            engine.fork(Fork(source=ALPHA, step=9))
            engine.fork(Fork(source=ALPHA, step=1, model="nobody/x"))
        if isinstance(record.event, e.Notice):
            told.append(record.event.text)
            if len(told) == 2:
                engine.merge()

    state, _ = racing.race(request, journal, act)
    assert state.status is e.RunStatus.MERGED
    assert told[0] == "Alpha cannot go back to step 9: there is no such checkpoint"
    assert "unknown provider 'nobody'" in told[1]


# --- words that come at the same moment -----------------------------------------------------------


def test_a_merge_asked_for_right_after_a_fork_waits_for_it(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    turns = {ALPHA: racing.FIX, BETA: racing.UNTESTED}
    recording = racing.record(tmp_path / "turns", turns)
    said: list[str] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady) and not said:
            said.append("fork, merge")
            engine.fork(Fork(source=ALPHA, step=1))
            engine.merge()
        if isinstance(record.event, e.RunFinished):  # too late for anything: nobody waits for it
            engine.pick(BETA)
            engine.fork(Fork(source=ALPHA, step=1))

    request = racing.request_for(repo, recording, interactive=True)
    state, records = racing.race(request, journal, act)

    assert state.status is e.RunStatus.MERGED
    assert state.winner is not None
    names = [type(one.event).__name__ for one in records]
    assert names.index("WorldForked") < names.index("MergeStarted")
    assert names.count("WorldScored") == 3  # Alpha was scored again before anything was merged
    assert names[-1] == "RunFinished"


def test_stopped_right_after_a_fork_it_can_be_resumed(
    repo: Path, journal: Path, tmp_path: Path
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.UNTESTED})

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady):
            engine.fork(Fork(source=ALPHA, step=1))
            engine.stop()

    state, _ = racing.race(racing.request_for(repo, recording, interactive=True), journal, act)
    assert state.status is e.RunStatus.INTERRUPTED
    state, records = racing.resume(state.run_id, journal)
    assert state.status is e.RunStatus.SELECTED
    bought = [one.event.step for one in records if isinstance(one.event, e.TurnFinished)]
    assert bought == [1, 2, 2]


def test_a_fork_that_cannot_be_archived_changes_nothing(
    repo: Path, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = racing.record(tmp_path / "turns", {ALPHA: racing.FIX})
    archive, failed = Keeper.archive, False

    async def full_disk(keeper: Keeper, *args: Any, **kwargs: Any) -> str:
        nonlocal failed
        if not failed:
            failed = True
            raise GitError("git commit-tree failed", "no space left on device")
        return await archive(keeper, *args, **kwargs)

    monkeypatch.setattr(Keeper, "archive", full_disk)

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.MergeReady) and not failed:
            engine.fork(Fork(source=ALPHA, step=1))
        elif isinstance(record.event, e.Notice) and "no space left" in record.event.text:
            assert state.world(ALPHA).status is WorldStatus.WON
            engine.fork(Fork(source=ALPHA, step=0))
        elif isinstance(record.event, e.MergeReady) and state.world(ALPHA).restored:
            engine.merge()

    state, _ = racing.race(racing.request_for(repo, recording, interactive=True), journal, act)
    assert state.status is e.RunStatus.MERGED
    assert state.world(ALPHA).restored == "taken back to the base"
