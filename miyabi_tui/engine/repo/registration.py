"""Whether a worktree is where git believes it is, and room for one that has to be made again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Git, commit_of
from miyabi_tui.engine.repo.standing import mend_head

if TYPE_CHECKING:
    from miyabi_tui.engine.repo.worktrees import Worktree


def is_registered(git: Git, worktree: Worktree) -> bool:
    """Whether the worktree is there and git can work with it; `git` is the repository's. Blocks."""
    path, git_dir = worktree.path, worktree.git_dir
    if path.is_symlink() or not path.is_dir() or not git_dir.is_absolute():
        return False
    try:
        named = (git_dir / "gitdir").read_text(encoding="utf-8", errors="surrogateescape")
        if not Path(git_dir / named.strip("\n")).parent.samefile(path):
            return False
        if not git_dir.parent.samefile(git.common_dir / "worktrees"):
            return False
        mend_head(git_dir, worktree.branch)
        worktree.git.run("rev-parse", "--git-dir")
    except (GitError, OSError):
        return False
    return worktree.git.common_dir.samefile(git.common_dir)


def move_aside(path: Path) -> None:
    """Make room for a worktree; nothing of what is there is lost. Blocks."""
    if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
        return  # git takes an empty folder
    if os.path.lexists(path):
        number = 1
        while os.path.lexists(aside := path.with_name(f"{path.name}.found-{number}")):
            number += 1
        path.rename(aside)


def take_branch(worktree: Worktree) -> None:
    """Stand on the branch, wherever it is; at the base where it is gone. Blocks."""
    ref = f"refs/heads/{worktree.branch}"
    if not commit_of(worktree.git, ref):
        worktree.git.run("update-ref", ref, worktree.base, "")
    worktree.git.run("symbolic-ref", "HEAD", ref)
