"""All worktrees of miyabi in a repository: what is on disk, compared with what git has registered.

They are at `.miyabi/worktrees/world-<World>/<issue>/<task>` (or `base/…`) in any checkout of the
repository.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.repo.owner import Owner
from miyabi_tui.engine.repo.worktrees import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.repo.git import Git

WORLD, BASE = "world-", "base"
ABSENT = Path("/nonexistent")  # in place of a git dir


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree that is on disk (`there`), registered with git, or both.

    `locked` is why a person locked it, None where it is not. `branch` is what it has checked out.
    """

    path: Path
    there: bool
    git_dir: Path = ABSENT
    branch: str = ""
    locked: str | None = None
    owner: Owner | None = None

    @property
    def registered(self) -> bool:
        """Whether git knows of it."""
        return self.git_dir is not ABSENT

    @property
    def world(self) -> str:
        """Whose it is, by the name of its folder."""
        return self.path.parts[-3].removeprefix(WORLD)

    @property
    def task(self) -> str:
        """The task of its run."""
        return self.path.name

    @property
    def ours(self) -> bool:
        """Whether it was made by miyabi: it is signed, or has the branch of its folder's names."""
        named = f"{self.path.parts[-3]}-{self.path.parts[-2]}-{self.path.name}"
        # An agent may have left its branch: then it is no other branch's.
        return self.owner is not None or self.branch in (named, "")


def worktrees(git: Git) -> list[Found]:
    """All that are there, by path. Blocks.

    Raises:
        GitError: the repository cannot be read.
    """
    registered = list(_registered(git))
    git_dirs = _git_dirs(git.common_dir / "worktrees")
    found = {}
    for checkout in {git.work_tree, *(Path(one["worktree"]) for one in registered)}:
        for path in _on_disk(checkout / FOLDER / "worktrees"):
            found[path] = Found(path=path, there=True)
    for one in registered:
        path = Path(one["worktree"])
        if path.parts[-5:-3] != (FOLDER, "worktrees") or path not in git_dirs:
            continue
        found[path] = Found(
            path=path,
            there=os.path.lexists(path),
            git_dir=git_dirs[path],
            branch=one.get("branch", "").removeprefix("refs/heads/"),
            locked=one.get("locked"),
            owner=Owner.of(git_dirs[path]),
        )
    return [found[path] for path in sorted(found)]


def _registered(git: Git) -> Iterator[dict[str, str]]:
    """What `git worktree list` says of each."""
    _, listing = git.run("worktree", "list", "--porcelain", "-z")
    for block in listing.split("\0\0"):
        fields = (field.partition(" ") for field in block.split("\0") if field)
        said = {name: value for name, _, value in fields}
        if "worktree" in said:
            yield said


def _git_dirs(folder: Path) -> dict[Path, Path]:
    """The git dir of each registered worktree, by the worktree's path."""
    found = {}
    for git_dir in folder.iterdir() if folder.is_dir() else ():
        try:
            named = (git_dir / "gitdir").read_bytes()
        except OSError:
            continue
        dot_git = Path(os.path.normpath(git_dir / os.fsdecode(named.strip(b"\n"))))
        found[dot_git.parent] = git_dir
    return found


def _on_disk(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*/*/*"):
        if path.parts[-3] == BASE or path.parts[-3].startswith(WORLD):
            yield path
