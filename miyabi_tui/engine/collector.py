"""GarbageCollector: worktrees that nobody needs any more are archived, then removed.

A worktree is an orphan when no run that could go on has it: its run is over, or the journal does
not know it. An orphan of 24 hours goes. Who has a claim is decided in `engine/claims.py`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.claims import (
    Known,
    base_of,
    branch_of,
    claim,
    is_orphaned,
    look,
    run_of,
    worker,
    working_folders,
)
from miyabi_tui.engine.errors import GitError, MiyabiError, UsageError
from miyabi_tui.engine.link.place import socket_path
from miyabi_tui.engine.repo import archive, removal
from miyabi_tui.engine.repo.census import Found, worktrees
from miyabi_tui.engine.repo.git import commit_of
from miyabi_tui.engine.repo.snapshots import REFS, Keeper
from miyabi_tui.engine.repo.space import Space, taken
from miyabi_tui.engine.scratch import remove_abandoned
from miyabi_tui.engine.store.lock import driving, is_driven
from miyabi_tui.engine.store.tenancy import tenancy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from miyabi_tui.engine.repo.git import Git

log = logging.getLogger(__name__)

HOUR = 3_600.0
ORPHANED_FOR = 24 * HOUR


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One worktree: whether it goes, and why or why not. `archived` is the ref that keeps it."""

    path: str
    world: str
    run: str = ""
    goes: bool = False
    reason: str
    orphaned_for: float | None = None
    archived: str = ""
    space: Space = Space()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at in a repository, and the space it took before and after."""

    repo: str
    items: tuple[Item, ...]
    before: Space = Space()
    after: Space = Space()
    dry_run: bool = False


class GarbageCollector:
    """Collects the worktrees of one repository; `journal` knows its runs."""

    def __init__(self, git: Git, journal: Path, *, now: Callable[[], float] = time.time) -> None:
        self._git = git
        self._journal = journal
        self._now = now

    async def loop(
        self, tell: Callable[[Report], Awaitable[None]] | None = None, *, every: float = HOUR
    ) -> None:
        """Collect now and then hourly, for ever. What goes wrong is logged, and tried again."""
        while True:
            try:
                report = await self.collect(measured=False)
                if tell is not None and any(one.goes for one in report.items):
                    await tell(report)
            except (MiyabiError, OSError) as error:
                log.warning("worktrees could not be collected: %s", error)
            await anyio.sleep(every)

    async def collect(
        self, *, dry_run: bool = False, at_once: bool = False, measured: bool = True
    ) -> Report:
        """Remove what has been an orphan for 24 hours, or `at_once` every orphan.

        Raises:
            GitError: the repository cannot be read.
            StoreError: the journal cannot be read or written.
        """
        known, found = await anyio.to_thread.run_sync(self._look)
        if not dry_run:
            await anyio.to_thread.run_sync(self._mark, known, found)
            await anyio.to_thread.run_sync(self._remove_traces, known, found)
            known = await anyio.to_thread.run_sync(look, self._journal)
        judged = [(one, self._judge(one, known, at_once)) for one in found]
        return await self._carry_out(judged, known, dry_run=dry_run, measured=measured)

    async def clear(self, prefix: str, *, dry_run: bool = False) -> Report:
        """Archive and remove the worktrees of one run at once; a resume makes them again.

        There may be none any more.

        Raises:
            UsageError: nothing here is of such a run, or a process drives it.
            GitError: the repository cannot be read.
            StoreError: the journal cannot be read or written.
        """
        known, found = await anyio.to_thread.run_sync(self._look)
        run = await anyio.to_thread.run_sync(self._named, prefix, known, found)
        if is_driven(self._journal, run):
            cause = "another miyabi drives it"
            raise UsageError(f"run {run} is going on", cause, f"end it first: miyabi stop {run}")
        judged = []
        for one in found:
            if run_of(one, known) == run:
                stays = claim(one, known, asked=True)
                judged.append((one, self._item(one, known, not stays, stays or "asked for")))
        return await self._carry_out(judged, known, dry_run=dry_run, measured=True, asked=True)

    # --- deciding ---------------------------------------------------------------------------------

    def _look(self) -> tuple[Known, list[Found]]:
        return look(self._journal), worktrees(self._git)

    def _judge(self, found: Found, known: Known, at_once: bool) -> Item:
        if stays := claim(found, known):
            return self._item(found, known, False, stays)
        tenant = known.tenants.get(str(found.path))
        since = tenant.orphaned_at if tenant else None
        age = max(0.0, self._now() - since) if since is not None else 0.0
        run = known.runs.get(run_of(found, known))
        reason = f"its run is over ({run.status})" if run else "no run has it"
        goes = at_once or age >= ORPHANED_FOR
        if not goes:
            reason += f"; goes in {(ORPHANED_FOR - age) / HOUR:.0f} h"
        return replace(self._item(found, known, goes, reason), orphaned_for=age)

    def _item(self, found: Found, known: Known, goes: bool, reason: str) -> Item:
        run = run_of(found, known)
        return Item(path=str(found.path), world=found.world, run=run, goes=goes, reason=reason)

    def _named(self, prefix: str, known: Known, found: list[Found]) -> str:
        """The run that is meant: of those with a worktree here, else of all that were here."""
        begun = sorted({run for one in found if (run := run_of(one, known)).startswith(prefix)})
        if not begun:
            here = {id for id, run in known.runs.items() if run.repo == str(self._git.work_tree)}
            here |= {one.run for one in archive.kept(self._git, prefix)}
            begun = sorted(run for run in here if run.startswith(prefix))
        if prefix in begun:
            return prefix
        if len(begun) > 1:
            raise UsageError(f"{prefix!r} begins {len(begun)} runs", "", "give more of the id")
        if not begun:
            see = "see them with: miyabi gc --dry-run"
            raise UsageError(f"there was no run {prefix!r} here", "", see)
        return begun[0]

    def _mark(self, known: Known, found: Iterable[Found]) -> None:
        """Note since when each orphan is one.

        Never before the latest time that the journal has seen: a clock that was set back, and is
        set right later, would make an orphan old at once.
        """
        at = max(self._now(), known.newest)
        with tenancy(self._journal) as table:
            for one in found:
                tenant = known.tenants.get(str(one.path))
                marked = tenant is not None and tenant.orphaned_at is not None
                if is_orphaned(one, known) and not marked:
                    id = tenant.id if tenant else f"found:{one.path}"
                    table.mark(id, one.world, str(one.path), branch_of(one, known), at)
                elif tenant and marked and not is_orphaned(one, known):
                    table.clear(tenant.id)

    def _remove_traces(self, known: Known, found: list[Found]) -> None:
        """Rows of worktrees gone for good, what was half deleted, locks and folders of the dead."""
        there = {str(one.path) for one in found}
        with tenancy(self._journal) as table:
            for tenant in known.tenants.values():
                run = known.runs.get(tenant.run or "")
                here = self._git.work_tree in Path(tenant.path).parents
                if here and tenant.path not in there and not (run and run.resumable):
                    table.forget(tenant.path)
        removal.empty_trash(removal.trash_of(self._git.work_tree))
        _remove_stale_locks(self._journal)
        remove_abandoned()

    # --- doing ------------------------------------------------------------------------------------

    async def _carry_out(
        self,
        judged: list[tuple[Found, Item]],
        known: Known,
        *,
        dry_run: bool,
        measured: bool,
        asked: bool = False,
    ) -> Report:
        before = await self._space(judged, measured)
        items = []
        for found, item in judged:
            if item.goes and not dry_run:
                item = await self._remove(found, item, known, asked)
            space = before.get(item.path, Space())
            items.append(replace(item, space=space))
        after = before if dry_run else await self._space(judged, measured)
        return Report(
            repo=str(self._git.work_tree),
            items=tuple(items),
            before=sum(before.values(), Space()),
            after=sum(after.values(), Space()),
            dry_run=dry_run,
        )

    async def _space(self, judged: list[tuple[Found, Item]], wanted: bool) -> dict[str, Space]:
        if not wanted:
            return {}
        sizes = {}
        for found, _ in judged:
            sizes[str(found.path)] = await anyio.to_thread.run_sync(taken, [found.path])
        return sizes

    async def _remove(self, found: Found, item: Item, known: Known, asked: bool) -> Item:
        """Archive and remove one, with its run held so that nobody takes it up meanwhile."""
        run = item.run
        try:
            with driving(self._journal, run) if run else contextlib.nullcontext():
                now = await anyio.to_thread.run_sync(look, self._journal)
                now = replace(now, driven=now.driven - {run})
                if stays := claim(found, now, asked=asked):
                    return replace(item, goes=False, reason=stays)
                archived = await self._archive(found, item, known)
                await anyio.to_thread.run_sync(self._take_away, found)
        except (MiyabiError, OSError) as error:
            return replace(item, goes=False, reason=f"it could not be removed: {error}")
        return replace(item, archived=archived)

    async def _archive(self, found: Found, item: Item, known: Known) -> str:
        run = item.run or found.task
        base = base_of(found, known) or commit_of(self._git, f"{REFS}/{run}/base")
        branch = branch_of(found, known)
        worktree = removal.as_worktree(self._git, found, branch, base)
        keeper = Keeper(self._git, run)
        reason = f"collected: {item.reason}"
        return await removal.archive(self._git, keeper, found, worktree, run, reason)

    def _take_away(self, found: Found) -> None:
        if pid := worker(found.path, working_folders()):  # it came while we archived
            raise GitError("it is in use", f"process {pid} works in it")
        removal.remove(self._git, found)
        with tenancy(self._journal) as table:
            table.forget(str(found.path))


def _remove_stale_locks(journal: Path) -> None:
    """Locks and sockets of runs whose engine was killed."""
    for folder in (journal.parent / "locks", socket_path(journal, "-").parent):
        for name in os.listdir(folder) if folder.is_dir() else ():
            if is_driven(journal, name):
                continue
            with contextlib.suppress(MiyabiError, OSError), driving(journal, name):
                socket_path(journal, name).unlink(missing_ok=True)
