"""From events to rows: what a batch of events changes in the five tables, in its transaction.

The rows of a run, its task and its worlds are a function of the folded state, and are written when
that function's value has changed: so they cannot drift from what the fold says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.store.rows import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId

Statement = tuple[str, tuple[Any, ...]]


def _upsert(table: str, *columns: str) -> str:
    """The statement that writes a row, be it new or not; the first column is its key."""
    places = ", ".join("?" * len(columns))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
        f" ON CONFLICT (id) DO UPDATE SET {changed}"
    )


_RUN = _upsert(
    "execution_runs",
    *("id", "issue_number", "status", "started_at", "completed_at", "total_cost_usd"),
    *("winning_world_id", "final_score", "issue_key", "title", "repo", "base_commit"),
    *("branch", "merge_commit"),
)
_TASK = _upsert(
    "task_executions", "id", "run_id", "task_name", "status", "started_at", "completed_at"
)
_WORLD = _upsert(
    "world_executions",
    *("id", "task_id", "world_id", "worktree_path", "branch_name", "status"),
    *("started_at", "completed_at", "evaluation_score", "cost_usd"),
)
# Whoever is worked in is no orphan; `created_at` stays.
_WORKTREE = (
    "INSERT INTO worktrees (id, world_id, path, branch, created_at, last_accessed_at, run_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET path = excluded.path, branch = excluded.branch,"
    " last_accessed_at = excluded.last_accessed_at, run_id = excluded.run_id,"
    " is_orphaned = 0, orphaned_at = NULL"
)
_EVENT = "INSERT INTO events (run_id, seq, at, kind, world, body) VALUES (?, ?, ?, ?, ?, ?)"
_CHECKPOINT = (
    "INSERT INTO checkpoints (run_id, checkpoint_type, world_id, data, created_at, seq)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
# After these a worktree has just been worked in.
_AT_WORK = (
    e.WorktreeCreated
    | e.WorldRestored
    | e.WorldForked
    | e.StepFinished
    | e.CheckpointSaved
    | e.AttemptFinished
    | e.WorldScored
)


class Batch(NamedTuple):
    """Events as they are written in one transaction, and the run after them."""

    statements: list[Statement]
    state: RunState


def batch(run_id: str, state: RunState, records: Sequence[e.Record]) -> Batch:
    """All that is to be written for `records`, which follow on `state`."""
    before, more = state, list[Statement]()
    for record in records:
        state = apply(state, record)
        more.extend(_additions(record, state))
    events = [(_EVENT, _event_row(run_id, record)) for record in records]
    # The run's own rows come first: the others refer to them.
    return Batch([*_changes(before, state), *events, *more], state)


def _changes(before: RunState, after: RunState) -> Iterator[Statement]:
    """The rows of a run, its task and its worlds that are not what they were."""
    if (run := _run_row(after)) != _run_row(before):
        yield _RUN, run
    if (task := _task_row(after)) != _task_row(before):
        yield _TASK, task
    known = {world.id: world for world in before.worlds}
    for world in after.worlds:
        old = known.get(world.id)
        if world is old:
            continue
        row = _world_row(after, world)
        if old is None or row != _world_row(before, old):
            yield _WORLD, row


def _additions(record: e.Record, state: RunState) -> Iterator[Statement]:
    """What one event adds besides; `state` is the run after it."""
    event = record.event
    if isinstance(event, _AT_WORK):
        config = state.world(event.world).config
        if config.worktree:
            yield (
                _WORKTREE,
                (
                    *(_world_id(state, config.id), config.id.value, config.worktree),
                    *(config.branch, record.at, record.at, state.run_id),
                ),
            )
    if (checkpoint := _checkpoint(event, state)) is not None:
        kind, world, data = checkpoint
        yield (
            _CHECKPOINT,
            (
                *(state.run_id, kind, world.value if world else None),
                *(msgspec.json.encode(data).decode(), record.at, record.seq),
            ),
        )


def _checkpoint(
    event: e.AnyEvent, state: RunState
) -> tuple[str, WorldId | None, dict[str, Any]] | None:
    """The checkpoint that an event is, if it is one: of REQ-PER-2, of a step, of the clock."""
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
        case e.StepFinished(world=world, step=step, checkpoint=commit) if commit:
            last = state.world(world).checkpoints[-1]
            data = {"world_id": world, "step": step, "commit": commit}
            return "StepFinished", world, data | {"tests": last.tests, "cost": last.cost_usd}
        case e.CheckpointSaved(world=world, step=step, commit=commit, ref=ref, why=why):
            data = {"world_id": world, "step": step, "commit": commit, "ref": ref, "why": why}
            return "Automatic" if why == "automatic" else "Saved", world, data
    return None


def _event_row(run_id: str, record: e.Record) -> tuple[Any, ...]:
    event = record.event
    body = e.encode(event).decode()
    return run_id, record.seq, record.at, kind_of(event), e.world_of(event), body


def _run_row(state: RunState) -> tuple[Any, ...]:
    score = state.world(state.winner).score if state.winner else None
    issue = state.issue
    return (
        *(state.run_id, issue.number, state.status.value, state.started_at, state.ended_at),
        *(state.total_cost_usd, state.winner.value if state.winner else None),
        *(score.total if score else None, issue.key, issue.title, state.repo, state.base_commit),
        *(state.branch or None, state.commit or None),
    )


def _task_row(state: RunState) -> tuple[Any, ...]:
    return (
        *(_task_id(state), state.run_id, state.task, state.status.value),
        *(state.started_at, state.ended_at),
    )


def _world_row(state: RunState, world: WorldState) -> tuple[Any, ...]:
    return (
        *(_world_id(state, world.id), _task_id(state), world.id.value),
        *(world.config.worktree or None, world.config.branch or None, world.status.value),
        *(world.started_at, world.ended_at, world.score.total if world.score else None),
        world.cost_usd,
    )


def _task_id(state: RunState) -> str:
    return f"{state.run_id}/{state.task}"


def _world_id(state: RunState, world: WorldId) -> str:
    return f"{_task_id(state)}/{world.value}"
