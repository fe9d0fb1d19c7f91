"""What a worktree holds, and the commit of it.

An agent may do anything to its worktree's git: commit, switch branches, reset, flag files as
unchanged, leave a lock or a merge half done, put another `.git` there. So each look begins with
the base's index, never with the worktree's own.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError, WorktreeError
from miyabi_tui.engine.repo.git import commit_of, identity, printable
from miyabi_tui.engine.repo.index import BASE_INDEX, own_index
from miyabi_tui.engine.repo.standing import set_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.repo.git import Diffstat
    from miyabi_tui.engine.repo.index import Contents
    from miyabi_tui.engine.repo.worktrees import Worktree


def commit(worktree: Worktree, message: str, author: Mapping[str, str] | None) -> str:
    """Commit whatever the worktree holds on its branch; the branch's commit afterwards. Blocks.

    Raises:
        WorktreeError: a nested repository would be swallowed, or git refused.
    """
    git = worktree.git
    try:
        with own_index(git, worktree, BASE_INDEX) as index:
            found = index.take(worktree.base, inner=False)
            if found.inside:
                raise _swallows(found.inside[0])
            if found.left_out:
                raise GitError("git add failed", f"{printable(found.left_out[0])} cannot be read")
            tree = found.tree
            parents = _parents(worktree)
            if len(parents) == 1 and _tree_of(worktree, parents[0]) == tree:
                made = parents[0]
            else:
                above = (word for parent in parents for word in ("-p", parent))
                author = author or identity(git)
                _, made = git.run("commit-tree", tree, *above, "-m", message, env=author)
            _put_on_branch(worktree, made)
            os.replace(index.file, worktree.git_dir / "index")
    except (GitError, OSError) as error:
        cause = error.cause if isinstance(error, GitError) else str(error)
        raise WorktreeError(f"cannot commit in {worktree.path}", cause) from error
    return made


def diffstat(worktree: Worktree) -> Diffstat:
    """The size of what the worktree holds now against its base. Blocks.

    Raises:
        GitError: the worktree cannot be read.
    """
    return _present(worktree).change


def diff(worktree: Worktree) -> str:
    """The unified diff of what the worktree holds now against its base. Blocks.

    Raises:
        GitError: the worktree cannot be read.
    """
    return _unified(worktree, worktree.base, _present(worktree).tree)


def diff_between(one: Worktree, other: Worktree) -> str:
    """The unified diff from what one worktree holds now to what another does. Blocks.

    Raises:
        GitError: a worktree cannot be read.
    """
    return _unified(one, _present(one).tree, _present(other).tree)


def _unified(worktree: Worktree, before: str, after: str) -> str:
    _, text = worktree.git.run(
        *("diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--find-renames", before, after),
        strip=False,
    )
    return text.encode("utf-8", "replace").decode()


def restore_dot_git(worktree: Worktree) -> None:
    """Write the worktree's `.git` file anew: git does not remove a worktree without it."""
    if not worktree.path.exists():
        return
    dot_git = worktree.path / ".git"
    if dot_git.is_dir() and not dot_git.is_symlink():
        shutil.rmtree(dot_git)
    else:
        dot_git.unlink(missing_ok=True)
    dot_git.write_bytes(b"gitdir: " + os.fsencode(worktree.git_dir) + b"\n")


def _present(worktree: Worktree) -> Contents:
    """What the worktree holds now; a repository inside of it is left out."""
    with own_index(worktree.git, worktree, BASE_INDEX) as index:
        return index.take(worktree.base, inner=False)


def _swallows(name: str) -> WorktreeError:
    return WorktreeError(
        "a repository inside the worktree",
        f"{printable(name)} has a .git of its own",
        "remove that .git",
    )


def _tree_of(worktree: Worktree, commit: str) -> str:
    return worktree.git.run("rev-parse", f"{commit}^{{tree}}")[1]


def _parents(worktree: Worktree) -> list[str]:
    """The base, or what the agent committed on top: whatever of its commits would be lost."""
    git = worktree.git
    named = [commit_of(git, "HEAD")]
    if worktree.branch:
        named.append(commit_of(git, f"refs/heads/{worktree.branch}"))
    _, listing = git.run("merge-base", "--independent", worktree.base, *filter(None, named))
    return listing.split()


def _put_on_branch(worktree: Worktree, made: str) -> None:
    """The branch and HEAD to the commit, wherever the agent had left them."""
    git, why = worktree.git, "what the worktree holds"
    if worktree.branch:
        ref = f"refs/heads/{worktree.branch}"
        set_ref(git, ref, made, why=why)
        git.run("symbolic-ref", "HEAD", ref)
    else:
        git.run("update-ref", "--no-deref", "-m", f"miyabi: {why}", "HEAD", made)
