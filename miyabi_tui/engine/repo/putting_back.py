"""A worktree compared with a snapshot, and made to hold exactly that again."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.contents import restore_dot_git
from miyabi_tui.engine.repo.git import Git, commit_of, git_dir_of
from miyabi_tui.engine.repo.index import BASE_INDEX, WARM_INDEX, OwnIndex, own_index
from miyabi_tui.engine.repo.leavings import open_up
from miyabi_tui.engine.repo.note import DETACHED, ON_BRANCH, Note
from miyabi_tui.engine.repo.standing import Standing, mend_head, stand, standing

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.repo.worktrees import Worktree

ROUNDS = 4  # what was ignored can come to light when a .gitignore is put back
# What git leaves in a git dir in the middle of something.
LEFT_BY_GIT = (
    *("index.lock", "HEAD.lock", "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR"),
    *("AUTO_MERGE", "SQUASH_MSG", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD"),
    *("BISECT_LOG", "BISECT_START", "BISECT_TERMS", "BISECT_NAMES", "BISECT_EXPECTED_REV"),
    *("rebase-merge", "rebase-apply", "sequencer"),
)


def difference(git: Git, worktree: Worktree, commit: str, ignored: bool) -> str:
    """How the worktree differs from a snapshot, in few words; empty where it does not. Blocks."""
    if not worktree.path.is_dir():
        return "its folder is gone"
    try:
        wanted = _wanted(git, worktree, commit)
        files = _changed_files(git, worktree, commit, ignored)
        found = standing(git, worktree)
    except (GitError, OSError) as error:
        return f"it cannot be read: {getattr(error, 'cause', '') or error}"
    said = [f"{files} file{'s' if files > 1 else ''} changed"] if files else []
    if not _points_home(worktree):
        said.append("its .git was changed")
    if wanted.tip and worktree.branch and found.tip != wanted.tip:
        said.append("its branch was moved" if found.tip else "its branch is gone")
    elif found.head != wanted.head or (found.on == ON_BRANCH) != (wanted.on == ON_BRANCH):
        said.append("its HEAD was moved")
    return ", ".join(said)


def put_back(git: Git, worktree: Worktree, commit: str, ignored: bool) -> None:
    """Make the worktree hold exactly a snapshot, with branch and HEAD where they were. Blocks.

    Raises:
        GitError: it cannot be put back.
    """
    wanted = _wanted(git, worktree, commit)
    try:
        open_up(worktree.path)
        restore_dot_git(worktree)
        _end_what_git_was_at(worktree)
        mend_head(worktree.git_dir, worktree.branch)
        _restore_files(git, worktree, commit, ignored)
        stand(git, worktree, wanted)
        _index_of_head(git, worktree)
    except OSError as error:
        raise GitError(f"cannot put {worktree.path} back", str(error)) from error


def _wanted(git: Git, worktree: Worktree, commit: str) -> Standing:
    """Where a worktree that holds `commit` stands; on it, where it is no snapshot."""
    note = Note.of(git, commit)
    if not note.kind:
        on = ON_BRANCH if worktree.branch else DETACHED
        return Standing(commit, commit if worktree.branch else "", on)
    return Standing(note.head, note.tip, note.on)


def _changed_files(git: Git, worktree: Worktree, commit: str, ignored: bool) -> int:
    with own_index(Git(worktree.path, git.git_dir), worktree, WARM_INDEX, BASE_INDEX) as index:
        # From the snapshot's own list: a file it has may be ignored by now.
        _load(index, commit)
        found = index.take(worktree.base, ignored=ignored)
    _, names = git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", commit, found.tree)
    return names.count("\0") + len(found.left_out)


def _load(index: OwnIndex, commit: str) -> None:
    """The files of a commit; what git knows of equal ones is kept, so that they are not read."""
    try:
        index.run("read-tree", "--reset", f"{commit}^{{tree}}")
    except GitError:  # the index was damaged
        index.file.unlink(missing_ok=True)
        index.run("read-tree", f"{commit}^{{tree}}")


def _restore_files(git: Git, worktree: Worktree, commit: str, ignored: bool) -> None:
    tree = git.run("rev-parse", f"{commit}^{{tree}}")[1]
    files = Git(worktree.path, git.git_dir)
    with own_index(files, worktree, WARM_INDEX, BASE_INDEX) as index:
        _load(index, tree)
        _restore_ignores(index)
        for _ in range(ROUNDS):
            _load(index, tree)
            found = index.take(worktree.base, ignored=ignored)
            strangers = [name for name in found.inside if not _has(git, tree, name)]
            if found.tree == tree and not strangers:
                break
            index.run("read-tree", "--reset", "-u", "--no-recurse-submodules", tree)
            for name in strangers:
                _remove_dot_git(worktree.path / name)
        else:
            raise GitError(f"cannot put {worktree.path} back", "its files change all the time")
        os.replace(index.file, worktree.git_dir / WARM_INDEX)


def _restore_ignores(index: OwnIndex) -> None:
    """What is to be ignored is known first: else files that were ignored then would be removed."""
    _, names = index.run("ls-files", "-z", "--", ":(glob)**/.gitignore")
    for name in filter(None, names.split("\0")):
        index.run("checkout-index", "--force", "--quiet", "--", name, allowed=(0, 1, 128))


def _has(git: Git, tree: str, folder: str) -> bool:
    return bool(git.run("ls-tree", "-z", tree, "--", f"{folder}/")[1])


def _remove_dot_git(folder: Path) -> None:
    """A repository of which the snapshot has no file: its files are gone, and then it is too."""
    dot_git = folder / ".git"
    if dot_git.is_dir() and not dot_git.is_symlink():
        shutil.rmtree(dot_git)
    else:
        dot_git.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # ignored files are in there
        folder.rmdir()


def _index_of_head(git: Git, worktree: Worktree) -> None:
    """The worktree's own index, with the files of HEAD in it."""
    files = Git(worktree.path, git.git_dir)
    with own_index(files, worktree, WARM_INDEX) as index:
        head = commit_of(worktree.git, "HEAD")
        if head:
            _load(index, head)
        else:
            index.run("read-tree", "--empty")
        os.replace(index.file, worktree.git_dir / "index")


def _points_home(worktree: Worktree) -> bool:
    dot_git = worktree.path / ".git"
    with contextlib.suppress(OSError):
        if dot_git.is_file() and not dot_git.is_symlink():
            return git_dir_of(worktree.path).samefile(worktree.git_dir)
    return False


def _end_what_git_was_at(worktree: Worktree) -> None:
    for name in LEFT_BY_GIT:
        left = worktree.git_dir / name
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
