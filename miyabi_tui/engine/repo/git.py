"""git, hardened and off the event loop.

A command inside a worktree can rewrite its `.git` file, or set `core.fsmonitor` or hooks in a
config of its own. So every call names the git dir and work tree and switches those off.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import msgspec

from miyabi_tui.engine.errors import GitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

GUARDS = (
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "-c",
    "gc.auto=0",
    "-c",
    "commit.gpgSign=false",
)
# Set inside a git hook; they would redirect every call.
HOOK_ENVIRONMENT = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)


class Diffstat(msgspec.Struct, frozen=True):
    """The size of a change: lines added and deleted, and the files touched."""

    added: int = 0
    deleted: int = 0
    files: tuple[str, ...] = ()


class Git:
    """git on one work tree and git dir, named explicitly in every call."""

    def __init__(self, work_tree: Path, git_dir: Path) -> None:
        self.work_tree = work_tree
        self.git_dir = git_dir

    @functools.cached_property
    def common_dir(self) -> Path:
        """The repository's shared git dir, also for a linked worktree."""
        common = self.git_dir / "commondir"
        if not common.is_file():
            return self.git_dir
        return (self.git_dir / common.read_text().strip()).resolve()

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        allowed: tuple[int, ...] = (0,),
        strip: bool = True,
    ) -> tuple[int, str]:
        """Run git and wait: its exit code, one of `allowed`, and what it printed.

        Raises:
            GitError: any other exit code; the cause is git's own words.
        """
        import git  # 0.1 s: only when first used

        command = [
            "git",
            *GUARDS,
            f"--git-dir={self.git_dir}",
            f"--work-tree={self.work_tree}",
            *args,
        ]
        code, out, err = git.Git(str(self.work_tree)).execute(
            command,
            with_extended_output=True,
            with_exceptions=False,
            strip_newline_in_stdout=strip,
            env=dict(env or {}),
        )
        if code not in allowed:
            raise GitError(f"git {args[0]} failed", (str(err) or str(out)).strip())
        return int(code), str(out)

    async def __call__(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """Run git in a thread; what it printed.

        Raises:
            GitError: git failed.
        """
        _, out = await anyio.to_thread.run_sync(functools.partial(self.run, *args, env=env))
        return out

    async def diffstat(self, base: str, commit: str) -> Diffstat:
        """The size of the change from `base` to `commit`; a binary file counts no lines."""
        listing = await self("diff", "--numstat", "--no-renames", "-z", base, commit)
        added = deleted = 0
        files = []
        for entry in filter(None, listing.split("\0")):
            plus, minus, path = entry.split("\t", 2)
            added += int(plus) if plus.isdigit() else 0
            deleted += int(minus) if minus.isdigit() else 0
            files.append(path)
        return Diffstat(added, deleted, tuple(files))


def open_repository(path: Path) -> Git:
    """The repository that holds `path`, with its main checkout as work tree.

    Raises:
        UsageError: no git, no repository here, a bare one, or one without a commit.
    """
    for name in HOOK_ENVIRONMENT:
        os.environ.pop(name, None)
    import git

    try:
        repo = git.Repo(path, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        raise UsageError(
            f"{path} is not in a git repository", "", "go into one, or name it with --repo"
        ) from error
    with repo:
        if repo.bare or repo.working_tree_dir is None:
            raise UsageError(f"{path} is a bare repository", "", "use a clone with a checkout")
        if not repo.head.is_valid():
            raise UsageError(
                f"{repo.working_tree_dir} has no commit yet",
                "worlds start from one",
                'make one: git add -A && git commit -m "first"',
            )
        return Git(Path(repo.working_tree_dir), Path(repo.git_dir))


def resolve_commit(git: Git, ref: str) -> str:
    """The commit `ref` names.

    Raises:
        UsageError: there is no such commit.
    """
    code, commit = git.run(
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        f"{ref}^{{commit}}",
        allowed=(0, 1, 128),
    )
    if code:
        raise UsageError(
            f"the base {ref!r} does not exist here", "", "see the names with: git branch --all"
        )
    return commit


def uncommitted(git: Git) -> int:
    """How many files of the user's checkout have changes that no commit holds."""
    _, listing = git.run("status", "--porcelain", "-z", "--ignore-submodules=all", "--no-renames")
    return listing.count("\0")


def identity(git: Git) -> dict[str, str]:
    """The user's name and address for commits, as an environment; miyabi's own where unset."""
    values: dict[str, str] = {}
    for name, key, other in (
        ("NAME", "user.name", "miyabi"),
        ("EMAIL", "user.email", "miyabi@localhost"),
    ):
        _, value = git.run("config", "--get", key, allowed=(0, 1))
        value = os.environ.get(f"GIT_AUTHOR_{name}") or value or other
        values |= {f"GIT_AUTHOR_{name}": value, f"GIT_COMMITTER_{name}": value}
    return values
