"""Past runs, read from the journal alone: `miyabi runs`, `show` and `merge`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from miyabi_tui import headless
from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.engine.bus import Bus
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.fold import apply, fold
from miyabi_tui.engine.masking import Masker
from miyabi_tui.engine.merging import merge_winner
from miyabi_tui.engine.naming import own_branch
from miyabi_tui.engine.repo import git as repository
from miyabi_tui.engine.store.journal import open_journal
from miyabi_tui.engine.store.lock import driving, is_driven
from miyabi_tui.engine.summary import board, plain, result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from miyabi_tui.engine.repo.merge import MergeResult
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.store.journal import Journal, RunRow


@asynccontextmanager
async def opened(journal: Path) -> AsyncGenerator[Journal, None]:
    """The journal, for a command without an engine: what is remarkable is said on standard error.

    Raises:
        StoreError: it cannot be opened.
    """
    async with open_journal(journal) as store:
        if store.remark:
            print(f"miyabi: {store.remark}", file=sys.stderr)
        yield store


async def runs(journal: Path) -> list[RunRow]:
    """The newest runs first; one that says it runs, but that nobody drives, was interrupted."""
    async with opened(journal) as open_one:
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
    open_ones = [row for row in rows if row.status == e.RunStatus.INTERRUPTED]
    going = [row.run_id for row in open_ones if Path(row.repo).is_dir()]
    if going:
        lines += ["", f"an interrupted run can go on: miyabi resume {going[0]}"]
    return "\n".join(lines)


async def state(journal: Path, prefix: str) -> RunState:
    """The folded state of one run; one that nobody drives any more was interrupted.

    Raises:
        UsageError: there is no such run.
    """
    async with opened(journal) as store:
        run = fold(await store.records(await store.find(prefix), streams=False))
    if run.finished or is_driven(journal, run.run_id):
        return run
    cut = e.RunFinished(status=e.RunStatus.INTERRUPTED, reason="its process ended")
    return apply(run, e.Record(run.seq, run.at, cut))


def page(run: RunState, *, as_json: bool) -> str:
    """One run, as a page or as the JSON of its result."""
    if as_json:
        return msgspec.json.encode(result(run) | {"issue": run.issue.title} | _safety(run)).decode()
    there = Path(run.repo).is_dir()
    number = f"#{run.issue.number} " if run.issue.number is not None else ""
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    lines = [
        f"{number}{run.issue.title}",
        f"run {run.run_id} · {started} · {run.repo} · from {run.base_ref} ({run.base_commit[:9]})",
        *(plain("\n  ".join(safety.isolation(run.sandbox))).splitlines() if run.sandbox else []),
        "",
        board(run),
        "",
        *_incidents(run),
        headless.closing(run, resumable=run.finished and there),
    ]
    if not there:
        lines.append(f"its repository {run.repo} is gone")
    if not run.finished:
        lines.append(f"watch it with: miyabi attach {run.run_id}")
    return "\n".join(lines)


def _incidents(run: RunState) -> list[str]:
    """What worlds tried and had too much of, and what the person took with the winner."""
    lines = []
    for world in run.worlds:
        said = [safety.over(world.exceeded)] if world.exceeded else []
        said += [f"{safety.tried(one)} — {safety.stopped(one)}" for one in world.escapes]
        lines += [f"{world.id:<{headless.NAME_WIDTH + 1}}{' '.join(one.split())}" for one in said]
    lines += [f"overridden by you: {' '.join(one.split())}" for one in run.overridden]
    return [*map(plain, lines), ""] if lines else []


def _safety(run: RunState) -> dict[str, Any]:
    """The same for programs."""
    return {
        "isolation": run.sandbox,
        "overridden": run.overridden,
        "escapes": {world.id: world.escapes for world in run.worlds if world.escapes},
        "limits": {world.id: world.exceeded for world in run.worlds if world.exceeded},
    }


async def merge(journal: Path, prefix: str, target: str) -> str:
    """Merge the selected winner of a finished run; what was done, in one line.

    Raises:
        UsageError: the run has no winner, is merged already, or its repository is gone.
        MergeConflict: it does not apply; nothing was changed.
    """
    async with opened(journal) as store:
        here = "" if prefix else str(repository.open_repository(Path()).work_tree)
        run_id = await store.find(prefix, here)
        with driving(journal, run_id):  # from here on nobody else writes to it
            run = await store.resume(run_id)
            if run.commit:
                raise UsageError(f"run {run_id} is merged already", f"it is on {run.branch}")
            if run.winner is None:
                raise UsageError(f"run {run_id} has no winner", run.reason)
            if not await anyio.Path(run.repo).is_dir():
                raise UsageError(
                    f"the repository of run {run_id} is gone",
                    f"it was in {run.repo}",
                    "put it back there and merge again",
                )
            if target:
                repository.check_branch(repository.open_repository(Path(run.repo)), target)
            masker = Masker()
            masker.learn(os.environ, run.terms.key_variables)
            bus = Bus(run_id, store, seq=run.seq, masker=masker)
            merged = await _merge(bus, target or run.target, new_branch=_is_new(run, target))
        where = f"{merged.branch} ({merged.commit[:9]}) in {run.repo}"
        return masker.mask(f"{run.winner} is merged into {where}")


def _is_new(run: RunState, target: str) -> bool:
    """Whether the run was to make a branch of its own, and no other was asked for now."""
    return not target and run.target == own_branch(run.issue)


async def _merge(bus: Bus, branch: str, *, new_branch: bool) -> MergeResult:
    git = await anyio.to_thread.run_sync(repository.open_repository, Path(bus.state.repo))
    identity = await anyio.to_thread.run_sync(repository.identity, git)
    async with anyio.create_task_group() as group:
        group.start_soon(bus.run)
        try:
            merged = await merge_winner(git, bus, identity, branch, new_branch=new_branch)
            await bus.emit(e.RunFinished(status=e.RunStatus.MERGED))
        finally:
            bus.close()
    return merged
