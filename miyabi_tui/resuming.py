"""Going on with an interrupted run: which one, and the offer of it when another is begun."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui import paths, splash
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.recovery import RecoveryManager
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.store.lock import is_driven
from miyabi_tui.history import opened

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.store.journal import RunRow


async def find(prefix: str, *, interactive: bool) -> RunState:
    """The run to go on with, checked before anything is changed.

    The one whose id begins with `prefix`, or the newest interrupted one of the repository here.

    Raises:
        UsageError: there is none, another miyabi drives it, or it cannot go on.
    """
    journal = paths.journal_path()
    async with opened(journal) as store:
        manager = RecoveryManager(store)
        if prefix:
            run_id = await store.find(prefix)
        else:
            repo = str(open_repository(Path()).work_tree)
            found = await manager.interrupted(repo)
            if not found:
                raise UsageError(f"no run of {repo} was interrupted", "", "see: miyabi runs")
            run_id = found[0].run_id
        if is_driven(journal, run_id):
            raise UsageError(
                f"run {run_id} is still going on",
                "another miyabi drives it",
                f"watch it with: miyabi attach {run_id}",
            )
        recovery = await manager.recover(run_id, interactive=interactive)
    return recovery.run


async def newest(repo: str) -> RunRow | None:
    """The newest interrupted run of a repository."""
    async with opened(paths.journal_path()) as store:
        found = await RecoveryManager(store).interrupted(repo)
    return found[0] if found else None


def offer(row: RunRow, title: str) -> bool:
    """Ask whether to go on with this run instead of a new one on `title`.

    Raises:
        KeyboardInterrupt: the person wants neither.
    """
    same = row.title == title
    choices = "[Y/n]" if same else "[y/N]"
    splash.leave()
    print(told(row))
    try:
        answer = input(f"Go on with it instead of a new run? {choices} ").strip().lower()
    except (EOFError, KeyboardInterrupt):  # ctrl+d or ctrl+c: neither of them
        print()
        raise KeyboardInterrupt from None
    return answer.startswith("y") or (same and not answer)


def told(row: RunRow) -> str:
    """An interrupted run in one line."""
    since = time.strftime("%d %B, %H:%M", time.localtime(row.started_at))
    cost = f"${row.total_cost_usd:.2f} so far"
    return f"Run {row.run_id} of {since} was interrupted: {row.title} ({cost})"


def hint(row: RunRow) -> None:
    """Say on standard error that an interrupted run could go on."""
    print(f"miyabi: {told(row)}; go on with: miyabi resume {row.run_id}", file=sys.stderr)
