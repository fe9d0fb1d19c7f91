"""FiveWorldsManager: five worktrees on five branches, made through one lane.

Parallel `git worktree add` fails on locks, so worktrees are registered one after another without
files and then filled two at a time. `.miyabi/` ignores itself, so the user's status stays clean.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine.errors import GitError, WorktreeError
from miyabi_tui.engine.repo.git import Diffstat, Git

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from miyabi_tui.engine.worlds import WorldId

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
    """Makes and removes the worktrees of one task of one run."""

    def __init__(self, git: Git, base: str, issue_key: str, task: str) -> None:
        self._git = git
        self._base = base
        self._issue_key = issue_key
        self._task = task
        self._lane = anyio.Lock()
        self._fill = anyio.CapacityLimiter(FILLED_AT_ONCE)
        self.worktrees: dict[WorldId, Worktree] = {}

    def path(self, name: str) -> Path:
        """Where the worktree called `name` is, or will be."""
        folder = self._git.work_tree / FOLDER / "worktrees"
        return folder / name / self._issue_key / self._task

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
        worktree = await self._add(f"world-{world.value}", self.branch(world))
        self.worktrees[world] = worktree
        return worktree

    async def spawn_base(self) -> Worktree:
        """A worktree of the base commit itself, on no branch, for its measurement.

        Raises:
            WorktreeError: it could not be made.
        """
        return await self._add("base", "")

    async def _add(self, name: str, branch: str) -> Worktree:
        path = self.path(name)
        where = ("-b", branch) if branch else ("--detach",)
        try:
            async with self._lane:
                await anyio.to_thread.run_sync(self._ignore_ourselves)
                await self._git(
                    "worktree", "add", "--quiet", "--no-checkout", *where, str(path), self._base
                )
                git_dir = await anyio.to_thread.run_sync(_git_dir, path)
            worktree = Worktree(path, git_dir, branch, self._base)
            async with self._fill:
                await worktree.git("reset", "--hard", "--quiet")
                await anyio.to_thread.run_sync(self._include, path)
        except (GitError, OSError) as error:
            cause = error.cause if isinstance(error, GitError) else str(error)
            raise WorktreeError(
                f"cannot make the worktree {path}",
                cause,
                "is the disk full, or does a branch of that name exist?",
            ) from error
        return worktree

    def _ignore_ourselves(self) -> None:
        folder = self._git.work_tree / FOLDER
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def _include(self, path: Path) -> None:
        """Copy the untracked files that match `.worktreeinclude` (gitignore patterns)."""
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
            shutil.copy2(source / name, target, follow_symlinks=False)

    async def cleanup_all_worlds(self) -> None:
        """Remove the worktrees' folders; the branches and their commits stay.

        Raises:
            WorktreeError: uncommitted work would be lost, or git refused.
        """
        for world, worktree in list(self.worktrees.items()):
            await commit_all(worktree, f"{world.value}: kept before its worktree was removed")
            await self.remove(worktree)
            del self.worktrees[world]

    async def remove(self, worktree: Worktree) -> None:
        """Remove one worktree's folder.

        Raises:
            WorktreeError: git refused.
        """
        try:
            async with self._lane:
                await self._git("worktree", "remove", "--force", str(worktree.path))
        except GitError as error:
            raise WorktreeError(f"cannot remove {worktree.path}", error.cause) from error


def _git_dir(path: Path) -> Path:
    """The git dir that git has just written into the new worktree's `.git` file."""
    return Path((path / ".git").read_text().removeprefix("gitdir:").strip())


async def commit_all(
    worktree: Worktree, message: str, identity: dict[str, str] | None = None
) -> str:
    """Commit whatever the worktree holds on its branch; the branch's commit afterwards.

    Raises:
        WorktreeError: a nested repository would be swallowed, or git refused.
    """
    git = worktree.git
    nested = await anyio.to_thread.run_sync(_nested_repository, worktree.path)
    if nested:
        raise WorktreeError(
            "a repository inside the worktree",
            f"{nested} has a .git of its own",
            "remove that .git",
        )
    try:
        await git("add", "--all")
        if await git("status", "--porcelain", "--ignore-submodules=all"):
            await git("commit", "--quiet", "--no-verify", "-m", message, env=identity)
        return await git("rev-parse", "HEAD")
    except GitError as error:
        raise WorktreeError(f"cannot commit in {worktree.path}", error.cause) from error


def _nested_repository(path: Path) -> Path | None:
    skipped = {"node_modules", ".venv", "venv"}
    folders = [path]
    while folders:
        folder = folders.pop()
        for entry in folder.iterdir():
            if entry.is_symlink() or not entry.is_dir() or entry.name in skipped:
                continue
            if (entry / ".git").exists():
                return entry.relative_to(path)
            if entry.name != ".git":
                folders.append(entry)
    return None


async def present_diffstat(worktree: Worktree) -> Diffstat:
    """The size of what the worktree holds now against its base, untracked files included."""
    git, env = worktree.git, _own_index(worktree)
    await anyio.to_thread.run_sync(_copy_index, worktree)
    await git("add", "--all", env=env)
    return await git.diffstat(worktree.base, await git("write-tree", env=env))


def present_diff(worktree: Worktree) -> str:
    """The unified diff of what the worktree holds now against its base. Blocks.

    Raises:
        GitError: the worktree cannot be read.
    """
    git, env = worktree.git, _own_index(worktree)
    _copy_index(worktree)
    git.run("add", "--all", env=env)
    _, tree = git.run("write-tree", env=env)
    _, text = git.run("diff", "--no-color", "--no-ext-diff", "--no-textconv", worktree.base, tree)
    return text.encode("utf-8", "replace").decode()


def _own_index(worktree: Worktree) -> dict[str, str]:
    """An index apart, so that looking never changes the worktree's own."""
    return {"GIT_INDEX_FILE": str(worktree.git_dir / "miyabi-index")}


def _copy_index(worktree: Worktree) -> None:
    index = worktree.git_dir / "index"
    if index.exists():
        shutil.copyfile(index, worktree.git_dir / "miyabi-index")
