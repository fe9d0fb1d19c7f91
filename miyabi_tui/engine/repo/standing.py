"""Where a worktree's git stands: HEAD and its branch, read and put back whatever became of them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import commit_of
from miyabi_tui.engine.repo.note import DETACHED, ON_BRANCH

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.worktrees import Worktree

STALE_SECONDS = 10.0
_HEAD = re.compile(r"ref: refs/\S+\n?|[0-9a-f]{40}([0-9a-f]{24})?\n?")


def set_ref(git: Git, ref: str, commit: str, *, why: str = "kept") -> None:
    """Point a ref that is ours at a commit, also when a git that was killed left it locked. Blocks.

    Raises:
        GitError: git refused.
    """
    command = ("update-ref", "-m", f"miyabi: {why}", ref, commit)
    try:
        git.run(*command)
    except GitError:
        lock = git.common_dir / f"{ref}.lock"
        if not _is_stale(lock):
            raise
        lock.unlink(missing_ok=True)
        git.run(*command)


def _is_stale(lock: Path) -> bool:
    """Whether nobody can be at work behind it: git holds one for an instant."""
    try:
        return time.time() - lock.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


class Standing(msgspec.Struct, frozen=True):
    """The commits of HEAD and of the worktree's branch, and what HEAD is on; see `Note`."""

    head: str
    tip: str
    on: str


def standing(git: Git, worktree: Worktree) -> Standing:
    """Where the worktree stands; `git` is the repository's. Blocks."""
    branch = f"refs/heads/{worktree.branch}"
    try:
        _, said = worktree.git.run(
            *("rev-parse", "HEAD^{commit}", f"{branch}^{{commit}}", "--symbolic-full-name", "HEAD")
        )
        head, tip, name = said.split("\n")
    except (GitError, ValueError):  # one of them is not there
        head, name = _damaged_head(worktree)
        tip = commit_of(git, branch) if worktree.branch else ""
    on = ON_BRANCH if name == branch else name if name.startswith("refs/") else DETACHED
    return Standing(head, tip, on)


def _damaged_head(worktree: Worktree) -> tuple[str, str]:
    try:
        _, name = worktree.git.run("symbolic-ref", "--quiet", "HEAD", allowed=(0, 1))
        return commit_of(worktree.git, "HEAD"), name
    except GitError:
        return "", ""


def mend_head(git_dir: Path, branch: str) -> None:
    """Write a HEAD that git can read; without one it does not take the git dir for one."""
    head = git_dir / "HEAD"
    try:
        sound = bool(_HEAD.fullmatch(head.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        sound = False
    if not sound:
        if head.is_symlink():
            head.unlink()
        head.write_text(f"ref: refs/heads/{branch}\n", encoding="utf-8")


def stand(git: Git, worktree: Worktree, wanted: Standing) -> None:
    """Put the branch and HEAD there.

    A branch of another name is not moved: HEAD is detached where that branch went on.

    Raises:
        GitError: git refused.
    """
    log = ("-m", "miyabi: put back")
    branch = f"refs/heads/{worktree.branch}"
    if wanted.tip and worktree.branch:
        set_ref(git, branch, wanted.tip, why="put back")
    here = worktree.git
    if wanted.on == ON_BRANCH and worktree.branch:
        here.run("symbolic-ref", *log, "HEAD", branch)
    elif wanted.on.startswith("refs/heads/") and commit_of(git, wanted.on) == wanted.head:
        here.run("symbolic-ref", *log, "HEAD", wanted.on)
    elif wanted.head:
        here.run("update-ref", "--no-deref", *log, "HEAD", wanted.head)
