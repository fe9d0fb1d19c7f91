"""What each command does, from parsed flags to its exit code."""

from __future__ import annotations

import functools
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui import cli, headless, paths
from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from types import FrameType

    from miyabi_tui.config import Settings
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.state import RunState

EXIT_CODES = {
    e.RunStatus.MERGED: cli.WINNER,
    e.RunStatus.SELECTED: cli.WINNER,
    e.RunStatus.NO_WINNER: cli.NO_WINNER,
    e.RunStatus.FAILED: cli.NO_WINNER,
    e.RunStatus.RUNNING: cli.INTERRUPTED,
    e.RunStatus.INTERRUPTED: cli.INTERRUPTED,
}


def demo(args: argparse.Namespace) -> int:
    """`miyabi demo`: recorded turns, everything else real."""
    from miyabi_tui import demo as sample

    interactive = _has_screen(args)
    with tempfile.TemporaryDirectory(prefix="miyabi-demo-", ignore_cleanup_errors=True) as scratch:
        folder = Path(args.keep).absolute() if args.keep else Path(scratch) / "tally"
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", "", "name a new folder")
        assignment = functools.partial(
            sample.assignment,
            folder,
            speed=args.speed,
            merge=e.MergePolicy(args.merge),
            interactive=interactive,
        )
        state = _race(assignment, args, interactive=interactive)
    if not args.json:
        print(_kept(state, folder) if args.keep else _thrown_away(), file=sys.stderr)
    return EXIT_CODES[state.status]


def _kept(state: RunState, folder: Path) -> str:
    look = f"git -C {folder} show {state.branch}" if state.branch else f"git -C {folder} branch"
    return f"the repository is kept in {folder}\nlook at it: {look}"


def _thrown_away() -> str:
    return "the sample repository is gone; keep one with: miyabi demo --keep DIR"


def run(args: argparse.Namespace) -> int:
    """`miyabi run`: the real thing. Everything is checked before anything is created."""
    interactive = _has_screen(args)
    request, git = _request(args, interactive)
    state = _race(lambda: (request, git), args, interactive=interactive)
    return EXIT_CODES[state.status]


def _request(args: argparse.Namespace, interactive: bool) -> tuple[RunRequest, Git]:
    from miyabi_tui import config
    from miyabi_tui.engine.models import registry
    from miyabi_tui.engine.repo import git as repository
    from miyabi_tui.engine.request import RunRequest

    issue = _issue(args)
    git = repository.open_repository(Path(args.repo))
    base_commit = repository.resolve_commit(git, args.base)
    settings = _flagged(config.load(git.work_tree), args)
    if settings.target:
        repository.check_branch(git, settings.target)
    worlds = config.build_worlds(settings, tuple(filter(None, args.worlds.split(","))))
    specs = [registry.check(world.model, settings.providers) for world in worlds]
    dirty = repository.uncommitted(git)
    files = f"{dirty} uncommitted file{'s' if dirty > 1 else ''}"
    notice = f"{files} in your checkout: left alone, and not part of the race"
    request = RunRequest(
        issue=issue,
        repo=git.work_tree,
        base_ref=args.base,
        base_commit=base_commit,
        worlds=worlds,
        target=settings.target,
        merge=settings.merge,
        limits=settings.limits,
        commands=settings.commands,
        providers=settings.providers,
        prompts=git.work_tree / settings.prompts if settings.prompts else None,
        env=settings.env,
        test_seconds=settings.test_seconds,
        speed=args.speed,
        recorded=all(spec.provider.kind is registry.Kind.REPLAY for spec in specs),
        interactive=interactive,
        notices=(notice,) if dirty else (),
    )
    return request, git


def _flagged(settings: Settings, args: argparse.Namespace) -> Settings:
    """The settings with the flags on top."""
    flags = {
        "model": args.model,
        "alternative_model": args.alternative_model,
        "target": args.target,
        "merge": e.MergePolicy(args.merge) if args.merge else None,
    }
    return msgspec.structs.replace(
        settings, **{name: value for name, value in flags.items() if value}
    )


def _issue(args: argparse.Namespace) -> e.Issue:
    if args.issue and args.issue_file:
        raise UsageError("the issue is given twice", "", "give a text or --issue-file, not both")
    if args.issue_file:
        try:
            text = Path(args.issue_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the issue {args.issue_file}", str(error)) from error
    else:
        text = sys.stdin.read() if args.issue == "-" else args.issue
    if not text.strip():
        raise UsageError("the issue is empty", "", 'say what is to be done: miyabi run "…"')
    first, _, rest = text.strip().partition("\n")
    title = first.lstrip("# ").strip() or first
    number = args.issue_number
    from miyabi_tui.engine.naming import slug

    key = f"issue-{number}" if number is not None else f"issue-{slug(title)}"
    return e.Issue(key, title[:200], rest.strip() or title, number)


def _has_screen(args: argparse.Namespace) -> bool:
    return not (args.headless or args.json) and sys.stdout.isatty() and sys.stdin.isatty()


def _race(
    assignment: Callable[[], tuple[RunRequest, Git]],
    args: argparse.Namespace,
    *,
    interactive: bool,
) -> RunState:
    with Engine(assignment, paths.journal_path()) as engine:
        if interactive:
            from miyabi_tui.app import MiyabiApp

            app = MiyabiApp(engine)
            _on_signals(lambda: app.exit(), signal.SIGTERM, signal.SIGHUP)
            app.run()
            seen = app.settle()
        else:
            _on_signals(functools.partial(_stop, engine), *ENDING_SIGNALS)
            seen = headless.run(engine, as_json=args.json)
    # Where the journal failed, only the reader knows how the run ended.
    state = engine.state if engine.state.finished else seen
    if interactive:
        print(headless.board(state))
        print(headless.closing(state))
    return state


ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(engine: Engine) -> None:
    print("miyabi: stopping … (again to force)", file=sys.stderr)
    engine.stop()


def _on_signals(end: Callable[[], None], *signals: signal.Signals) -> None:
    """The first of `signals` ends the run in order; a second one ends the program."""

    def handle(number: int, frame: FrameType | None) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_DFL)
        end()

    for one in signals:
        signal.signal(one, handle)


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


def merge(args: argparse.Namespace) -> int:
    """`miyabi merge RUN`: merge the winner that a finished run selected."""
    import anyio

    from miyabi_tui import history

    print(anyio.run(history.merge, paths.journal_path(), args.run, args.target))
    return cli.WINNER
