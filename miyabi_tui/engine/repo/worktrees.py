"""FiveWorldsManager: five worktrees on five branches, made through one lane.

Parallel `git worktree add` fails on locks, so worktrees are registered one after another without
files and then filled two at a time. `.miyabi/` ignores itself, so the user's status stays clean.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine.errors import GitError, WorktreeError
from miyabi_tui.engine.repo.contents import commit, restore_dot_git
from miyabi_tui.engine.repo.contents import diff as present_diff
from miyabi_tui.engine.repo.contents import diff_between as difference
from miyabi_tui.engine.repo.contents import diffstat as _diffstat
from miyabi_tui.engine.repo.git import Diffstat, Git, git_dir_of
from miyabi_tui.engine.repo.index import BASE_INDEX
from miyabi_tui.engine.repo.registration import is_registered, move_aside, take_branch
from miyabi_tui.engine.repo.snapshots import Keeper
from miyabi_tui.engine.repo.view import GitView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from miyabi_tui.engine.repo.owner import Owner
    from miyabi_tui.engine.worlds import WorldId

__all__ = [
    "FiveWorldsManager",
    "Worktree",
    "commit_all",
    "difference",
    "present_diff",
    "present_diffstat",
]

FOLDER = ".miyabi"
FILLED_AT_ONCE = 2
INCLUDE_FILE = ".worktreeinclude"


class Worktree(msgspec.Struct, frozen=True):
    """A folder with the base commit's files on a branch of its own (none for the base itself)."""

    path: Path
    git_dir: Path
    branch: str
    base: str

    @property
    def git(self) -> Git:
        """git on this worktree, by its registered git dir and never by its `.git` file."""
        return Git(self.path, self.git_dir)


class FiveWorldsManager:
    """Makes, finds and removes the worktrees of one task of one run, which `owner` names."""

    def __init__(
        self, git: Git, base: str, issue_key: str, task: str, *, owner: Owner | None = None
    ) -> None:
        self._git = git
        self._owner = owner
        self._keeper = Keeper(git, owner.run if owner else task)
        self._base = base
        self._issue_key = issue_key
        self._task = task
        self._lane = anyio.Lock()
        self._fill = anyio.CapacityLimiter(FILLED_AT_ONCE)
        self.worktrees: dict[WorldId, Worktree] = {}

    def path(self, world: WorldId | None) -> Path:
        """Where a world's worktree is, or will be; the base's for None."""
        name = f"world-{world.value}" if world else "base"
        return self._git.work_tree / FOLDER / "worktrees" / name / self._issue_key / self._task

    def branch(self, world: WorldId) -> str:
        """The branch of a world's worktree."""
        return f"world-{world.value}-{self._issue_key}-{self._task}"

    async def spawn_all_worlds(
        self,
        worlds: Iterable[WorldId],
        created: Callable[[WorldId, Worktree], Awaitable[None]],
    ) -> dict[WorldId, Worktree]:
        """Make the worktrees of `worlds`; `created` is awaited for each as it is ready.

        Raises:
            WorktreeError: one could not be made.
        """

        async def one(world: WorldId) -> None:
            await created(world, await self.spawn_world(world))

        async with anyio.create_task_group() as group:
            for world in worlds:
                group.start_soon(one, world)
        return self.worktrees

    async def spawn_world(self, world: WorldId) -> Worktree:
        """Make one world's worktree, with the files that `.worktreeinclude` names.

        Raises:
            WorktreeError: it could not be made.
        """
        branch = self.branch(world)
        worktree = await self._make(
            self.path(world), ("--no-track", "-b", branch), branch, new=True
        )
        self.worktrees[world] = worktree
        return worktree

    async def spawn_base(self) -> Worktree:
        """A worktree of the base commit itself, on no branch, for its measurement.

        Raises:
            WorktreeError: it could not be made.
        """
        path = self.path(None)
        # An engine that was killed may have left one; nobody works in it but the measurement.
        remove = functools.partial(shutil.rmtree, path, ignore_errors=True)
        await anyio.to_thread.run_sync(remove)
        where = ("--force", "--force", "--detach")
        return await self._make(path, where, "", new=True)

    async def find(self, world: WorldId, path: Path, git_dir: Path, branch: str) -> Worktree | None:
        """The worktree of an earlier engine; None where it is gone, or git does not know it.

        What it holds is not looked at; what was committed in its view is adopted.
        """
        worktree = Worktree(path, git_dir, branch, self._base)
        if not await anyio.to_thread.run_sync(is_registered, self._git, worktree):
            return None
        await anyio.to_thread.run_sync(GitView(self._git, worktree).close)
        self.worktrees[world] = worktree
        return worktree

    async def rebuild(self, world: WorldId, path: Path, branch: str) -> Worktree:
        """Make a world's worktree again, with the base's files, on its branch as that is.

        What is found at `path` is moved aside, to `<path>.found-<n>`.

        Raises:
            WorktreeError: it could not be made.
        """
        try:
            await anyio.to_thread.run_sync(move_aside, path)
        except OSError as error:
            raise WorktreeError(f"cannot make the worktree {path}", str(error)) from error
        # Twice forced: what git still knows of the worktree that was here is out of date.
        worktree = await self._make(path, ("--force", "--force", "--detach"), branch, new=False)
        self.worktrees[world] = worktree
        return worktree

    async def _make(
        self, path: Path, where: tuple[str, ...], branch: str, *, new: bool
    ) -> Worktree:
        registered = False
        try:
            async with self._lane:
                await anyio.to_thread.run_sync(self._ignore_ourselves)
                await self._git(
                    "worktree", "add", "--quiet", "--no-checkout", *where, str(path), self._base
                )
                registered = True
                git_dir = await anyio.to_thread.run_sync(git_dir_of, path)
            worktree = Worktree(path, git_dir, branch, self._base)
            if self._owner:
                await anyio.to_thread.run_sync(self._owner.sign, worktree)
            async with self._fill:
                await worktree.git("reset", "--hard", "--quiet")
                await anyio.to_thread.run_sync(_remember_index, worktree)
                await anyio.to_thread.run_sync(self.include, path)
            if not new:
                await anyio.to_thread.run_sync(take_branch, worktree)
        except (GitError, OSError) as error:
            if registered:
                await self._forget(path, branch if new else "")
            cause = error.cause if isinstance(error, GitError) else str(error)
            raise WorktreeError(
                f"cannot make the worktree {path}",
                cause,
                "is the disk full, or does a branch of that name exist?",
            ) from error
        except BaseException:  # cancelled: nobody has worked in it, and no event names it
            if registered:
                with anyio.CancelScope(shield=True):
                    await self._forget(path, branch if new else "")
            raise
        return worktree

    async def _forget(self, path: Path, branch: str) -> None:
        """Leave nothing of a worktree that could not be filled; nobody has worked in it."""
        with contextlib.suppress(GitError):
            async with self._lane:
                await self._git("worktree", "remove", "--force", str(path))
                if branch:
                    await self._git("branch", "--quiet", "-D", branch)

    def _ignore_ourselves(self) -> None:
        folder = self._git.work_tree / FOLDER
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def include(self, path: Path) -> None:
        """Copy the untracked files that match `.worktreeinclude` (gitignore patterns).

        Raises:
            GitError: they cannot be listed.
            OSError: one cannot be copied.
        """
        source = self._git.work_tree
        if not (source / INCLUDE_FILE).is_file():
            return
        _, listing = self._git.run(
            "ls-files",
            "--others",
            "--ignored",
            "-z",
            f"--exclude-from={source / INCLUDE_FILE}",
            f"--exclude={FOLDER}/",
        )
        for name in filter(None, listing.split("\0")):
            if name.split("/")[0] == FOLDER:
                continue
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):  # a repository of its own, which git lists as one entry
                shutil.copytree(source / name, target, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source / name, target, follow_symlinks=False)

    async def cleanup_all_worlds(self) -> None:
        """Remove the worktrees' folders; the branches and their commits stay.

        Raises:
            WorktreeError: uncommitted work would be lost, or git refused; the others are removed.
        """
        refused: WorktreeError | None = None
        for world, worktree in list(self.worktrees.items()):
            try:
                if worktree.path.exists():
                    message = f"{world.value}: kept before its worktree was removed"
                    await commit_all(worktree, message)
                await self.remove(worktree)
            except WorktreeError as error:
                refused = refused or error
            else:
                del self.worktrees[world]
        if refused is not None:
            raise refused

    async def remove(self, worktree: Worktree) -> None:
        """Remove one worktree's folder; what a world's holds is archived first.

        Raises:
            WorktreeError: it cannot be archived, or git refused.
        """
        worlds = [world for world, one in self.worktrees.items() if one == worktree]
        try:
            for world in worlds:
                if worktree.path.is_dir():
                    await self._keeper.archive(world, worktree, 0, "its worktree was removed")
            async with self._lane:
                await anyio.to_thread.run_sync(restore_dot_git, worktree)
                # Twice forced: also when it was locked from inside.
                await self._git("worktree", "remove", "--force", "--force", str(worktree.path))
        except (GitError, OSError) as error:
            cause = error.cause if isinstance(error, GitError) else str(error)
            raise WorktreeError(f"cannot remove {worktree.path}", cause) from error


def _remember_index(worktree: Worktree) -> None:
    """Keep the base's own index: what is done to the worktree's later cannot hide a change."""
    index = worktree.git_dir / "index"
    if index.exists():  # it does not where the base has no files
        shutil.copy2(index, worktree.git_dir / BASE_INDEX)


async def commit_all(
    worktree: Worktree, message: str, identity: dict[str, str] | None = None
) -> str:
    """Commit whatever the worktree holds on its branch; the branch's commit afterwards.

    Raises:
        WorktreeError: a nested repository would be swallowed, or git refused.
    """
    return await anyio.to_thread.run_sync(commit, worktree, message, identity)


async def present_diffstat(worktree: Worktree) -> Diffstat:
    """The size of what the worktree holds now against its base, untracked files included."""
    return await anyio.to_thread.run_sync(_diffstat, worktree)
