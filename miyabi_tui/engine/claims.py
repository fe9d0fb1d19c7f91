"""Who has a claim on a worktree: disk, `git worktree list` and the journal compared.

Nobody's is an orphan. Whatever may be somebody's is not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil

from miyabi_tui.engine.store.lock import driven
from miyabi_tui.engine.store.tenancy import Run, Tenant, tenancy

if TYPE_CHECKING:
    from miyabi_tui.engine.repo.census import Found

ASIDE = ".found-"  # what was found in a worktree's place; see `FiveWorldsManager.rebuild`


class Known(msgspec.Struct, frozen=True):
    """All that decides, read at one moment. `newest` is the latest time that the journal has."""

    journal: Path
    tenants: Mapping[str, Tenant]
    runs: Mapping[str, Run]
    driven: frozenset[str]
    cwds: Mapping[str, int]
    newest: float


def look(journal: Path) -> Known:
    """What is known now. Blocks.

    Raises:
        StoreError: the journal cannot be read.
    """
    with tenancy(journal) as table:
        tenants, runs, newest = table.tenants(), table.runs(), table.newest()
    return Known(journal, tenants, runs, frozenset(driven(journal)), working_folders(), newest)


def tenant_of(found: Found, known: Known) -> Tenant | None:
    """Its row; what was found in a worktree's place belongs to that worktree's run."""
    home = found.path.with_name(found.task.partition(ASIDE)[0])
    return known.tenants.get(str(found.path)) or known.tenants.get(str(home))


def run_of(found: Found, known: Known) -> str:
    """The run that it was made for; empty where nobody knows."""
    tenant = tenant_of(found, known)
    return (tenant and tenant.run) or (found.owner.run if found.owner else "")


def branch_of(found: Found, known: Known) -> str:
    """The branch that it was made on, wherever the agent left it."""
    tenant = tenant_of(found, known)
    return (tenant and tenant.branch) or (found.owner.branch if found.owner else found.branch)


def base_of(found: Found, known: Known) -> str:
    """The commit that it began with; empty where nobody knows."""
    run = known.runs.get(run_of(found, known))
    return found.owner.base if found.owner and found.owner.base else run.base if run else ""


def claim(found: Found, known: Known, *, asked: bool = False) -> str:
    """Why it must stay, in words; empty for an orphan.

    `asked`: a person wants it to go, so that a run which could be resumed has no claim.
    """
    name = run_of(found, known)
    run = known.runs.get(name)
    if found.locked is not None:
        return f"locked by hand: {found.locked}" if found.locked else "locked by hand"
    if found.owner and run is None and _of_another(Path(found.owner.journal), known.journal):
        return f"of another journal: {found.owner.journal}"
    if tenant_of(found, known) is None and not found.ours:
        return "not made by miyabi"
    if pid := worker(found.path, known.cwds):
        return f"process {pid} works in it"
    if name in known.driven:
        return "its run is going on"
    if run and run.resumable and not asked:
        return "its run can be resumed"
    return ""


def is_orphaned(found: Found, known: Known) -> bool:
    """Whether nobody has a claim on it."""
    return not claim(found, known)


def _of_another(journal: Path, ours: Path) -> bool:
    return journal.absolute() != ours.absolute() and journal.exists()


def worker(path: Path, cwds: Mapping[str, int]) -> int | None:
    """A process that is in there."""
    here = os.path.realpath(path)
    return next((pid for cwd, pid in cwds.items() if f"{cwd}/".startswith(f"{here}/")), None)


def working_folders() -> dict[str, int]:
    """The folders in which processes are now, as far as they may be looked at. Blocks."""
    found = {}
    for process in psutil.process_iter():
        try:
            found[process.cwd().removesuffix(" (deleted)")] = process.pid
        except (psutil.Error, OSError):
            continue
    return found
