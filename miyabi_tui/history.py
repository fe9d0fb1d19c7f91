"""Past runs, read from the journal alone: `miyabi runs`, `show` and `merge`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui import headless
from miyabi_tui.engine import events as e
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.naming import own_branch
from miyabi_tui.engine.repo import git as repository
from miyabi_tui.engine.repo import merge as merging
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.store.lock import driving, is_driven
from miyabi_tui.engine.summary import commit_message, result

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.store.journal import RunRow


async def runs(journal: Path) -> list[RunRow]:
    """The newest runs first; one that says it runs, but that nobody drives, was interrupted."""
    async with open_journal(journal) as open_one:
        rows = await open_one.runs()
    return [
        msgspec.structs.replace(row, status="interrupted")
        if row.status == e.RunStatus.RUNNING and not is_driven(journal, row.run_id)
        else row
        for row in rows
    ]


def listing(rows: list[RunRow], *, as_json: bool) -> str:
    """The runs as a table, or as JSON."""
    if as_json:
        return msgspec.json.encode(rows).decode()
    if not rows:
        return "no run yet; try: miyabi demo"
    lines = [
        f"{'run':<10}{'started':<18}{'status':<13}{'winner':<9}{'score':>6}{'cost':>10}  issue"
    ]
    for row in rows:
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started_at))
        score = f"{row.score:g}" if row.score is not None else "–"
        number = f"#{row.issue_number} " if row.issue_number is not None else ""
        lines.append(
            f"{row.run_id:<10}{started:<18}{row.status:<13}{row.winner or '–':<9}{score:>6}"
            f"{f'${row.total_cost_usd:.4f}':>10}  {number}{row.title}"
        )
    return "\n".join(lines)


async def state(journal: Path, prefix: str) -> RunState:
    """The folded state of one run.

    Raises:
        UsageError: there is no such run.
    """
    async with open_journal(journal) as open_one:
        return fold(await open_one.records(await open_one.find(prefix)))


def page(run: RunState, *, as_json: bool) -> str:
    """One run, as a page or as the JSON of its result."""
    if as_json:
        return msgspec.json.encode(result(run) | {"issue": run.issue.title}).decode()
    number = f"#{run.issue.number} " if run.issue.number is not None else ""
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    lines = [
        f"{number}{run.issue.title}",
        f"run {run.run_id} · {started} · {run.repo} · from {run.base_ref} ({run.base_commit[:9]})",
        "",
        headless.board(run),
        "",
        headless.closing(run),
    ]
    return "\n".join(lines)


async def merge(journal: Path, prefix: str, target: str) -> str:
    """Merge the selected winner of a finished run; what was done, in one line.

    Raises:
        UsageError: the run has no winner, or is merged already.
        MergeConflict: it does not apply; nothing was changed.
    """
    async with open_journal(journal) as open_one:
        here = "" if prefix else str(repository.open_repository(Path()).work_tree)
        run = await open_one.resume(await open_one.find(prefix, here))
        if run.commit:
            raise UsageError(f"run {run.run_id} is merged already", f"it is on {run.branch}")
        if run.winner is None:
            raise UsageError(f"run {run.run_id} has no winner", run.reason)
        if target:
            repository.check_branch(repository.open_repository(Path(run.repo)), target)
        with driving(journal, run.run_id):
            merged = await _merge(run, target or run.target, new_branch=_is_new(run, target))
            await _record(Bus(run.run_id, open_one, seq=run.seq), run, merged)
        where = f"{merged.branch} ({merged.commit[:9]}) in {run.repo}"
        return f"{run.winner} is merged into {where}"


def _is_new(run: RunState, target: str) -> bool:
    """Whether the run was to make a branch of its own, and no other was asked for now."""
    return not target and run.target == own_branch(run.issue)


async def _merge(run: RunState, branch: str, *, new_branch: bool) -> merging.MergeResult:
    assert run.winner is not None
    git = await anyio.to_thread.run_sync(repository.open_repository, Path(run.repo))
    return await merging.merge(
        git,
        run.world(run.winner).commit,
        run.base_commit,
        branch,
        commit_message(run),
        await anyio.to_thread.run_sync(repository.identity, git),
        new_branch=new_branch,
    )


async def _record(bus: Bus, run: RunState, merged: merging.MergeResult) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(bus.run)
        assert run.winner is not None
        await bus.emit(e.Merged(world=run.winner, branch=merged.branch, commit=merged.commit))
        await bus.emit(e.RunFinished(status=e.RunStatus.MERGED))
        bus.close()
