"""The state of a run as a fold over its events: `apply(state, record)` and nothing else.

The panes, the headless lines, `miyabi show` and a later resume all read the same fold. The text of
the streams is not in here: it is bounded by whoever shows it, and the journal has all of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.models.base import Sampling, Usage
from miyabi_tui.engine.scoring.score import EvaluationScore, Evidence
from miyabi_tui.engine.worlds import WorldConfig, WorldId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class WorldStatus(StrEnum):
    """queued → preparing → running ⇄ paused → evaluating → scored → won | lost; killed; failed."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    EVALUATING = "evaluating"
    SCORED = "scored"
    WON = "won"
    LOST = "lost"
    KILLED = "killed"
    FAILED = "failed"


ENDED = frozenset(
    {WorldStatus.SCORED, WorldStatus.WON, WorldStatus.LOST, WorldStatus.KILLED, WorldStatus.FAILED}
)


class WorldState(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about one world at one moment."""

    config: WorldConfig
    status: WorldStatus = WorldStatus.QUEUED
    before_pause: WorldStatus = WorldStatus.RUNNING
    reason: str = ""
    doing: str = ""
    waiting: str = ""
    step: int = 0
    sampling: Sampling | None = None
    usage: Usage = Usage()
    cost_usd: float = 0.0
    price_known: bool = True
    lines_added: int = 0
    lines_deleted: int = 0
    files_changed: int = 0
    commit: str = ""
    summary: str = ""
    score: EvaluationScore | None = None
    evidence: Evidence | None = None
    ineligible: tuple[str, ...] = ()
    gauge: e.Gauge | None = None
    started_at: float | None = None
    ended_at: float | None = None
    last_output_at: float | None = None
    worktree_ready: bool = False

    @property
    def id(self) -> WorldId:
        """Which world this is."""
        return self.config.id

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in this world by itself."""
        return self.status in ENDED

    @property
    def eligible(self) -> bool:
        """Whether this world may be chosen by evidence."""
        return self.score is not None and not self.ineligible

    @property
    def changed_lines(self) -> int:
        """Lines added and deleted against the base."""
        return self.lines_added + self.lines_deleted


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about a run at one moment. Before its first event it is empty."""

    run_id: str = ""
    issue: e.Issue = e.Issue("", "", "")
    repo: str = ""
    base_ref: str = ""
    base_commit: str = ""
    target: str = ""
    task: str = ""
    merge: e.MergePolicy = e.MergePolicy.ASK
    recorded: bool = False
    cost_limit_usd: float | None = None
    phase: e.Phase = e.Phase.PREPARING
    status: e.RunStatus = e.RunStatus.RUNNING
    reason: str = ""
    worlds: tuple[WorldState, ...] = ()
    base: e.BaseMeasured | None = None
    winner: WorldId | None = None
    winner_by_person: bool = False
    override: bool = False
    winner_reason: str = ""
    merge_ready: bool = False
    merge_failed: e.MergeFailed | None = None
    branch: str = ""
    commit: str = ""
    notices: tuple[e.Notice, ...] = ()
    started_at: float | None = None
    ended_at: float | None = None
    seq: int = 0

    def world(self, world: WorldId) -> WorldState:
        """The state of one world.

        Raises:
            KeyError: this world does not race in this run.
        """
        for state in self.worlds:
            if state.id is world:
                return state
        raise KeyError(world)

    @property
    def total_cost_usd(self) -> float:
        """What all worlds have cost so far; a lower bound where a price is unknown."""
        return sum(world.cost_usd for world in self.worlds)

    @property
    def price_known(self) -> bool:
        """Whether every turn so far had a known price."""
        return all(world.price_known for world in self.worlds)

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.phase is e.Phase.FINISHED

    def elapsed(self, now: float) -> float:
        """Seconds from the start to the end, or to `now`."""
        if self.started_at is None:
            return 0.0
        return max(0.0, (self.ended_at or now) - self.started_at)

    @property
    def ranking(self) -> tuple[WorldState, ...]:
        """The worlds by standing: winner, eligible by score, other scored, the rest."""
        return tuple(sorted(self.worlds, key=lambda world: _rank(self, world)))


def _rank(run: RunState, world: WorldState) -> tuple[Any, ...]:
    return (world.id is not run.winner, *rank_key(world))


def rank_key(world: WorldState) -> tuple[Any, ...]:
    """How worlds are ordered: eligible first, then score, fewer changed lines, lower cost."""
    total = world.score.total if world.score else 0.0
    cost = world.cost_usd if world.price_known else float("inf")
    return (not world.eligible, world.score is None, -total, world.changed_lines, cost)


def fold(records: Iterable[e.Record], state: RunState | None = None) -> RunState:
    """The state after all `records`, from `state` or from nothing."""
    current = state or RunState()
    for record in records:
        current = apply(current, record)
    return current


def apply(state: RunState, record: e.Record) -> RunState:
    """The state after one more event. Total: any event may follow any other."""
    event = record.event
    handler = _RUN.get(type(event))
    if handler is not None:
        state = handler(state, event, record.at)
    elif (change := _WORLD.get(type(event))) is not None:
        world = e.world_of(event)
        state = replace(
            state,
            worlds=tuple(
                change(one, event, record.at) if one.id is world else one for one in state.worlds
            ),
        )
    return replace(state, seq=record.seq)


# --- events of the run ---------------------------------------------------------------------------


def _run_started(state: RunState, event: e.RunStarted, at: float) -> RunState:
    return RunState(
        run_id=event.run_id,
        issue=event.issue,
        repo=event.repo,
        base_ref=event.base_ref,
        base_commit=event.base_commit,
        target=event.target,
        task=event.task,
        merge=event.merge,
        recorded=event.recorded,
        cost_limit_usd=event.cost_limit_usd,
        worlds=tuple(WorldState(config=config) for config in event.worlds),
        started_at=at,
    )


def _phase_changed(state: RunState, event: e.PhaseChanged, at: float) -> RunState:
    ready = state.merge_ready and event.phase is not e.Phase.MERGING
    return replace(state, phase=event.phase, merge_ready=ready)


def _notice(state: RunState, event: e.Notice, at: float) -> RunState:
    return replace(state, notices=(*state.notices, event))


def _base_measured(state: RunState, event: e.BaseMeasured, at: float) -> RunState:
    return replace(state, base=event)


def _gauges(state: RunState, event: e.Gauges, at: float) -> RunState:
    gauges = {gauge.world: gauge for gauge in event.worlds}
    return replace(
        state,
        worlds=tuple(
            replace(one, gauge=gauges[one.id]) if one.id in gauges else one for one in state.worlds
        ),
    )


def _winner_selected(state: RunState, event: e.WinnerSelected, at: float) -> RunState:
    def outcome(world: WorldState) -> WorldState:
        if world.id is event.world:
            return replace(world, status=WorldStatus.WON, doing="", waiting="")
        if world.status in (WorldStatus.SCORED, WorldStatus.WON):
            return replace(world, status=WorldStatus.LOST)
        return world

    return replace(
        state,
        winner=event.world,
        winner_by_person=event.by_person,
        override=event.override,
        winner_reason=event.reason,
        merge_failed=None,
        merge_ready=False,
        worlds=tuple(outcome(world) for world in state.worlds),
    )


def _no_winner(state: RunState, event: e.NoWinner, at: float) -> RunState:
    return replace(state, winner=None, reason=event.reason)


def _merge_ready(state: RunState, event: e.MergeReady, at: float) -> RunState:
    return replace(state, merge_ready=True)


def _merged(state: RunState, event: e.Merged, at: float) -> RunState:
    return replace(state, branch=event.branch, commit=event.commit, merge_ready=False)


def _merge_failed(state: RunState, event: e.MergeFailed, at: float) -> RunState:
    return replace(state, merge_failed=event, merge_ready=True)


def _run_finished(state: RunState, event: e.RunFinished, at: float) -> RunState:
    return replace(
        state,
        status=event.status,
        reason=event.reason or state.reason,
        phase=e.Phase.FINISHED,
        merge_ready=False,
        ended_at=state.ended_at or at,
        worlds=tuple(one if one.ended else _cut_short(one, at) for one in state.worlds),
    )


def _cut_short(world: WorldState, at: float) -> WorldState:
    """A world that was still at work when its run ended."""
    return replace(
        world,
        status=WorldStatus.KILLED,
        reason="the run ended",
        doing="",
        waiting="",
        ended_at=at,
    )


# --- events of one world -------------------------------------------------------------------------


def _preparing(world: WorldState, event: e.WorldPreparing, at: float) -> WorldState:
    return replace(world, status=WorldStatus.PREPARING, doing="making its worktree", started_at=at)


def _worktree_created(world: WorldState, event: e.WorktreeCreated, at: float) -> WorldState:
    config = replace(world.config, worktree=event.path, branch=event.branch)
    return replace(world, config=config, worktree_ready=True, doing="setting up")


def _world_started(world: WorldState, event: e.WorldStarted, at: float) -> WorldState:
    return _standing(replace(world, doing="reading the issue"), WorldStatus.RUNNING)


def _step_started(world: WorldState, event: e.StepStarted, at: float) -> WorldState:
    return replace(world, step=event.step, sampling=event.sampling, doing="thinking")


def _output(world: WorldState, event: e.Output, at: float) -> WorldState:
    return replace(world, last_output_at=at)


def _turn_finished(world: WorldState, event: e.TurnFinished, at: float) -> WorldState:
    return replace(
        world,
        usage=world.usage + event.usage,
        cost_usd=world.cost_usd + (event.cost_usd or 0.0),
        price_known=world.price_known and event.cost_usd is not None,
    )


def _tool_started(world: WorldState, event: e.ToolStarted, at: float) -> WorldState:
    return replace(world, doing=event.summary)


def _tool_finished(world: WorldState, event: e.ToolFinished, at: float) -> WorldState:
    return replace(world, last_output_at=at)


def _step_finished(world: WorldState, event: e.StepFinished, at: float) -> WorldState:
    return replace(
        world,
        lines_added=event.lines_added,
        lines_deleted=event.lines_deleted,
        files_changed=event.files_changed,
    )


def _paused(world: WorldState, event: e.WorldPaused, at: float) -> WorldState:
    if world.ended or world.status is WorldStatus.PAUSED:
        return world
    return replace(world, status=WorldStatus.PAUSED, before_pause=world.status)


def _continued(world: WorldState, event: e.WorldContinued, at: float) -> WorldState:
    if world.status is not WorldStatus.PAUSED:
        return world
    return replace(world, status=world.before_pause, last_output_at=at)


def _waiting(world: WorldState, event: e.WorldWaiting, at: float) -> WorldState:
    return replace(world, waiting=event.reason)


def _attempt_finished(world: WorldState, event: e.AttemptFinished, at: float) -> WorldState:
    return replace(
        world,
        summary=event.summary,
        reason="" if event.ending is e.Ending.FINISHED else event.ending.value,
        commit=event.commit,
        lines_added=event.lines_added,
        lines_deleted=event.lines_deleted,
        files_changed=event.files_changed,
        doing="",
    )


def _evaluation_started(world: WorldState, event: e.EvaluationStarted, at: float) -> WorldState:
    return _standing(replace(world, doing="", waiting=""), WorldStatus.EVALUATING)


def _evaluation_progress(world: WorldState, event: e.EvaluationProgress, at: float) -> WorldState:
    return replace(world, doing=event.doing, last_output_at=at)


def _scored(world: WorldState, event: e.WorldScored, at: float) -> WorldState:
    return replace(
        world,
        status=WorldStatus.SCORED,
        score=event.score,
        evidence=event.evidence,
        ineligible=event.ineligible,
        commit=event.commit,
        lines_added=event.evidence.lines_added,
        lines_deleted=event.evidence.lines_deleted,
        files_changed=event.evidence.files_changed,
        doing="",
        waiting="",
        ended_at=at,
    )


def _killed(world: WorldState, event: e.WorldKilled, at: float) -> WorldState:
    return replace(
        world,
        status=WorldStatus.KILLED,
        reason=event.reason,
        doing="",
        waiting="",
        ended_at=at,
    )


def _failed(world: WorldState, event: e.WorldFailed, at: float) -> WorldState:
    reason = f"{event.title}: {event.cause}" if event.cause else event.title
    return replace(
        world,
        status=WorldStatus.FAILED,
        reason=reason,
        doing="",
        waiting="",
        ended_at=at,
    )


def _standing(world: WorldState, status: WorldStatus) -> WorldState:
    """A new status, kept for later while the world is paused."""
    if world.status is WorldStatus.PAUSED:
        return replace(world, before_pause=status)
    return replace(world, status=status)


_RUN: dict[type, Callable[[RunState, Any, float], RunState]] = {
    e.RunStarted: _run_started,
    e.PhaseChanged: _phase_changed,
    e.Notice: _notice,
    e.BaseMeasured: _base_measured,
    e.Gauges: _gauges,
    e.WinnerSelected: _winner_selected,
    e.NoWinner: _no_winner,
    e.MergeReady: _merge_ready,
    e.Merged: _merged,
    e.MergeFailed: _merge_failed,
    e.RunFinished: _run_finished,
}

_WORLD: dict[type, Callable[[WorldState, Any, float], WorldState]] = {
    e.WorldPreparing: _preparing,
    e.WorktreeCreated: _worktree_created,
    e.WorldStarted: _world_started,
    e.StepStarted: _step_started,
    e.Output: _output,
    e.TurnFinished: _turn_finished,
    e.ToolStarted: _tool_started,
    e.ToolFinished: _tool_finished,
    e.StepFinished: _step_finished,
    e.WorldPaused: _paused,
    e.WorldContinued: _continued,
    e.WorldWaiting: _waiting,
    e.AttemptFinished: _attempt_finished,
    e.EvaluationStarted: _evaluation_started,
    e.EvaluationProgress: _evaluation_progress,
    e.WorldScored: _scored,
    e.WorldKilled: _killed,
    e.WorldFailed: _failed,
}
