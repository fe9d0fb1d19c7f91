"""What a worktree holds, and the commit of it.

An agent may do anything to its worktree's git: commit, switch branches, reset, flag files as
unchanged, leave a lock or a merge half done, put another `.git` there. So nothing here reads the
worktree's own index: each look begins with the base's index in a folder of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError, WorktreeError
from miyabi_tui.engine.repo.git import commit_of, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from miyabi_tui.engine.repo.git import Diffstat
    from miyabi_tui.engine.repo.worktrees import Worktree

BASE_INDEX = "miyabi-base-index"
SUBMODULE = "160000"  # the mode of a commit of another repository in a tree
NOT_WALKED = frozenset({".git", "node_modules", ".venv", "venv"})


def commit(worktree: Worktree, message: str, author: Mapping[str, str] | None) -> str:
    """Commit whatever the worktree holds on its branch; the branch's commit afterwards. Blocks.

    Raises:
        WorktreeError: a nested repository would be swallowed, or git refused.
    """
    git = worktree.git
    try:
        if nested := _nested_repositories(worktree):
            raise _swallows(nested[0])
        with _own_index(worktree) as env:
            git.run("add", "--all", env=env)
            _, tree = git.run("write-tree", env=env)
            if submodule := _new_submodule(worktree, tree):
                raise _swallows(submodule)
            parents = _parents(worktree)
            if len(parents) == 1 and _tree_of(worktree, parents[0]) == tree:
                made = parents[0]
            else:
                above = (word for parent in parents for word in ("-p", parent))
                author = author or identity(git)
                _, made = git.run("commit-tree", tree, *above, "-m", message, env=author)
            _put_on_branch(worktree, made)
            _replace_index(worktree, Path(env["GIT_INDEX_FILE"]))
    except (GitError, OSError) as error:
        cause = error.cause if isinstance(error, GitError) else str(error)
        raise WorktreeError(f"cannot commit in {worktree.path}", cause) from error
    return made


def diffstat(worktree: Worktree) -> Diffstat:
    """The size of what the worktree holds now against its base. Blocks.

    Raises:
        GitError: the worktree cannot be read.
    """
    return worktree.git.measure(worktree.base, _present_tree(worktree))


def diff(worktree: Worktree) -> str:
    """The unified diff of what the worktree holds now against its base. Blocks.

    Raises:
        GitError: the worktree cannot be read.
    """
    _, text = worktree.git.run(
        *("diff-tree", "-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"),
        *(worktree.base, _present_tree(worktree)),
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


@contextlib.contextmanager
def _own_index(worktree: Worktree) -> Iterator[dict[str, str]]:
    """The base's index in a folder of its own, as an environment for git.

    Its time is kept: git trusts a file's time only if it is older than the index.
    """
    with tempfile.TemporaryDirectory(prefix="miyabi-", dir=worktree.git_dir) as folder:
        index = Path(folder, "index")
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(worktree.git_dir / BASE_INDEX, index)
        yield {"GIT_INDEX_FILE": str(index)}


def _present_tree(worktree: Worktree) -> str:
    """The tree of what the worktree holds now; a repository inside of it is left out."""
    left_out = [f":(exclude,literal){name}" for name in _nested_repositories(worktree)]
    with _own_index(worktree) as env:
        worktree.git.run("add", "--all", "--", ".", *left_out, env=env)
        _, tree = worktree.git.run("write-tree", env=env)
    return tree


def _nested_repositories(worktree: Worktree) -> list[str]:
    """Repositories in the worktree, but for ignored ones and the submodules of the base."""
    found = sorted(_repositories_below(worktree.path))
    if not found:
        return []
    with _own_index(worktree) as env:
        _, listing = worktree.git.run("ls-files", "-z", "--stage", env=env)
        known = {
            entry.partition("\t")[2]
            for entry in listing.split("\0")
            if entry.startswith(f"{SUBMODULE} ")
        }
        return [
            name
            for name in found
            if name not in known
            and worktree.git.run("check-ignore", "--quiet", "--", name, allowed=(0, 1), env=env)[0]
        ]


def _repositories_below(root: Path) -> Iterator[str]:
    folders = [str(root)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name in NOT_WALKED or not entry.is_dir(follow_symlinks=False):
                    continue
                if os.path.lexists(os.path.join(entry.path, ".git")):
                    yield os.path.relpath(entry.path, root)
                else:
                    folders.append(entry.path)


def _new_submodule(worktree: Worktree, tree: str) -> str:
    """A repository that came in as a submodule all the same, empty where there is none."""
    _, listing = worktree.git.run("diff-tree", "-r", "-z", "--no-renames", worktree.base, tree)
    fields = listing.split("\0")
    for entry, name in zip(fields[::2], fields[1::2], strict=False):
        before, after, *_ = entry.removeprefix(":").split(" ")
        if after == SUBMODULE and before != SUBMODULE:
            return name
    return ""


def _swallows(name: str) -> WorktreeError:
    shown = name.encode("utf-8", "replace").decode()
    return WorktreeError(
        "a repository inside the worktree", f"{shown} has a .git of its own", "remove that .git"
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
    git, log = worktree.git, ("-m", "miyabi: what the worktree holds")
    if worktree.branch:
        ref = f"refs/heads/{worktree.branch}"
        git.run("update-ref", *log, ref, made)
        git.run("symbolic-ref", "HEAD", ref)
    else:
        git.run("update-ref", "--no-deref", *log, "HEAD", made)


def _replace_index(worktree: Worktree, index: Path) -> None:
    if index.exists():
        os.replace(index, worktree.git_dir / "index")
