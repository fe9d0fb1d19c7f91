"""What a worktree holds besides its files: it goes with the worktree, so an archive keeps it."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Git, printable
from miyabi_tui.engine.repo.index import SUBMODULE, own_index
from miyabi_tui.engine.repo.inner import histories

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from miyabi_tui.engine.repo.index import Contents
    from miyabi_tui.engine.repo.worktrees import Worktree

REFLOG_AT_MOST = 1_000


def open_up(root: Path) -> None:
    """Let the user read and change what is theirs: an agent may have taken that away. Blocks."""
    _allow(str(root), stat.S_IRWXU)
    for folder, folders, files in os.walk(root):
        for name in folders:
            _allow(os.path.join(folder, name), stat.S_IRWXU)
        for name in files:
            _allow(os.path.join(folder, name), stat.S_IRUSR)


def _allow(path: str, wanted: int) -> None:
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(path, stat.S_IMODE(mode) | wanted | stat.S_IWUSR)


def leavings(
    git: Git, worktree: Worktree, found: Contents, author: Mapping[str, str]
) -> tuple[str, ...]:
    """Commits that hold what is not in the tree of `found`. Blocks."""
    commits = [*_from_reflog(worktree), *_staged(git, worktree, found, author)]
    if (worktree.path / ".git").is_dir():
        commits += histories(git, worktree.path)
    for name in found.inside:
        commits += histories(git, worktree.path / name)
    for name in _submodules(git, worktree, found.tree):
        commits += _of_submodule(git, worktree, name, author)
    return tuple(commits)


def _from_reflog(worktree: Worktree) -> list[str]:
    """Commits that HEAD was on: what was committed and then reset is still there."""
    try:
        _, listing = worktree.git.run(
            *("log", "--walk-reflogs", "--no-show-signature", "--format=%H"),
            *(f"--max-count={REFLOG_AT_MOST}", "HEAD", "--"),
        )
    except GitError:  # HEAD is damaged, or a commit is gone
        return []
    return sorted(set(listing.split()))


def _staged(git: Git, worktree: Worktree, found: Contents, author: Mapping[str, str]) -> list[str]:
    """What was staged, as a commit: it may be in no file any more."""
    index = worktree.git_dir / "index"
    if not index.is_file():
        return []
    try:
        _, tree = git.run("write-tree", env={"GIT_INDEX_FILE": str(index)})
        _, known = worktree.git.run("rev-parse", "HEAD^{tree}", f"{worktree.base}^{{tree}}")
        if tree in (found.tree, *known.split()):
            return []
        parent = ("-p", worktree.base)
        _, commit = git.run("commit-tree", tree, *parent, "-m", "what was staged", env=author)
    except GitError:  # half merged, or damaged
        return []
    return [commit]


def _submodules(git: Git, worktree: Worktree, tree: str) -> list[str]:
    """The submodules that are filled."""
    _, listing = git.run("ls-tree", "-r", "-z", tree)
    names = (
        entry.partition("\t")[2]
        for entry in listing.split("\0")
        if entry.startswith(f"{SUBMODULE} ")
    )
    return [name for name in names if os.path.lexists(worktree.path / name / ".git")]


def _of_submodule(git: Git, worktree: Worktree, name: str, author: Mapping[str, str]) -> list[str]:
    """A submodule's own commits, and one of its files: the tree only names a commit of it."""
    commits = histories(git, worktree.path / name)
    files = replace(worktree, path=worktree.path / name)
    with own_index(Git(files.path, git.git_dir), files) as index:
        index.run("read-tree", "--empty")
        tree = index.take(worktree.base).tree
    _, commit = git.run("commit-tree", tree, "-m", f"the files of {printable(name)}", env=author)
    return [*commits, commit]
