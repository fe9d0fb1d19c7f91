"""What is kept under refs/miyabi, read from the refs alone, and given back.

No journal is asked: it may be lost, or be on another machine.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.repo.git import check_branch, commit_of, identity
from miyabi_tui.engine.repo.merge import free_branch
from miyabi_tui.engine.repo.note import Note
from miyabi_tui.engine.repo.snapshots import ATTEMPTS, REFS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.repo.git import Git

STEP, SAVED, ARCHIVE = "step", "saved", "archive"
_FIELDS = ("%(refname)", "%(objectname)", "%(committerdate:unix)", "%(contents)", "")
_SEE = "see what is kept with: miyabi archive"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot. `number` counts a world's archive entries, `date` is a Unix time.

    `inside` are repositories whose files are in it, without what made them repositories.
    """

    run: str
    world: str
    kind: str
    step: int
    number: int = 0
    reason: str = ""
    date: float = 0.0
    commit: str
    ref: str
    base: str = ""
    head: str = ""
    inside: tuple[str, ...] = ()


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was given back: the branch, its commit, and the worktree where one was asked for."""

    kept: Kept
    branch: str
    commit: str
    folder: str = ""


def kept(git: Git, prefix: str = "") -> list[Kept]:
    """All snapshots of the runs whose id begins with `prefix`, by run, world and time. Blocks.

    Raises:
        GitError: the repository cannot be read.
    """
    _, listing = git.run("for-each-ref", f"--format={'%00'.join(_FIELDS)}", f"{REFS}/")
    fields = listing.split("\0")
    rows = zip(fields[::4], fields[1::4], fields[2::4], fields[3::4], strict=False)
    found = (_kept(ref.strip("\n"), commit, date, text) for ref, commit, date, text in rows)
    ours = [one for one in found if one is not None and one.run.startswith(prefix)]
    return sorted(ours, key=lambda one: (one.run, one.world, *age(one)))


def _kept(ref: str, commit: str, date: str, text: str) -> Kept | None:
    """One ref; None for the base of a run, and for what is not of miyabi."""
    run, *names = ref.removeprefix(f"{REFS}/").split("/")
    match names:
        case ["archive", world, number] if number.isdigit():
            kind, count = ARCHIVE, int(number)
        case [world, "saved"]:
            kind, count = SAVED, 0
        case [world, step] if step.isdigit():
            kind, count = STEP, 0
        case _:
            return None
    note = Note.read(text)
    return Kept(
        run=run,
        world=world,
        kind=kind,
        step=int(names[1]) if kind == STEP else note.step,
        number=count,
        reason=note.reason,
        date=float(date or 0),
        commit=commit,
        ref=ref,
        base=note.base,
        head=note.head,
        inside=note.inside,
    )


def age(one: Kept) -> tuple[float, int, int]:
    """What a list is sorted by: the newest last, in mid-step after the step."""
    return one.date, one.step, one.number if one.kind == ARCHIVE else one.kind == SAVED


def choose(
    found: Iterable[Kept], world: str, run: str, *, step: int | None, number: int | None
) -> Kept:
    """The one that is meant: that step or archive entry, else the newest of all.

    Of an archive entry and a checkpoint of the same second the entry is meant.

    Raises:
        UsageError: there is none, or the run is not clear.
    """
    runs = {one.run for one in found if one.run.startswith(run)}
    if not runs:
        raise UsageError(f"nothing is kept of a run {run!r}", "", _SEE)
    if len(runs) > 1 and run not in runs:
        raise UsageError(f"{run!r} begins {len(runs)} runs", "", "give more of the id")
    only = run if run in runs else next(iter(runs))
    of_run = [one for one in found if one.run == only]
    of_world = [one for one in of_run if one.world.casefold() == world.casefold()]
    if not of_world:
        worlds = ", ".join(sorted({one.world for one in of_run}))
        raise UsageError(f"nothing of {world!r} is kept of run {only}", f"it has {worlds}", _SEE)
    if step is not None:
        meant = [one for one in of_world if one.kind == STEP and one.step == step]
        what = f"no step {step}"
    elif number is not None:
        meant = [one for one in of_world if one.kind == ARCHIVE and one.number == number]
        what = f"no archive entry {number}"
    else:
        return max(of_world, key=lambda one: (one.date, one.kind == ARCHIVE, *age(one)[1:]))
    if not meant:
        raise UsageError(f"{what} of {of_world[0].world} is kept of run {only}", "", _SEE)
    return meant[0]


def restore(git: Git, one: Kept, *, branch: str = "", folder: str = "") -> Restored:
    """A new branch with exactly what was kept, checked out in `folder` where that is named. Blocks.

    Raises:
        UsageError: the branch exists, or the folder is in use.
        GitError: git failed; nothing was made.
    """
    if branch:
        check_branch(git, branch)
        if commit_of(git, f"refs/heads/{branch}"):
            raise UsageError(f"there is a branch {branch} already", "", "name a new one")
    path = Path(folder).absolute() if folder else None
    if path is not None and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not an empty folder", "", "name a new one")
    commit = _as_commit(git, one)
    made = _make_branch(git, one, branch, commit)
    if path is not None:
        try:
            git.run("worktree", "add", "--quiet", str(path), made)
        except GitError:
            git.run("update-ref", "-d", f"refs/heads/{made}", commit)
            shutil.rmtree(path, ignore_errors=True)
            raise
    return Restored(kept=one, branch=made, commit=commit, folder=str(path or ""))


def _as_commit(git: Git, one: Kept) -> str:
    """The content as one commit on what the world's HEAD was: fit to be looked at and merged."""
    parent = commit_of(git, one.head) or commit_of(git, one.base) if one.head or one.base else ""
    above = ("-p", parent) if parent else ()
    text = (
        f"{one.world}, step {one.step} of run {one.run}\n\n{one.reason}\n\nRestored from {one.ref}"
    )
    _, made = git.run(
        *("commit-tree", f"{one.commit}^{{tree}}", *above, "-m", text), env=identity(git)
    )
    return made


def _make_branch(git: Git, one: Kept, branch: str, commit: str) -> str:
    for _ in range(ATTEMPTS):
        name = branch or free_branch(git, f"restored/{one.world}-{one.run}")
        try:
            git.run("update-ref", "-m", "miyabi: restore", f"refs/heads/{name}", commit, "")
        except GitError as error:  # another one took the name
            refused = error
        else:
            return name
    raise refused
