"""RecoveryManager: which runs were interrupted, and what it takes to go on with one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.past import History, histories
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.repo.git import Git, commit_of, open_repository
from miyabi_tui.engine.request import RunRequest
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from miyabi_tui.engine.store.journal import Journal, RunRow


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its journal has it, and all that is needed to go on with it."""

    run: RunState
    request: RunRequest
    git: Git
    pasts: dict[WorldId, History]
    resumed: e.RunResumed


class RecoveryManager:
    """Finds interrupted runs in a journal, and takes them up (REQ-PER-3)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def interrupted(self, repo: str) -> list[RunRow]:
        """The runs of a repository that can go on, the newest first."""
        return await self._journal.interrupted(repo)

    async def recover(self, run_id: str, *, interactive: bool) -> Recovery:
        """Everything from the journal and the repository; nothing is changed.

        A run with a selected winner, or with none, can be opened again where a person can answer.

        Raises:
            UsageError: it is merged, its repository, base or a key is gone, or nobody could answer.
        """
        records = await self._journal.records(run_id, streams=False)
        run = fold(records)
        _check_open(run, interactive=interactive)
        git = await anyio.to_thread.run_sync(_repository, run)
        request = _request(run, interactive=interactive)
        going_on = tuple(one.id for one in run.worlds if one.cut_short or not one.ended)
        for world in going_on:
            registry.check(run.world(world).config.model, run.terms.providers)
        away = max(0.0, time.time() - run.at)
        resumed = e.RunResumed(away_seconds=away, worlds=going_on)
        return Recovery(
            run=run, request=request, git=git, pasts=histories(records), resumed=resumed
        )


def _check_open(run: RunState, *, interactive: bool) -> None:
    if run.status is e.RunStatus.MERGED:
        raise UsageError(
            f"run {run.run_id} is merged already", f"it is on {run.branch}", "see: miyabi show"
        )
    if interactive or not run.finished:
        return
    if run.status is e.RunStatus.SELECTED and run.merge is not e.MergePolicy.AUTO:
        raise UsageError(
            f"run {run.run_id} has its winner", "", f"merge it with: miyabi merge {run.run_id}"
        )
    if run.status is e.RunStatus.NO_WINNER:
        raise UsageError(
            f"run {run.run_id} has ended without a winner",
            "",
            "on a screen, r takes a world back to a checkpoint",
        )


def _repository(run: RunState) -> Git:
    path = Path(run.repo)
    if not path.is_dir():
        raise UsageError(
            f"the repository of run {run.run_id} is gone", f"there is no folder {path}"
        )
    git = open_repository(path)
    if not commit_of(git, run.base_commit):
        raise UsageError(
            f"the base of run {run.run_id} is gone",
            f"there is no commit {run.base_commit[:9]} in {path}",
            "fetch it again",
        )
    return git


def _request(run: RunState, *, interactive: bool) -> RunRequest:
    return RunRequest(
        issue=run.issue,
        repo=Path(run.repo),
        base_ref=run.base_ref,
        base_commit=run.base_commit,
        worlds=tuple(world.config for world in run.worlds),
        merge=run.merge,
        terms=run.terms,
        recorded=run.recorded,
        interactive=interactive,
    )
