"""From events to rows: what each event changes in the five tables, in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine import events as e

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId

Statement = tuple[str, tuple[Any, ...]]

# After these the rows of the run or of the world are written anew from the folded state.
_RUN_EVENTS = (
    e.PhaseChanged,
    e.WinnerSelected,
    e.NoWinner,
    e.Merged,
    e.MergeFailed,
    e.RunFinished,
    e.TurnFinished,
)
_WORLD_EVENTS = (
    e.WorldPreparing,
    e.WorktreeCreated,
    e.WorldStarted,
    e.TurnFinished,
    e.WorldPaused,
    e.WorldContinued,
    e.EvaluationStarted,
    e.WorldScored,
    e.WorldKilled,
    e.WorldFailed,
)


def statements(record: e.Record, state: RunState) -> Iterator[Statement]:
    """The statements for one event; `state` is the run after it."""
    event = record.event
    if isinstance(event, e.RunStarted):
        yield from _begin(state, record.at)
    elif isinstance(event, _RUN_EVENTS):
        yield _run_row(state)
    if isinstance(event, e.WinnerSelected):
        yield from (_world_row(state, world) for world in state.worlds)
    elif isinstance(event, _WORLD_EVENTS):
        yield _world_row(state, state.world(event.world))
    if isinstance(event, e.RunFinished):
        yield (
            "UPDATE task_executions SET status = ?, completed_at = ? WHERE id = ?",
            (state.status.value, record.at, _task_id(state)),
        )
    if isinstance(event, e.WorktreeCreated):
        yield (
            "INSERT OR REPLACE INTO worktrees (id, world_id, path, branch, created_at,"
            " last_accessed_at, is_orphaned, run_id) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                *(_world_id(state, event.world), event.world.value, event.path, event.branch),
                *(record.at, record.at, state.run_id),
            ),
        )
    elif isinstance(event, e.StepFinished | e.WorldScored):
        yield (
            "UPDATE worktrees SET last_accessed_at = ? WHERE id = ?",
            (record.at, _world_id(state, event.world)),
        )
    if (checkpoint := _checkpoint(event, state)) is not None:
        kind, world, data = checkpoint
        yield (
            "INSERT INTO checkpoints (run_id, checkpoint_type, world_id, data, created_at, seq)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(state.run_id, kind, world.value if world else None),
                *(msgspec.json.encode(data).decode(), record.at, record.seq),
            ),
        )


def _checkpoint(
    event: e.AnyEvent, state: RunState
) -> tuple[str, WorldId | None, dict[str, Any]] | None:
    """The checkpoint of REQ-PER-2 that an event is, if it is one."""
    data: dict[str, Any]
    match event:
        case e.WorktreeCreated(world=world, path=path, branch=branch):
            data = {"world_id": world, "path": path, "branch": branch}
            return "WorktreeCreated", world, data
        case e.WorldsSpawned(task=task, worlds=worlds):
            return "WorldsSpawned", None, {"task_id": task, "world_ids": worlds}
        case e.WorldScored(world=world, score=score, commit=commit):
            data = {"world_id": world, "score": score.total, "artifacts": {"commit": commit}}
            return "WorldCompleted", world, data
        case e.WinnerSelected(world=world):
            scores = {one.id: one.score.total for one in state.worlds if one.score}
            return "EvaluationDone", world, {"winning_world": world, "all_scores": scores}
        case e.MergeReady(world=world):
            return "MergeReady", world, {"winning_world": world, "pr_number": None}
    return None


def _begin(state: RunState, at: float) -> Iterator[Statement]:
    issue = state.issue
    yield (
        "INSERT INTO execution_runs (id, issue_number, status, started_at, issue_key, title,"
        " repo, base_commit) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(state.run_id, issue.number, state.status.value, at),
            *(issue.key, issue.title, state.repo, state.base_commit),
        ),
    )
    yield (
        "INSERT INTO task_executions (id, run_id, task_name, status, started_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (_task_id(state), state.run_id, state.task, state.status.value, at),
    )
    for world in state.worlds:
        yield (
            "INSERT INTO world_executions (id, task_id, world_id, status) VALUES (?, ?, ?, ?)",
            (_world_id(state, world.id), _task_id(state), world.id.value, world.status.value),
        )


def _run_row(state: RunState) -> Statement:
    score = state.world(state.winner).score if state.winner else None
    return (
        "UPDATE execution_runs SET status = ?, completed_at = ?, total_cost_usd = ?,"
        " winning_world_id = ?, final_score = ?, branch = ?, merge_commit = ? WHERE id = ?",
        (
            *(state.status.value, state.ended_at, state.total_cost_usd),
            *(state.winner.value if state.winner else None, score.total if score else None),
            *(state.branch or None, state.commit or None, state.run_id),
        ),
    )


def _world_row(state: RunState, world: WorldState) -> Statement:
    return (
        "UPDATE world_executions SET worktree_path = ?, branch_name = ?, status = ?,"
        " started_at = ?, completed_at = ?, evaluation_score = ?, cost_usd = ? WHERE id = ?",
        (
            *(world.config.worktree or None, world.config.branch or None, world.status.value),
            *(world.started_at, world.ended_at, world.score.total if world.score else None),
            *(world.cost_usd, _world_id(state, world.id)),
        ),
    )


def _task_id(state: RunState) -> str:
    return f"{state.run_id}/{state.task}"


def _world_id(state: RunState, world: WorldId) -> str:
    return f"{_task_id(state)}/{world.value}"
