"""The merge: the winner becomes one commit, made without touching the user's checkout.

A new branch, or one that is nowhere checked out, is moved by `update-ref` with its old value. A
target that is checked out is only ever fast-forwarded by git itself, which keeps unrelated edits
and refuses overlapping ones.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import GitError, MergeConflict
from miyabi_tui.engine.repo.git import Git, commit_of, git_dir_of, printable

if TYPE_CHECKING:
    from collections.abc import Mapping


ATTEMPTS = 20  # at a new branch's name, while other engines take names too
LOCKED_SECONDS = 5.0  # another git works in the checkout; perhaps that of an engine just killed


class MergeResult(msgspec.Struct, frozen=True):
    """The branch that now holds the winner, and its commit."""

    branch: str
    commit: str


class Merge(msgspec.Struct, frozen=True):
    """A merge that is made but not landed: `commit` goes onto `branch`, which is at `tip` now.

    `tip` is empty where there is no such branch, None where a new one is wanted.
    """

    branch: str
    commit: str
    tip: str | None


def free_branch(git: Git, wanted: str) -> str:
    """`wanted`, or the first of `wanted-2`, `wanted-3`, … that does not exist.

    Where a branch `miyabi` forbids `miyabi/…`, it is `miyabi-…` instead.
    """
    folders = wanted.split("/")[:-1]
    if any(_tip(git, "/".join(folders[: n + 1])) for n in range(len(folders))):
        wanted = wanted.replace("/", "-")
    name, number = wanted, 1
    while _tip(git, name) or _has_branches_below(git, name):
        number += 1
        name = f"{wanted}-{number}"
    return name


def prepare_merge(
    git: Git,
    commit: str,
    base: str,
    branch: str,
    message: str,
    identity: Mapping[str, str],
    *,
    new_branch: bool = False,
) -> Merge:
    """Squash `commit`, which grew from `base`, into one commit; no branch moves yet. Blocks.

    `new_branch` is for a branch of that name, or the next free one: never on top of another run's.

    Raises:
        MergeConflict: it does not apply.
        GitError: git failed.
    """
    # As one commit on the base, whatever the agent did to the history in between.
    tree_of_it = f"{commit}^{{tree}}"
    _, squashed = git.run("commit-tree", tree_of_it, "-p", base, "-m", message, env=identity)
    if new_branch:
        return Merge(branch, squashed, None)
    tip = _tip(git, branch)
    onto = tip or base
    tree = _merged_tree(git, onto, squashed, branch)
    _, merged = git.run("commit-tree", tree, "-p", onto, "-m", message, env=identity)
    return Merge(branch, merged, tip)


def land_merge(git: Git, merge: Merge) -> MergeResult:
    """Put a prepared merge on its branch. Blocks.

    Raises:
        MergeConflict: the branch is checked out with overlapping edits; nothing was changed.
        GitError: git failed, or the branch has moved since.
    """
    if merge.tip is None:
        return MergeResult(_make_branch(git, merge.branch, merge.commit), merge.commit)
    checkout = _checked_out(git, merge.branch) if merge.tip else None
    if checkout is not None:
        _fast_forward(checkout, merge.commit, merge.branch)
    else:
        ref = f"refs/heads/{merge.branch}"
        git.run("update-ref", "-m", "miyabi: merge", ref, merge.commit, merge.tip)
    return MergeResult(merge.branch, merge.commit)


def find_merge(git: Git, branch: str, commit: str) -> MergeResult | None:
    """The branch that holds a merge's commit already: it was done, but nobody noted it. Blocks."""
    if not commit_of(git, commit):
        return None
    names = ("--format=%(refname:short)", f"--contains={commit}", "refs/heads/")
    _, listing = git.run("for-each-ref", *names)
    holding = listing.split("\n") if listing else []
    if not holding:
        return None
    # A new branch may have got the next free name.
    return MergeResult(branch if branch in holding else holding[0], commit)


def merge_winner(
    git: Git,
    commit: str,
    base: str,
    branch: str,
    message: str,
    identity: Mapping[str, str],
    *,
    new_branch: bool = False,
) -> MergeResult:
    """`prepare_merge` and `land_merge` in one. Blocks; raises what they do."""
    merge = prepare_merge(git, commit, base, branch, message, identity, new_branch=new_branch)
    return land_merge(git, merge)


def _make_branch(git: Git, wanted: str, commit: str) -> str:
    """A branch at `commit`: another engine may take the same name at the same moment.

    Raises:
        GitError: no name could be had.
    """
    for _ in range(ATTEMPTS):
        branch = free_branch(git, wanted)
        try:
            git.run("update-ref", "-m", "miyabi: merge", f"refs/heads/{branch}", commit, "")
        except GitError as error:
            refused = error
        else:
            return branch
    raise refused


def _has_branches_below(git: Git, name: str) -> bool:
    """Whether `name/…` exists, which forbids a branch `name`."""
    _, found = git.run("for-each-ref", "--count=1", f"refs/heads/{name}/")
    return bool(found)


def _tip(git: Git, branch: str) -> str:
    """The branch's commit, empty where there is no such branch."""
    return commit_of(git, f"refs/heads/{branch}")


def _merged_tree(git: Git, onto: str, commit: str, branch: str) -> str:
    code, out = git.run(
        "merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", onto, commit,
        allowed=(0, 1),
    )  # fmt: skip
    tree, *files = out.split("\0")
    if code:
        raise MergeConflict(branch, tuple(sorted({printable(name) for name in files if name})))
    return tree


def _checked_out(git: Git, branch: str) -> Git | None:
    """The worktree in which `branch` is checked out."""
    ref = f"refs/heads/{branch}"
    _, head = git.run("symbolic-ref", "--quiet", "HEAD", allowed=(0, 1))
    if head == ref:
        return git  # also where the git dir is elsewhere and the list names that instead
    _, listing = git.run("worktree", "list", "--porcelain", "-z")
    path = ""
    for field in listing.split("\0"):
        if field.startswith("worktree "):
            path = field.removeprefix("worktree ")
        elif field == f"branch {ref}" and Path(path, ".git").exists():
            return Git(Path(path), git_dir_of(Path(path)))
    return None


def _fast_forward(checkout: Git, commit: str, branch: str) -> None:
    until = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            checkout.run(
                *("merge", "--ff-only", "--no-autostash", "--no-verify-signatures", "--quiet"),
                commit,
            )
        except GitError as error:
            if "index.lock" in error.cause and time.monotonic() < until:
                time.sleep(0.2)
                continue
            lines = error.cause.splitlines()
            files = tuple(line.strip() for line in lines if line.startswith("\t"))
            if not files:
                raise
            raise MergeConflict(
                branch, files, f"uncommitted changes in {checkout.work_tree}"
            ) from error
        return
