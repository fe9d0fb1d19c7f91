"""The repository and what is in it, for `miyabi doctor`: git, worktrees, test and lint tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.checkup import (
    BAD,
    OK,
    PROGRAM_SECONDS,
    WARN,
    Check,
    begin,
    reading,
    together,
)
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.repo.git import OLDEST_GIT, commit_of, files_of, open_repository
from miyabi_tui.engine.scoring.toolchain import RUFF, find_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.checkup import Subject
    from miyabi_tui.engine.repo.git import Git


def git_version() -> Iterator[Check]:
    """Whether there is a git, and one that is new enough."""
    name, oldest = "git.version", ".".join(map(str, OLDEST_GIT))
    if (program := shutil.which("git")) is None:
        yield Check(name, BAD, "git is not installed", f"install git {oldest} or newer", True)
        return
    said = _said(program, "--version")
    version = re.search(r"(\d+)\.(\d+)[.\w]*", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_GIT:
        why = f"{said or program}: merging needs {oldest} or newer"
        yield Check(name, BAD, why, "update git", True)
    else:
        yield Check(name, OK, version[0])


def open_git(folder: Path, seconds: float = PROGRAM_SECONDS) -> tuple[Git | None, list[Check]]:
    """The repository that a race would be in, None where it cannot be; and what is found. Blocks.

    A folder without a repository, and one without a commit, are found too.
    """
    found = together({"git.version": git_version}, seconds)
    name = "git.repository"
    if found[0].state is not OK:
        return None, [*found, Check(name, BAD, "not looked at", found[0].advice, True)]
    try:
        git = begin(lambda: open_repository(folder)).result(seconds)
        return git, [*found, Check(name, OK, f"{git.work_tree}, at {commit_of(git, 'HEAD')[:9]}")]
    except MiyabiError as error:
        why = f"{error.title}: {error.cause}" if error.cause else error.title
        return None, [*found, Check(name, BAD, why, error.next_step, True)]
    except (OSError, TimeoutError) as error:
        why = str(error) or f"git does not answer within {seconds:g} s"
        return None, [*found, Check(name, BAD, why, "look at it with: git status", True)]


def identity(subject: Subject) -> Iterator[Check]:
    """Whose name is under the commits."""
    where = subject.folder.absolute() if subject.folder.is_dir() else Path("/")
    who: list[str] = []
    unset: list[str] = []
    for key, variable in (("user.name", "NAME"), ("user.email", "EMAIL")):
        value = subject.env.get(f"GIT_AUTHOR_{variable}")
        value = value or _said("git", "-C", str(where), "config", "--get", key)
        (who if value else unset).append(value or key)
    if unset:
        words = " and ".join(unset)
        advice = " && ".join(f'git config --global {key} "…"' for key in unset)
        yield Check("git.identity", WARN, f"{words} not set: commits bear miyabi's own", advice)
    else:
        yield Check("git.identity", OK, f"{who[0]} <{who[1]}>")


def worktrees(subject: Subject) -> Iterator[Check]:
    """Worktrees in this repository, and how many of them nobody needs any more."""
    from miyabi_tui.engine.claims import Known, is_orphaned, working_folders
    from miyabi_tui.engine.repo import census
    from miyabi_tui.engine.store.lock import driven
    from miyabi_tui.engine.store.tenancy import Tenancy

    if subject.git is None:
        return
    journal, there = subject.journal, census.worktrees(subject.git)
    known = Known(journal, {}, {}, frozenset(), working_folders(), 0.0)
    if there and journal.exists():
        with closing(reading(journal)) as db:
            rows = Tenancy(db)
            known = Known(
                *(journal, rows.tenants(), rows.runs(), frozenset(driven(journal))),
                *(known.cwds, rows.newest()),
            )
    left = sum(is_orphaned(one, known) for one in there)
    text = f"{left} left behind by earlier runs" if left else f"{len(there)} in use"
    advice = "archive and remove them: miyabi gc --now" if left else ""
    yield Check("git.worktrees", WARN if left else OK, text if there else "none", advice)


# --- the project's own tools ----------------------------------------------------------------------


def tools(subject: Subject) -> Iterator[Check]:
    """What the project is measured with; its own interpreter is not started."""
    if subject.git is None:
        return
    repo = subject.git.work_tree
    files = files_of(subject.git, commit_of(subject.git, "HEAD"))
    found = find_toolchain(repo, files, subject.commands, subject.env)
    if found.python is None:
        advice = found.remark.partition(": ")[2]
        text = found.remark.partition(": ")[0] or "the commands that are set"
        yield Check("tools.commands", WARN if advice else OK, text, advice)
        return
    python = repo / found.python
    if subject.commands.test:
        yield Check("tools.tests", OK, f"by the command that is set, with {python}")
    elif not python.is_file():
        yield Check("tools.tests", WARN, f"there is no {python}", "set [commands] python")
    elif _has_pytest(python, subject):
        yield Check("tools.tests", OK, f"pytest of {python}")
    else:
        advice = f"install it there: {python} -m pip install pytest (or set [commands] test)"
        yield Check("tools.tests", WARN, f"no pytest in {python}", advice)
    linter = subject.commands.lint or found.linter
    besides = " (miyabi's own)" if linter == RUFF else ""
    yield Check("tools.linter", OK, f"{linter}{besides}")


def _has_pytest(python: Path, subject: Subject) -> bool:
    """Asked of an interpreter of the person's; of one that the repository brings, its files."""
    assert subject.git is not None
    if subject.commands.python or python.is_relative_to(subject.git.work_tree):
        folders = python.parent.parent.glob("lib/python*/*-packages/_pytest")
        return any(one.is_dir() for one in folders)
    looking = "import importlib.util as u; print(u.find_spec('pytest') is not None)"
    return _said(str(python), "-c", looking) == "True"


def _said(*command: str) -> str:
    done = subprocess.run(
        command,
        cwd="/",  # a Python would look for modules where it is started
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PROGRAM_SECONDS,
    )
    return done.stdout.decode("utf-8", "replace").strip()
