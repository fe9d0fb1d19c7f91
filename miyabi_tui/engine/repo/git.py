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
    from types import ModuleType
    from typing import IO

OLDEST_GIT = (2, 38)  # `merge-tree --write-tree`
SWITCHED_OFF = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=false",
    "core.safecrlf=false",  # true refuses to add what autocrlf would change
    "submodule.recurse=false",  # true makes a reset fail where submodules are not there
    "gc.auto=0",
    "commit.gpgSign=false",
)
GUARDS = (
    "--no-optional-locks",  # looking at the user's checkout does not write its index
    *(word for setting in SWITCHED_OFF for word in ("-c", setting)),
)
# Set inside a git hook; they would redirect every call.
HOOK_ENVIRONMENT = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
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
        stdin: IO[bytes] | None = None,
    ) -> tuple[int, str]:
        """Run git and wait: its exit code, one of `allowed`, and what it printed.

        Raises:
            GitError: any other exit code; the cause is git's own words.
        """
        git = _gitpython()
        command = [
            "git",
            *GUARDS,
            f"--git-dir={self.git_dir}",
            f"--work-tree={self.work_tree}",
            *args,
        ]
        code, out, err = git.Git(str(self.work_tree)).execute(
            command,
            istream=stdin,
            with_extended_output=True,
            with_exceptions=False,
            strip_newline_in_stdout=strip,
            env=dict(env or {}),
        )
        if code not in allowed:
            raise GitError(f"git {args[0]} failed", printable(str(err) or str(out)).strip())
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
        return await anyio.to_thread.run_sync(self.measure, base, commit)

    def measure(self, base: str, commit: str) -> Diffstat:
        """`diffstat`, blocking. Plumbing, which no `diff.*` setting of the user changes."""
        _, listing = self.run("diff-tree", "-r", "--numstat", "--no-renames", "-z", base, commit)
        added = deleted = 0
        files = []
        for entry in filter(None, listing.split("\0")):
            plus, minus, path = entry.split("\t", 2)
            added += int(plus) if plus.isdigit() else 0
            deleted += int(minus) if minus.isdigit() else 0
            files.append(path)
        return Diffstat(added, deleted, tuple(files))


def open_repository(path: Path) -> Git:
    """The repository that holds `path`, with its checkout as work tree.

    Asked of git itself: it knows every format (sha256, reftable, a git dir elsewhere).

    Raises:
        UsageError: no git, no repository here, a bare one, or one without a commit.
    """
    for name in HOOK_ENVIRONMENT:
        os.environ.pop(name, None)
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder", "", "name the repository with --repo")

    def ask(question: str) -> str:
        code, answer, complaint = (
            _gitpython()
            .Git(str(path))
            .execute(
                ["git", "rev-parse", question], with_extended_output=True, with_exceptions=False
            )
        )
        if code == 0:
            return str(answer)
        if "not a git repository" in str(complaint):
            raise UsageError(
                f"{path} is not in a git repository", "", "go into one, or name it with --repo"
            )
        raise UsageError(f"git cannot open {path}", printable(str(complaint)).strip())

    if _gitpython().Git().version_info < OLDEST_GIT:
        raise UsageError("this git is too old", "the merge needs 2.38 or newer", "update git")
    if ask("--is-bare-repository") == "true":
        raise UsageError(f"{path} is a bare repository", "", "use a clone with a checkout")
    if ask("--is-inside-work-tree") != "true":
        raise UsageError(f"{path} is inside a git dir", "", "go into the checkout")
    git = Git(Path(ask("--show-toplevel")), Path(ask("--absolute-git-dir")))
    if not commit_of(git, "HEAD"):
        raise UsageError(
            f"{git.work_tree} has no commit yet",
            "worlds start from one",
            'make one: git add -A && git commit -m "first"',
        )
    return git


def _gitpython() -> ModuleType:
    """GitPython, which takes 0.1 s to load: only when first used.

    Raises:
        UsageError: there is no git to run.
    """
    try:
        import git
    except ImportError as error:  # it looks for git when it is loaded
        raise UsageError("git is not installed", "", "install git") from error
    return git


def printable(text: str) -> str:
    """`text` for people and for the journal: bytes that are not UTF-8 become question marks."""
    return text.encode("utf-8", "replace").decode()


def commit_of(git: Git, ref: str) -> str:
    """The commit `ref` names, empty where there is none."""
    code, commit = git.run(
        *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"),
        allowed=(0, 1, 128),
    )
    return "" if code else commit


def files_of(git: Git, commit: str) -> list[str]:
    """The paths of all files of a commit. Blocks for a git call.

    Raises:
        GitError: there is no such commit.
    """
    _, listing = git.run("ls-tree", "-r", "-z", "--name-only", commit)
    return [name for name in listing.split("\0") if name]


def git_dir_of(path: Path) -> Path:
    """The git dir of the checkout at `path`, by its `.git`, which may be a file that names it."""
    dot_git = path / ".git"
    if dot_git.is_dir():
        return dot_git
    named = dot_git.read_text(encoding="utf-8", errors="surrogateescape")
    return Path(os.path.realpath(path / named.removeprefix("gitdir:").strip("\n").lstrip(" ")))


def resolve_commit(git: Git, ref: str) -> str:
    """The commit `ref` names.

    Raises:
        UsageError: there is no such commit.
    """
    commit = commit_of(git, ref)
    if not commit:
        raise UsageError(
            f"the base {ref!r} does not exist here", "", "see the names with: git branch --all"
        )
    return commit


def check_branch(git: Git, name: str) -> None:
    """Make sure that `name` can be a branch; it need not exist yet.

    Raises:
        UsageError: git takes no branch of that name.
    """
    code, _ = git.run("check-ref-format", "--branch", name, allowed=(0, 1, 128))
    if code or name == "HEAD" or name.startswith("@"):
        raise UsageError(f"{name!r} cannot be a branch", "", "give another name")


def uncommitted(git: Git) -> int:
    """How many files of the user's checkout have changes that no commit holds."""
    _, listing = git.run(
        *("status", "--porcelain", "-z", "--ignore-submodules=all", "--no-renames"),
        "--untracked-files=normal",
    )
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
