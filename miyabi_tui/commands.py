"""What each command does, from parsed flags to its exit code."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from miyabi_tui import cli, ending, paths
from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.scratch import scratch_folder
from miyabi_tui.opening import Opening, screen_of
from miyabi_tui.terminal_kind import no_screen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.store.journal import RunRow
    from miyabi_tui.screen_settings import Screen

SLOWER = 0.5  # the pace of the recorded turns on a tour: captions are read meanwhile
EXIT_CODES = {
    e.RunStatus.MERGED: cli.WINNER,
    e.RunStatus.SELECTED: cli.WINNER,
    e.RunStatus.NO_WINNER: cli.NO_WINNER,
    e.RunStatus.FAILED: cli.NO_WINNER,
    e.RunStatus.RUNNING: cli.INTERRUPTED,
    e.RunStatus.INTERRUPTED: cli.INTERRUPTED,
}


REMOVED_WITHIN = 2.0  # seconds


def _removed_at_last(folder: Path) -> None:
    """Remove a folder in which a git that nobody waits for any more may still write."""
    until = time.monotonic() + REMOVED_WITHIN
    while folder.exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)


def demo(args: argparse.Namespace) -> int:
    """`miyabi demo`: recorded turns, everything else real."""
    from miyabi_tui import demo as sample

    interactive = _has_person(args)
    if args.tour and (args.linear or not interactive):
        raise UsageError("the tour needs a terminal", "", "without one: miyabi demo --headless")
    pace = SLOWER if args.tour else 1.0
    with scratch_folder("demo-") as scratch:
        folder = Path(args.keep).absolute() if args.keep else scratch / "tally"
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is not an empty folder", "", "name a new one")
        assignment = functools.partial(
            sample.assignment,
            folder,
            speed=args.speed * pace,
            merge=e.MergePolicy(args.merge),
            interactive=interactive,
            isolation=sample.isolation(args.isolation),
        )
        engine = Engine(assignment, paths.journal_path())
        state = _drive(
            engine,
            args,
            interactive=interactive,
            build=_touring if args.tour else None,
            resumable=bool(args.keep),
            at_last=functools.partial(_removed_at_last, scratch),
        )
    if not args.json:
        print(_kept(state, folder) if args.keep else _thrown_away(), file=sys.stderr)
    if args.export_svg or args.cast:
        from miyabi_tui.replaying import command

        print(command.export(state.run_id, args), file=sys.stderr if args.json else sys.stdout)
    return EXIT_CODES[state.status]


def _touring(engine: Engine, **options: Any) -> MiyabiApp:
    """The race screen, explained."""
    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.screens.tour import TourScreen

    return MiyabiApp(engine, race=TourScreen, **options)


def _kept(state: RunState, folder: Path) -> str:
    look = f"git -C {folder} show {state.branch}" if state.branch else f"git -C {folder} branch"
    return f"the repository is kept in {folder}\nlook at it: {look}"


def _thrown_away() -> str:
    return "the sample repository is gone; keep one with: miyabi demo --keep DIR"


def run(args: argparse.Namespace) -> int:
    """`miyabi run`: the real thing. Everything is checked before anything is created."""
    from miyabi_tui.requesting import request_of

    interactive = args.detach or _has_person(args)
    request, git = request_of(args, interactive)
    if row := _interrupted(git):
        from miyabi_tui import resuming

        title = request.issue.title
        if args.detach or args.linear or not interactive:
            resuming.hint(row)
        elif args.listed and row.title != title:
            pass  # it was on the start screen, and another race was chosen there
        elif resuming.offer(row, title):
            args.run = row.run_id
            return resume(args)
    if args.detach:
        from miyabi_tui import background

        return _in_background(request.merge, *background.start(request), as_json=args.json)
    engine = Engine(lambda: (request, git), paths.journal_path())
    state = _drive(engine, args, interactive=interactive)
    return EXIT_CODES[state.status]


def check(args: argparse.Namespace) -> None:
    """All that `miyabi run` checks before it begins; nothing is made.

    Raises:
        UsageError: it would not begin.
    """
    from miyabi_tui.requesting import request_of

    request_of(args, interactive=True)


def _interrupted(git: Git) -> RunRow | None:
    """The run of this repository that could go on; a journal that is not there has none."""
    if not paths.journal_path().exists():
        return None
    import anyio

    from miyabi_tui import resuming

    return anyio.run(resuming.newest, str(git.work_tree))


def resume(args: argparse.Namespace) -> int:
    """`miyabi resume`: go on with an interrupted run, from where its journal ends."""
    import anyio

    from miyabi_tui import resuming

    interactive = args.detach or _has_person(args)
    find = functools.partial(resuming.find, args.run, interactive=interactive)
    before = anyio.run(find)
    asked = {e.Scope.ISSUE: args.budget, e.Scope.MONTH: args.month_budget}
    raised = {scope: limit for scope, limit in asked.items() if limit is not None}
    if args.detach:
        from miyabi_tui import background

        return _in_background(
            before.merge, *background.start(before.run_id, raised), as_json=args.json
        )
    engine = Engine.resuming(
        before.run_id, paths.journal_path(), interactive=interactive, raised=raised
    )
    state = _drive(engine, args, interactive=interactive, told=before.seq)
    return EXIT_CODES[state.status]


def _in_background(merge: e.MergePolicy, run_id: str, pid: int, *, as_json: bool) -> int:
    """Say how the person comes back to the run."""
    if as_json:
        print(msgspec.json.encode({"run_id": run_id, "pid": pid}).decode())
        return cli.WINNER
    print(f"run {run_id} goes on in the background, process {pid}")
    print(f"watch it: miyabi attach {run_id}")
    print(f"end it:   miyabi stop {run_id}")
    if merge is e.MergePolicy.ASK:
        print("it merges nothing by itself: attach and press m")
    return cli.WINNER


def attach(args: argparse.Namespace) -> int:
    """`miyabi attach`: a run of another process, on screen or in lines; leaving ends nothing."""
    from miyabi_tui import attaching

    screen = _has_person(args) and not args.linear
    look = _screen(args) if screen else None
    state = attaching.watch(args.run, screen=look, as_json=args.json, linear=args.linear)
    with ending.reader_may_go():
        if not state.finished:
            print(attaching.farewell(state), file=sys.stderr if args.json else sys.stdout)
            return cli.WINNER
        if screen:
            _say_end(state)
    return EXIT_CODES[state.status]


def stop(args: argparse.Namespace) -> int:
    """`miyabi stop RUN`: end a run, wherever it is driven."""
    from miyabi_tui import attaching, headless

    state = attaching.end(args.run)
    print(headless.closing(state))
    return EXIT_CODES[state.status]


def _has_person(args: argparse.Namespace) -> bool:
    """Whether somebody is there to answer: before a screen, or typing words."""
    if args.linear and args.json:
        raise UsageError("--linear and --json do not go together", "", "choose one of them")
    return args.linear or _has_screen(args)


def _has_screen(args: argparse.Namespace) -> bool:
    if args.headless or args.json or not (sys.stdout.isatty() and sys.stdin.isatty()):
        return False
    if why := no_screen(os.environ):
        print(f"miyabi: {why}", file=sys.stderr)
        args.headless = True  # told once
    return not args.headless


def _drive(
    engine: Engine,
    args: argparse.Namespace,
    *,
    interactive: bool,
    build: Callable[..., MiyabiApp] | None = None,
    told: int = 0,
    resumable: bool = True,
    at_last: Callable[[], None] | None = None,
) -> RunState:
    """Run the engine under a screen or lines; `told` is the last event a person knows already.

    For `resumable` and `at_last` see `ending.on_signals`.
    """
    on_signals = functools.partial(ending.on_signals, engine, resumable=resumable, at_last=at_last)
    with engine:
        if args.linear:
            from miyabi_tui import linear
            from miyabi_tui.standing_still import on_stop

            with on_signals(_say_stopping), on_stop(engine) as stop:
                seen = linear.run(engine, told=told, resumable=resumable, between=stop)
        elif interactive:
            screen = _screen(args)
            seen = _on_screen(engine, screen, on_signals, build)
        else:
            from miyabi_tui import headless
            from miyabi_tui.standing_still import on_stop

            with on_signals(_say_stopping), on_stop(engine) as stop:
                seen = headless.run(
                    engine, as_json=args.json, told=told, resumable=resumable, between=stop
                )
    # Where the journal failed, only the reader knows how the run ended.
    state = engine.state if engine.state.finished else seen
    if interactive and not args.linear:  # the lines have said it
        with ending.reader_may_go():
            _say_end(state, resumable=resumable)
    return state


def _say_end(state: RunState, *, resumable: bool = True) -> None:
    """How it ended, for who has seen it on a screen."""
    from miyabi_tui import headless
    from miyabi_tui.engine.summary import board

    print(board(state))
    print(headless.closing(state, resumable=resumable))


def _say_stopping() -> None:
    print("miyabi: stopping … (again to force)", file=sys.stderr)


def _screen(args: argparse.Namespace) -> Screen:
    """How the screen is to look, by settings and flags."""
    screen = screen_of(_folder(args), args.theme)
    return replace(screen, mouse=screen.mouse and not args.no_mouse)


def _folder(args: argparse.Namespace) -> str:
    """Where the settings of the screen are: of the repository that is named, else of here."""
    return getattr(args, "repo", "") or "."


def _on_screen(
    engine: Engine,
    screen: Screen,
    on_signals: Callable[[Callable[[], None]], AbstractContextManager[None]],
    build: Callable[..., MiyabiApp] | None,
) -> RunState:
    opening = Opening(screen)
    with on_signals(opening.leave):
        state = opening.run(engine, build).settle()
        if not state.finished:
            with ending.reader_may_go():
                print("miyabi: ending …", file=sys.stderr)
            engine.finish()
    return state


def runs(args: argparse.Namespace) -> int:
    """`miyabi runs`: the newest first."""
    import anyio

    from miyabi_tui import history

    print(history.listing(anyio.run(history.runs, paths.journal_path()), as_json=args.json))
    return cli.WINNER


def show(args: argparse.Namespace) -> int:
    """`miyabi show RUN`: the fold of its journal."""
    import anyio

    from miyabi_tui import history

    state = anyio.run(history.state, paths.journal_path(), args.run)
    print(history.page(state, as_json=args.json))
    return cli.WINNER


def replay(args: argparse.Namespace) -> int:
    """`miyabi replay RUN`: an old run on the screen, in pictures or as a recording."""
    from miyabi_tui.replaying import command

    print(command.replay(args))
    return cli.WINNER


def merge(args: argparse.Namespace) -> int:
    """`miyabi merge RUN`: merge the winner that a finished run selected."""
    import anyio

    from miyabi_tui import history

    print(anyio.run(history.merge, paths.journal_path(), args.run, args.target))
    return cli.WINNER


def costs(args: argparse.Namespace) -> int:
    """`miyabi costs`: what was spent, of the whole machine's ledger."""
    import anyio

    from miyabi_tui import costing

    ask = functools.partial(costing.costs, everything=args.all)
    found = anyio.run(ask, paths.journal_path(), args.by, args.month)
    if found.remark:
        print(f"miyabi: {found.remark}", file=sys.stderr)
    print(costing.page(found, as_json=args.json))
    return cli.WINNER


def archive(args: argparse.Namespace) -> int:
    """`miyabi archive [RUN]`: what is kept, read from the repository alone."""
    from miyabi_tui import keeping

    print(keeping.archive(args))
    return cli.WINNER


def restore(args: argparse.Namespace) -> int:
    """`miyabi restore WORLD@RUN`: as a branch."""
    from miyabi_tui import keeping

    print(keeping.restore(args))
    return cli.WINNER


def gc(args: argparse.Namespace) -> int:
    """`miyabi gc [RUN]`: worktrees that nobody needs are archived and removed."""
    import anyio

    from miyabi_tui import keeping

    if args.run and args.all_repos:
        raise UsageError("a run is of one repository", "", "leave out RUN or --all-repos")
    print(anyio.run(keeping.gc, args, paths.journal_path()))
    return cli.WINNER


def doctor(args: argparse.Namespace) -> int:
    """`miyabi doctor`: what works on this machine, and what is missing for a race."""
    from miyabi_tui import doctor as practice

    found = practice.examine(Path(args.repo))
    print(practice.page(found, as_json=args.json))
    return cli.WINNER if found.ready else cli.NO_WINNER
