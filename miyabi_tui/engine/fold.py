"""The state of a run as a fold over its events: `apply(state, record)` and nothing else.

The panes, the headless lines, `miyabi show` and a resume all read the same fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.activity import in_words
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.progress import advance, resumed
from miyabi_tui.engine.state import (
    Checkpoint,
    RunState,
    WorldState,
    WorldStatus,
    step_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


# What a world is when it waits for nothing, and when no turn of it streams.
STILL: dict[str, Any] = {"waiting": "", "waits_until": None}
ESCAPES_KEPT = 50
CHOSEN = (WorldStatus.WON, WorldStatus.LOST)
UNMETERED: dict[str, Any] = {"running": Usage(), "running_cost_usd": 0.0}


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

        def changed(one: WorldState) -> WorldState:
            progress = advance(one.progress, event, record.at)
            return replace(change(one, event, record.at), progress=progress)

        worlds = (changed(one) if one.id is world else one for one in state.worlds)
        state = replace(state, worlds=tuple(worlds))
    return replace(state, seq=record.seq, at=record.at)


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
        terms=event.terms,
        worlds=tuple(WorldState(config=config) for config in event.worlds),
        started_at=at,
    )


def _complexity(state: RunState, event: e.ComplexityEstimated, at: float) -> RunState:
    return replace(state, complexity=event)


def _spent_before(state: RunState, event: e.SpentBefore, at: float) -> RunState:
    return replace(state, before=event)


def _breaker_changed(state: RunState, event: e.BreakerChanged, at: float) -> RunState:
    others = [one for one in state.breakers if one.provider != event.provider]
    now = [event] if event.state is not e.BreakerState.CLOSED else []
    return replace(state, breakers=(*others, *now))


def _budget_warned(state: RunState, event: e.BudgetWarned, at: float) -> RunState:
    return replace(state, warned=(*state.warned, event))


def _budget_raised(state: RunState, event: e.BudgetRaised, at: float) -> RunState:
    def about_it(one: e.BudgetWarned) -> bool:
        return (one.scope, one.world) == (event.scope, event.world)

    warned = tuple(one for one in state.warned if not about_it(one))
    return replace(state, raised=(*state.raised, event), warned=warned)


def _question_asked(state: RunState, event: e.QuestionAsked, at: float) -> RunState:
    others = [one for one in state.questions if one.id != event.id]
    return replace(state, questions=(*others, event))


def _question_answered(state: RunState, event: e.QuestionAnswered, at: float) -> RunState:
    open_still = tuple(one for one in state.questions if one.id != event.id)
    trying = state.trying and not (event.choice and event.id == "fallback")
    return replace(state, questions=open_still, trying=trying)


def _fallback_tried(state: RunState, event: e.FallbackTried, at: float) -> RunState:
    return replace(state, tried=(*state.tried, event), trying=True)


def _run_resumed(state: RunState, event: e.RunResumed, at: float) -> RunState:
    def going_on(world: WorldState) -> WorldState:
        if world.id not in event.worlds:
            return world
        paused = world.status is WorldStatus.PAUSED or world.paused_when_cut
        return replace(
            world,
            status=WorldStatus.PREPARING,
            doing="checking its worktree",
            doing_since=at,
            **STILL,
            reason="",
            gauge=None,
            cut_short=False,
            paused_when_cut=paused,
            progress=resumed(world.progress, event.away_seconds, at),
            started_at=world.started_at and world.started_at + event.away_seconds,
            last_output_at=at,
            ended_at=None,
        )

    return replace(
        state,
        status=e.RunStatus.RUNNING,
        phase=e.Phase.PREPARING,
        reason="",
        merge_ready=False,
        questions=(),
        breakers=(),
        tried=state.tried[:-1] if state.trying else state.tried,
        trying=False,
        ended_at=None,
        away_seconds=state.away_seconds + event.away_seconds,
        resumed=state.resumed + 1,
        worlds=tuple(going_on(world) for world in state.worlds),
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


def _sandbox_chosen(state: RunState, event: e.SandboxChosen, at: float) -> RunState:
    return replace(state, sandbox=event)


def _slots_changed(state: RunState, event: e.SlotsChanged, at: float) -> RunState:
    return replace(state, slots=event)


def _winner_selected(state: RunState, event: e.WinnerSelected, at: float) -> RunState:
    def outcome(world: WorldState) -> WorldState:
        if world.id is event.world:
            before = world.status if world.status not in CHOSEN else world.before_choice
            return replace(world, status=WorldStatus.WON, before_choice=before, doing="", **STILL)
        if world.status in (WorldStatus.SCORED, WorldStatus.WON):
            return replace(world, status=WorldStatus.LOST)
        return world

    return replace(
        state,
        winner=event.world,
        picked=None,
        winner_by_person=event.by_person,
        override=event.override,
        overridden=event.overridden,
        winner_reason=event.reason,
        merge_failed=None,
        merge_ready=False,
        worlds=tuple(outcome(world) for world in state.worlds),
    )


def _no_winner(state: RunState, event: e.NoWinner, at: float) -> RunState:
    return replace(state, winner=None, reason=event.reason, trying=False)


def _world_picked(state: RunState, event: e.WorldPicked, at: float) -> RunState:
    return replace(state, picked=event.world)


def _pick_withdrawn(state: RunState, event: e.PickWithdrawn, at: float) -> RunState:
    """Nothing is chosen any more, and each world is what it was before the choice."""
    if state.winner is not event.world:
        return replace(state, picked=None)

    def open_again(world: WorldState) -> WorldState:
        return replace(world, status=world.before_choice) if world.status in CHOSEN else world

    return replace(
        state,
        winner=None,
        picked=None,
        winner_by_person=False,
        override=False,
        overridden=(),
        winner_reason="",
        merge_ready=False,
        merge_failed=None,
        worlds=tuple(open_again(world) for world in state.worlds),
    )


def _merge_ready(state: RunState, event: e.MergeReady, at: float) -> RunState:
    return replace(state, merge_ready=True)


def _merge_started(state: RunState, event: e.MergeStarted, at: float) -> RunState:
    return replace(state, merge_started=event)


def _merged(state: RunState, event: e.Merged, at: float) -> RunState:
    return replace(state, branch=event.branch, commit=event.commit, merge_ready=False)


def _merge_failed(state: RunState, event: e.MergeFailed, at: float) -> RunState:
    return replace(state, merge_failed=event, merge_ready=True, merge_started=None)


def _world_forked(state: RunState, event: e.WorldForked, at: float) -> RunState:
    """Another future: nothing is chosen any more, and the rest of the old one is not shown."""

    def open_again(world: WorldState) -> WorldState:
        chosen = world.status in (WorldStatus.WON, WorldStatus.LOST)
        return replace(world, status=WorldStatus.SCORED) if chosen else world

    worlds = {world.id: open_again(world) for world in state.worlds}
    if (source := worlds.get(event.source)) is None:
        return state
    past = tuple(one for one in source.checkpoints if one.step <= event.step)
    before = worlds.get(event.world) or WorldState(config=event.config)
    worlds[event.world] = replace(
        WorldState(config=event.config),
        usage=before.usage,
        cost_usd=before.cost_usd,
        price_known=before.price_known,
        estimated=before.estimated,
        turns=before.turns,
        cached=before.cached,
        started_at=at,
        last_output_at=at,
        worktree_ready=before.worktree_ready,
        set_up=before.set_up,
        git_dir=before.git_dir,
        status=WorldStatus.PREPARING,
        doing=f"going back to {step_name(event.step)}",
        doing_since=at,
        step=event.step,
        checkpoints=past,
        forked_from=event.source if event.source is not event.world else before.forked_from,
        restored=_origin(event),
        salt=f"{state.run_id} {at}",
    )
    return replace(
        state,
        winner=None,
        picked=None,
        winner_reason="",
        reason="",
        merge_ready=False,
        merge_failed=None,
        merge_started=None,
        trying=False,
        worlds=tuple(worlds.values()),
    )


def _origin(event: e.WorldForked) -> str:
    where = step_name(event.step)
    if event.source is event.world:
        return f"taken back to {where}"
    return f"from {where} of {event.source}"


def _run_finished(state: RunState, event: e.RunFinished, at: float) -> RunState:
    return replace(
        state,
        status=event.status,
        reason=event.reason or state.reason,
        phase=e.Phase.FINISHED,
        merge_ready=False,
        questions=(),
        breakers=(),
        ended_at=state.ended_at or at,
        worlds=tuple(one if one.ended else _cut_short(one, at) for one in state.worlds),
    )


def _cut_short(world: WorldState, at: float) -> WorldState:
    """A world that was still at work when its run ended."""
    return replace(
        world,
        status=WorldStatus.KILLED,
        cut_short=True,
        paused_when_cut=world.status is WorldStatus.PAUSED,
        reason="the run ended",
        doing="",
        **STILL,
        ended_at=at,
    )


# --- events of one world -------------------------------------------------------------------------


def _preparing(world: WorldState, event: e.WorldPreparing, at: float) -> WorldState:
    return _standing(
        replace(world, doing="making its worktree", doing_since=at, started_at=at),
        WorldStatus.PREPARING,
    )


def _worktree_created(world: WorldState, event: e.WorktreeCreated, at: float) -> WorldState:
    config = replace(world.config, worktree=event.path, branch=event.branch)
    return replace(
        world,
        config=config,
        git_dir=event.git_dir,
        worktree_ready=True,
        set_up=False,
        doing="setting up",
        doing_since=at,
    )


def _world_set_up(world: WorldState, event: e.WorldSetUp, at: float) -> WorldState:
    return replace(world, set_up=True)


def _checkpoint_saved(world: WorldState, event: e.CheckpointSaved, at: float) -> WorldState:
    if event.step or world.checkpoints:
        return world
    first = Checkpoint(step=0, at=at, commit=event.commit, doing="as the base was")
    return replace(world, checkpoints=(first,))


def _restored(world: WorldState, event: e.WorldRestored, at: float) -> WorldState:
    what = f": {event.found}" if event.found else ""
    where = step_name(event.step)
    return replace(world, step=event.step, calls=(), restored=f"resumed at {where}{what}")


def _world_started(world: WorldState, event: e.WorldStarted, at: float) -> WorldState:
    reading = replace(world, doing="reading the issue", doing_since=at)
    return _standing(reading, WorldStatus.RUNNING)


def _step_started(world: WorldState, event: e.StepStarted, at: float) -> WorldState:
    return _standing(
        replace(
            world,
            step=event.step,
            sampling=event.sampling,
            doing="thinking",
            doing_since=at,
            calls=(),
            told=world.told[len(event.told) :],
            **UNMETERED,
        ),
        WorldStatus.RUNNING,
    )


def _output(world: WorldState, event: e.Output, at: float) -> WorldState:
    return replace(world, last_output_at=at)


def _turn_finished(world: WorldState, event: e.TurnFinished, at: float) -> WorldState:
    return replace(
        world,
        usage=world.usage + event.usage,
        cost_usd=world.cost_usd + (event.cost_usd or 0.0),
        step_cost_usd=world.step_cost_usd + (event.cost_usd or 0.0),
        price_known=world.price_known and event.cost_usd is not None,
        estimated=world.estimated or (event.usage.estimated and not event.cached),
        turns=world.turns + 1,
        cached=world.cached + event.cached,
        **STILL,
        **UNMETERED,
    )


def _turn_metered(world: WorldState, event: e.TurnMetered, at: float) -> WorldState:
    return replace(world, running=event.usage, running_cost_usd=event.cost_usd or 0.0)


def _turn_discarded(world: WorldState, event: e.TurnDiscarded, at: float) -> WorldState:
    return replace(
        world,
        usage=world.usage + event.usage,
        cost_usd=world.cost_usd + (event.cost_usd or 0.0),
        step_cost_usd=world.step_cost_usd + (event.cost_usd or 0.0),
        price_known=world.price_known and event.cost_usd is not None,
        estimated=world.estimated or event.usage.estimated,
        **STILL,
        **UNMETERED,
    )


def _told(world: WorldState, event: e.WorldTold, at: float) -> WorldState:
    return replace(world, told=(*world.told, event.text))


def _sampled(world: WorldState, event: e.TestsSampled, at: float) -> WorldState:
    return replace(world, sampled=event)


def _tool_started(world: WorldState, event: e.ToolStarted, at: float) -> WorldState:
    calls = (*world.calls, event.summary)
    doing = in_words(event.name, event.summary)
    return _standing(replace(world, doing=doing, doing_since=at, calls=calls), WorldStatus.RUNNING)


def _tool_finished(world: WorldState, event: e.ToolFinished, at: float) -> WorldState:
    return replace(world, doing="thinking", doing_since=at, last_output_at=at)


def _step_finished(world: WorldState, event: e.StepFinished, at: float) -> WorldState:
    checkpoints = world.checkpoints
    if event.checkpoint:
        last = checkpoints[-1] if checkpoints else None
        made = Checkpoint(
            step=event.step,
            at=at,
            commit=event.checkpoint,
            doing="; ".join(world.calls),
            tests=event.tests or (last.tests if last else ""),
            cost_usd=world.step_cost_usd + (last.cost_usd if last else 0.0),
        )
        checkpoints = (*checkpoints, made)
    return replace(
        world,
        checkpoints=checkpoints,
        step_cost_usd=0.0 if event.checkpoint else world.step_cost_usd,
        lines_added=event.lines_added,
        lines_deleted=event.lines_deleted,
        files_changed=event.files_changed,
    )


def _paused(world: WorldState, event: e.WorldPaused, at: float) -> WorldState:
    if world.ended or world.status is WorldStatus.PAUSED:
        return world
    return replace(
        world, status=WorldStatus.PAUSED, before_pause=world.status, paused_when_cut=False
    )


def _continued(world: WorldState, event: e.WorldContinued, at: float) -> WorldState:
    world = replace(world, paused_when_cut=False, exceeded=None)
    if world.status is not WorldStatus.PAUSED:
        return world
    return replace(world, status=world.before_pause, last_output_at=at)


def _escape_attempted(world: WorldState, event: e.EscapeAttempted, at: float) -> WorldState:
    return replace(world, escapes=(*world.escapes, event)[-ESCAPES_KEPT:])


def _limit_exceeded(world: WorldState, event: e.LimitExceeded, at: float) -> WorldState:
    return world if world.ended else replace(world, exceeded=event)


def _waiting(world: WorldState, event: e.WorldWaiting, at: float) -> WorldState:
    return replace(world, waiting=event.reason, waits_until=event.until if event.reason else None)


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
    return _standing(replace(world, doing="", **STILL), WorldStatus.EVALUATING)


def _evaluation_progress(world: WorldState, event: e.EvaluationProgress, at: float) -> WorldState:
    return replace(world, doing=event.doing, doing_since=at, last_output_at=at)


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
        told=(),
        **STILL,
        **UNMETERED,
        ended_at=at,
    )


def _killed(world: WorldState, event: e.WorldKilled, at: float) -> WorldState:
    return replace(
        world,
        status=WorldStatus.KILLED,
        stopped_early=event.early,
        reason=event.reason,
        doing="",
        told=(),
        **STILL,
        **UNMETERED,
        ended_at=at,
    )


def _failed(world: WorldState, event: e.WorldFailed, at: float) -> WorldState:
    reason = f"{event.title}: {event.cause}" if event.cause else event.title
    return replace(
        world,
        status=WorldStatus.FAILED,
        reason=reason,
        doing="",
        told=(),
        **STILL,
        **UNMETERED,
        ended_at=at,
    )


def _standing(world: WorldState, status: WorldStatus) -> WorldState:
    """A new status, kept for later while the world is paused."""
    if world.status is WorldStatus.PAUSED:
        return replace(world, before_pause=status)
    return replace(world, status=status)


_RUN: dict[type, Callable[[RunState, Any, float], RunState]] = {
    e.RunStarted: _run_started,
    e.RunResumed: _run_resumed,
    e.ComplexityEstimated: _complexity,
    e.SpentBefore: _spent_before,
    e.BreakerChanged: _breaker_changed,
    e.BudgetWarned: _budget_warned,
    e.BudgetRaised: _budget_raised,
    e.QuestionAsked: _question_asked,
    e.QuestionAnswered: _question_answered,
    e.FallbackTried: _fallback_tried,
    e.PhaseChanged: _phase_changed,
    e.Notice: _notice,
    e.BaseMeasured: _base_measured,
    e.Gauges: _gauges,
    e.SandboxChosen: _sandbox_chosen,
    e.SlotsChanged: _slots_changed,
    e.WorldPicked: _world_picked,
    e.PickWithdrawn: _pick_withdrawn,
    e.WorldForked: _world_forked,
    e.WinnerSelected: _winner_selected,
    e.NoWinner: _no_winner,
    e.MergeReady: _merge_ready,
    e.MergeStarted: _merge_started,
    e.Merged: _merged,
    e.MergeFailed: _merge_failed,
    e.RunFinished: _run_finished,
}

_WORLD: dict[type, Callable[[WorldState, Any, float], WorldState]] = {
    e.WorldPreparing: _preparing,
    e.WorktreeCreated: _worktree_created,
    e.CheckpointSaved: _checkpoint_saved,
    e.WorldSetUp: _world_set_up,
    e.WorldRestored: _restored,
    e.WorldStarted: _world_started,
    e.StepStarted: _step_started,
    e.Output: _output,
    e.TurnFinished: _turn_finished,
    e.TurnMetered: _turn_metered,
    e.TurnDiscarded: _turn_discarded,
    e.WorldTold: _told,
    e.TestsSampled: _sampled,
    e.ToolStarted: _tool_started,
    e.ToolFinished: _tool_finished,
    e.StepFinished: _step_finished,
    e.WorldPaused: _paused,
    e.WorldContinued: _continued,
    e.WorldWaiting: _waiting,
    e.EscapeAttempted: _escape_attempted,
    e.LimitExceeded: _limit_exceeded,
    e.AttemptFinished: _attempt_finished,
    e.EvaluationStarted: _evaluation_started,
    e.EvaluationProgress: _evaluation_progress,
    e.WorldScored: _scored,
    e.WorldKilled: _killed,
    e.WorldFailed: _failed,
}
