"""What is kept, given back and thrown away: `miyabi archive`, `restore` and `gc`."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.collector import GarbageCollector, Report
from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.repo import archive as archives
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.state import step_name
from miyabi_tui.engine.store.tenancy import tenancy

if TYPE_CHECKING:
    import argparse

    from miyabi_tui.engine.repo.archive import Kept, Restored
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.repo.space import Space


def archive(args: argparse.Namespace) -> str:
    """What is kept in a repository, as a table or as JSON.

    Raises:
        UsageError: nothing is kept of that run.
    """
    git = open_repository(Path(args.repo))
    found = archives.kept(git, args.run)
    if args.json:
        return msgspec.json.encode(found).decode()
    if not found and args.run:
        raise UsageError(f"nothing is kept of a run {args.run!r}", "", "see all: miyabi archive")
    if not found:
        return f"nothing is kept in {git.work_tree} yet; every step of a run will be"
    pages = []
    for run, ones in itertools.groupby(found, lambda one: one.run):
        pages.append("\n".join(_page(git, run, list(ones))))
    pages.append("give one back with: miyabi restore WORLD@RUN")
    return "\n\n".join(pages)


def _page(git: Git, run: str, found: list[Kept]) -> list[str]:
    """One run: its archive entries, then how many checkpoints each world has."""
    lines = [f"run {run}"]
    lines += [
        f"  archived {one.number:>2}  {one.world:<8} step {one.step:<3} {_date(one.date)}"
        f"  {_change(git, one):<20} {one.reason}"
        for one in sorted(found, key=lambda one: one.date)
        if one.kind == archives.ARCHIVE
    ]
    for world, ones in itertools.groupby(found, lambda one: one.world):
        points = [one for one in ones if one.kind != archives.ARCHIVE]
        if points:
            last = max(points, key=archives.age)
            many = f"{len(points)} checkpoint{'s' if len(points) > 1 else ''}"
            when = f"the last at step {last.step}, {_date(last.date)}"
            lines.append(f"  {world:<12} {many}, {when}")
    return lines


def _change(git: Git, one: Kept) -> str:
    """The size of its change against the base."""
    try:
        change = git.measure(one.base, one.commit)
    except GitError:  # the base is not there, or the snapshot is damaged
        return ""
    files = len(change.files)
    return f"+{change.added} −{change.deleted} in {files} file{'' if files == 1 else 's'}"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def restore(args: argparse.Namespace) -> str:
    """Give one snapshot back as a branch; what was done, and what to do next.

    Raises:
        UsageError: there is no such snapshot, or the branch or folder is in use.
    """
    world, at, run = args.what.partition("@")
    if not (world and at and run):
        raise UsageError(
            f"{args.what!r} does not name a world of a run",
            "it is WORLD@RUN, e.g. alpha@1a2b",
            "see what is kept with: miyabi archive",
        )
    git = open_repository(Path(args.repo))
    found = archives.kept(git)
    one = archives.choose(found, world, run, step=args.step, number=args.archived)
    done = archives.restore(git, one, branch=args.branch, folder=args.worktree)
    lines = _told(git, done)
    others = sum((other.run, other.world) == (one.run, one.world) for other in found) - 1
    if others and args.step is None and args.archived is None:
        lines.append(
            f"it is the newest; {others} older can be had with --step N or --archived N: "
            f"miyabi archive {one.run}"
        )
    return "\n".join(lines)


def _told(git: Git, done: Restored) -> list[str]:
    one = done.kept
    what = step_name(one.step)
    if one.kind == archives.ARCHIVE:
        what = f"archive entry {one.number}"
    elif one.kind == archives.SAVED:
        what = f"saved after {what},"
    lines = [
        f"{one.world}@{one.run}, {what} of {_date(one.date)}, is on the branch {done.branch}",
        f"its change: git -C {git.work_tree} diff {one.base[:9] or done.commit} {done.branch}",
    ]
    if done.folder:
        lines.append(f"it is checked out in {done.folder}")
    else:
        lines.append(f"work on it: git -C {git.work_tree} switch {done.branch}")
    lines += [
        f"{name} was a repository of its own; its commits: git log --format='%h %s' {one.ref}"
        for name in one.inside
    ]
    return lines


async def gc(args: argparse.Namespace, journal: Path) -> str:
    """Collect worktrees; each one's fate and reason, and the space before and after.

    Raises:
        UsageError: there is no such run, or it is going on.
    """
    repositories = _repositories(journal) if args.all_repos else [Path(args.repo)]
    reports = []
    for path in repositories:
        collector = GarbageCollector(open_repository(path), journal)
        if args.run:
            reports.append(await collector.clear(args.run, dry_run=args.dry_run))
            if not args.json and not reports[0].items:
                return f"nothing to remove: run {args.run} has no worktree in {path.absolute()}"
        else:
            reports.append(await collector.collect(dry_run=args.dry_run, at_once=args.now))
    if args.json:
        return msgspec.json.encode(reports if args.all_repos else reports[0]).decode()
    return "\n\n".join(_report(one) for one in reports) or "no run yet, so no worktree"


def _repositories(journal: Path) -> list[Path]:
    """Those of all runs that are still there."""
    with tenancy(journal) as table:
        found = sorted({one.repo for one in table.runs().values()})
    return [Path(one) for one in found if Path(one, ".git").exists()]


def _report(report: Report) -> str:
    if not report.items:
        return f"no worktree of miyabi in {report.repo}"
    lines = [report.repo]
    goes = "would go" if report.dry_run else "removed"
    for one in report.items:
        name = f"{one.world}@{one.run}" if one.run else one.world
        fate = goes if one.goes else "stays"
        lines.append(f"  {fate:<9} {name:<18} {_bytes(one.space.on_disk):>9}  {one.reason}")
        lines.append(f"            {one.path}")
        if one.archived:
            lines.append(f"            kept as {one.archived}")
    after = "" if report.dry_run else f" before, {_size(report.after)} after"
    lines.append(f"space: {_size(report.before)}{after}")
    if any(one.archived for one in report.items):
        lines.append("give one back with: miyabi restore WORLD@RUN")
    return "\n".join(lines)


def _size(space: Space) -> str:
    return f"{_bytes(space.on_disk)} on disk ({_bytes(space.apparent)} apparent)"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
