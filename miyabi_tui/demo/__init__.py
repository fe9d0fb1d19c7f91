"""The demo: a sample repository with an open issue, and recorded turns for five worlds."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.events import Issue, MergePolicy
from miyabi_tui.engine.worlds import default_worlds

if TYPE_CHECKING:
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.terms import Isolation

HERE = Path(__file__).parent
ISSUE_NUMBER = 270
MODEL = "demo/recorded"


def issue() -> Issue:
    """The sample's open issue."""
    title, _, text = (HERE / "issue.md").read_text(encoding="utf-8").partition("\n")
    return Issue(f"issue-{ISSUE_NUMBER}", title.lstrip("# ").strip(), text.strip(), ISSUE_NUMBER)


def make_repository(folder: Path) -> None:
    """Make the sample repository in `folder`, which must be new or empty.

    Raises:
        UsageError: the folder holds something, or cannot be made.
        GitError: git failed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not an empty folder", "", "name a new one")
        shutil.copytree(
            HERE / "sample",
            folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__", ".*_cache"),
        )
        (folder / "gitignore").rename(folder / ".gitignore")
    except OSError as error:
        raise UsageError(f"cannot make the demo in {folder}", str(error)) from error
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "config", "user.name", "miyabi demo")
    _git(folder, "config", "user.email", "demo@localhost")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--no-verify", "-m", "tally: time sheets in plain text")


def _git(folder: Path, *args: str) -> None:
    try:
        done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UsageError("git is not installed", "", "install git") from error
    if done.returncode:
        raise GitError(f"git {args[0]} failed", done.stderr.strip())


def isolation(asked: str) -> Isolation:
    """What was asked for by the flag, else by MIYABI_ISOLATION, else the first that works.

    Raises:
        UsageError: the variable names none.
    """
    from miyabi_tui.engine.terms import Isolation

    named = asked or os.environ.get("MIYABI_ISOLATION") or Isolation.AUTO
    if named not in tuple(Isolation):
        choices = ", ".join(Isolation)
        raise UsageError(f"MIYABI_ISOLATION is {named!r}", "", f"one of {choices}")
    return Isolation(named)


def assignment(
    folder: Path, *, speed: float, merge: MergePolicy, interactive: bool, isolation: Isolation
) -> tuple[RunRequest, Git]:
    """Make the repository and what is to be done in it.

    Raises:
        UsageError: the folder cannot be used.
        GitError: git failed.
    """
    # Imported here, in the engine's thread: the screen has painted by then.
    from miyabi_tui.engine.models.registry import Kind, Provider
    from miyabi_tui.engine.repo.git import open_repository, resolve_commit
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.scoring.toolchain import Commands
    from miyabi_tui.engine.terms import Terms

    make_repository(folder)

    git = open_repository(folder)
    request = RunRequest(
        issue=issue(),
        repo=folder,
        base_ref="main",
        base_commit=resolve_commit(git, "main"),
        worlds=default_worlds(MODEL, MODEL),
        merge=merge,
        terms=Terms(
            providers={"demo": Provider(Kind.REPLAY, base_url=str(HERE / "turns"))},
            commands=Commands(python=sys.executable),
            speed=None if math.isinf(speed) else speed,
            isolation=isolation,
        ),
        recorded=True,
        interactive=interactive,
    )
    return request, git
