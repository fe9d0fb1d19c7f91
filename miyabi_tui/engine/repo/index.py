"""An index of our own over a worktree's files: what they are, without git's state in there.

An agent may do anything to its worktree's git: flag files as unchanged, leave a lock, put another
`.git` there. So no look at the files reads the worktree's own index.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import GitError
from miyabi_tui.engine.repo.git import Diffstat, Git
from miyabi_tui.engine.scratch import remove_abandoned, scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from miyabi_tui.engine.repo.worktrees import Worktree

BASE_INDEX = "miyabi-base-index"  # in a worktree's git dir: as it was when the base was checked out
WARM_INDEX = "miyabi-step-index"  # and as the last snapshot left it
SUBMODULE = "160000"  # the mode of a commit of another repository in a tree
SETTINGS = (
    "core.trustctime=true",  # a file's time can be set back, the time of its change cannot
    "core.checkStat=default",
    "core.splitIndex=false",  # its other half would be looked for in another folder
    "advice.addEmbeddedRepo=false",
)
DEEPEST = 20  # repositories inside of one another
VANISHING = 100  # times that files may go away while they are taken
GONE = "No such file or directory"


class Contents(msgspec.Struct, frozen=True):
    """The files of a worktree as a tree, with its change against the base.

    `inside` are repositories in there that the base does not have; `left_out` could not be read.
    """

    tree: str
    change: Diffstat
    inside: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class OwnIndex:
    """One index file, used through the git dir of `git` on the files of its work tree."""

    def __init__(self, git: Git, file: Path) -> None:
        self.file = file
        self._git = git
        self._env = {"GIT_INDEX_FILE": str(file)}

    def run(self, *args: str, allowed: tuple[int, ...] = (0,)) -> tuple[int, str]:
        """Run git with this index.

        Raises:
            GitError: any exit code but those of `allowed`.
        """
        settings = (word for setting in SETTINGS for word in ("-c", setting))
        try:
            return self._git.run(*settings, *args, env=self._env, allowed=allowed)
        except GitError as error:
            raise GitError(f"git {args[0]} failed", error.cause) from error

    def take(self, base: str, *, ignored: bool = False, inner: bool = True) -> Contents:
        """Bring the index to what the files are now; git-ignored ones only where `ignored`.

        Of a repository inside, the files are taken; where not `inner`, nothing of it is.

        Raises:
            GitError: the files cannot be read.
        """
        inside: list[str] = []
        for _ in range(DEEPEST):
            complete = self._add(ignored, () if inner else inside)
            untaken = [] if complete else self._untaken()
            _, tree = self.run("write-tree")
            change, found = _changes(self._git, base, tree)
            found += [name.rstrip("/") for name in untaken if name.endswith("/")]
            found = [name for name in found if name not in inside]
            if not found:
                break
            inside += found
            self._open(found) if inner else self.run("update-index", "--force-remove", "--", *found)
        left_out = tuple(name for name in untaken if not name.endswith("/"))
        return Contents(tree, change, tuple(inside), left_out)

    def _add(self, ignored: bool, without: Iterable[str]) -> bool:
        """`git add`; whether everything could be added."""
        force = ("--force",) if ignored else ()
        names = (f":(exclude,literal){name}" for name in without)
        code, _ = self.run(
            *("add", "--all", "--sparse", "--ignore-errors", *force, "--", ".", *names),
            allowed=(0, 1),
        )
        return code == 0

    def _open(self, names: Iterable[str]) -> None:
        """Put a file of theirs in place of repositories: then git walks into them."""
        _, empty = self.run("hash-object", "-w", os.devnull)
        for name in names:
            entry = f"100644,{empty},{name}/.miyabi"
            self.run("update-index", "--add", "--replace", "--cacheinfo", entry)

    def _untaken(self) -> list[str]:
        """What git could not add; a repository without a commit ends with a slash."""
        _, listing = self.run("ls-files", "-z", "--others", "--modified", "--exclude-standard")
        return sorted(set(filter(None, listing.split("\0"))))


@contextlib.contextmanager
def own_index(git: Git, worktree: Worktree, *sources: str) -> Iterator[OwnIndex]:
    """A copy of the first of these indexes in the worktree's git dir; without one, of the base.

    Its time is kept: git trusts a file's time only if it is older than the index.

    Raises:
        GitError: the base cannot be read.
        OSError: the git dir cannot be written.
    """
    home = worktree.git_dir if worktree.git_dir.is_dir() else git.common_dir
    remove_abandoned(home)
    with scratch_folder(parent=home) as folder:
        index = OwnIndex(git, folder / "index")
        for source in sources:
            with contextlib.suppress(OSError):
                shutil.copy2(worktree.git_dir / source, index.file)
                break
        else:
            index.run("read-tree", worktree.base)
        yield index


def contents(git: Git, worktree: Worktree, *, ignored: bool = False) -> Contents:
    """What the worktree's files are now; the index is kept, so that the next time is quick.

    Where objects that the kept index knows are gone (`git gc --prune=now`), it begins from the
    base's, and where that is damaged from the base itself.

    Raises:
        GitError: the files cannot be read, or go away all the time.
    """
    for sources in ((WARM_INDEX, BASE_INDEX), (BASE_INDEX,), ()):
        for _ in range(VANISHING):
            try:
                return _kept_contents(git, worktree, sources, ignored=ignored)
            except GitError as error:
                failed = error
                if GONE not in error.cause:
                    break
            except OSError as error:
                raise GitError(f"cannot read {worktree.path}", str(error)) from error
    raise failed


def _kept_contents(
    git: Git, worktree: Worktree, sources: tuple[str, ...], *, ignored: bool
) -> Contents:
    with own_index(git, worktree, *sources) as index:
        found = index.take(worktree.base, ignored=ignored)
        if worktree.git_dir.is_dir():
            os.replace(index.file, worktree.git_dir / WARM_INDEX)
    return found


def _changes(git: Git, base: str, tree: str) -> tuple[Diffstat, list[str]]:
    """The size of the change, and the repositories that are new in it."""
    _, listing = git.run(
        *("diff-tree", "-r", "--raw", "--numstat", "--no-renames", "-z", base, tree)
    )
    fields = iter(listing.split("\0"))
    added = deleted = 0
    files, inside = [], []
    for field in filter(None, fields):
        if field.startswith(":"):
            before, after, *_ = field.removeprefix(":").split(" ")
            name = next(fields)
            if after == SUBMODULE and before != SUBMODULE:
                inside.append(name)
        else:
            plus, minus, name = field.split("\t", 2)
            added += int(plus) if plus.isdigit() else 0
            deleted += int(minus) if minus.isdigit() else 0
            files.append(name)
    return Diffstat(added, deleted, tuple(files)), inside
