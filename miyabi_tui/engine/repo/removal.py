"""A worktree goes: all it holds is archived first, then it is moved away at once and deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.archive import STEP, kept
from miyabi_tui.engine.repo.census import BASE
from miyabi_tui.engine.repo.git import Git, commit_of
from miyabi_tui.engine.repo.leavings import open_up
from miyabi_tui.engine.repo.registration import is_registered
from miyabi_tui.engine.repo.view import GitView
from miyabi_tui.engine.repo.worktrees import FOLDER, Worktree

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.repo.census import Found
    from miyabi_tui.engine.repo.snapshots import Keeper

TRASH = "trash"  # in `.miyabi`: what is in there is archived already


async def archive(
    git: Git, keeper: Keeper, found: Found, worktree: Worktree, run: str, reason: str
) -> str:
    """Keep what it holds under a ref; empty where it holds nothing.

    Raises:
        GitError: it cannot be kept whole.
    """
    steps = [one for one in kept(git, run) if one.world == found.world and one.kind == STEP]
    last = max(steps, key=lambda one: one.step) if steps else None
    if found.there:
        if found.world == BASE and not await keeper.difference(worktree, worktree.base):
            return ""
        is_registered(git, worktree)  # mends a HEAD that git cannot read
        GitView(git, worktree).close()
        step, after = (last.step, last.commit) if last else (0, "")
        return await keeper.archive(found.world, worktree, step, reason, after=after)
    head = commit_of(Git(git.work_tree, worktree.git_dir), "HEAD")
    tip = commit_of(git, f"refs/heads/{worktree.branch}") or worktree.base
    known, _ = git.run("merge-base", "--is-ancestor", head, tip, allowed=(0, 1, 128))
    if not head or known == 0:
        return ""
    return await keeper.archive_commit(found.world, head, last.step if last else 0, reason)


def remove(git: Git, found: Found) -> None:
    """Move the folder to the trash, let git forget it, and delete it. Blocks.

    Raises:
        GitError: git does not let it go.
        OSError: it cannot be moved.
    """
    trash = trash_of(found.path.parents[4])
    if found.there:
        trash.mkdir(exist_ok=True)
        open_up(found.path)
        moved = trash / f"{found.task}-{os.urandom(4).hex()}"
        found.path.rename(moved)
    if found.registered:
        # Twice forced: also when an agent locked it in between.
        git.run("worktree", "remove", "--force", "--force", str(found.path))
    empty_trash(trash)
    for folder in (found.path.parent, found.path.parent.parent):
        with contextlib.suppress(OSError):  # others live there
            folder.rmdir()


def trash_of(checkout: Path) -> Path:
    """Where worktrees go before they are deleted."""
    return checkout / FOLDER / TRASH


def empty_trash(trash: Path) -> None:
    """Delete what was moved there, now or by one that was killed. Blocks."""
    if trash.is_dir() and not trash.is_symlink():
        open_up(trash)
        shutil.rmtree(trash, ignore_errors=True)


def as_worktree(git: Git, found: Found, branch: str, base: str) -> Worktree:
    """The worktree as it was made, as far as anyone knows.

    Raises:
        GitError: nobody knows the commit that it began with.
    """
    head = commit_of(git, f"refs/heads/{branch}") if branch else ""
    began = next(filter(None, (commit_of(git, one) for one in (base, head, "HEAD") if one)), "")
    if not began:
        raise GitError(f"cannot tell what {found.path} began with")
    return Worktree(found.path, found.git_dir, branch, began)
