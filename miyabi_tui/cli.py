"""The command `miyabi`: flags in, a screen or lines out. Nothing heavy is imported for --help."""

from __future__ import annotations

import argparse
import io
import os
import sys

from miyabi_tui import __version__, splash

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself is heavy here
    from typing import NoReturn

    from miyabi_tui.engine.errors import MiyabiError

WINNER, NO_WINNER, WRONG_USE, INTERRUPTED = 0, 1, 2, 3


class Parser(argparse.ArgumentParser):
    """One whose words are seen."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and leave."""
        splash.leave()
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = Parser(
        prog="miyabi",
        description="Race five AI coding agents on one issue and merge the best.",
        epilog="Try it without a key: miyabi demo",
    )
    main.add_argument("--version", action="version", version=f"miyabi {__version__}")
    commands = main.add_subparsers(dest="command", metavar="COMMAND")
    _demo(commands.add_parser("demo", help="watch a recorded race on a sample project"))
    _run(commands.add_parser("run", help="race on an issue of your repository"))
    resume = commands.add_parser("resume", help="go on with an interrupted run")
    resume.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest, here)"
    )
    _budget_flag(resume)
    _detach_flag(resume)
    _output_flags(resume)
    attach = commands.add_parser("attach", help="watch and steer a run that goes on elsewhere")
    attach.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the only one going on)"
    )
    _output_flags(attach)
    stop = commands.add_parser("stop", help="end a run that goes on elsewhere")
    stop.add_argument("run", help="the run's id or its beginning")
    runs = commands.add_parser("runs", help="list past runs")
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = commands.add_parser("show", help="show one run: its worlds, scores and reasons")
    show.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest)"
    )
    show.add_argument("--json", action="store_true", help="print JSON")
    _replay(commands.add_parser("replay", help="watch an old run again, from its journal"))
    merge = commands.add_parser("merge", help="merge the winner of a finished run")
    merge.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest)"
    )
    merge.add_argument("--target", metavar="BRANCH", default="", help="the branch to merge into")
    _costs(commands.add_parser("costs", help="show what model calls have cost"))
    _keeping(commands)
    doctor = commands.add_parser("doctor", help="look at this machine: what works, what is missing")
    doctor.add_argument("--repo", metavar="DIR", default=".", help="the repository (default: here)")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    return main


def _costs(costs: argparse.ArgumentParser) -> None:
    costs.add_argument(
        "--by",
        choices=("day", "model", "world", "repo", "run", "issue"),
        default="model",
        help="one line for each of these (default: model)",
    )
    when = costs.add_mutually_exclusive_group()
    when.add_argument("--month", metavar="YYYY-MM", type=_month, help="that month (default: this)")
    when.add_argument("--all", action="store_true", help="everything that was ever spent")
    costs.add_argument("--json", action="store_true", help="print JSON")


def _keeping(commands: argparse._SubParsersAction[Parser]) -> None:
    archive = commands.add_parser("archive", help="list what is kept of each run")
    archive.add_argument("run", nargs="?", default="", help="the run's id or its beginning (all)")
    restore = commands.add_parser("restore", help="give back what a world held, as a branch")
    restore.add_argument("what", metavar="WORLD@RUN", help="e.g. alpha@1a2b")
    which = restore.add_mutually_exclusive_group()
    which.add_argument("--step", metavar="N", type=_number, help="the checkpoint of this step")
    which.add_argument("--archived", metavar="N", type=_number, help="this archive entry")
    restore.add_argument("--branch", metavar="NAME", default="", help="the new branch's name")
    restore.add_argument("--worktree", metavar="DIR", default="", help="check it out in DIR too")
    gc = commands.add_parser("gc", help="archive and remove worktrees that nobody needs")
    gc.add_argument("run", nargs="?", default="", help="all of this run's, at once")
    gc.add_argument("--now", action="store_true", help="also what nobody needs since today")
    gc.add_argument("--dry-run", action="store_true", help="only say what would go, and why")
    for command in (archive, restore, gc):
        where = command.add_mutually_exclusive_group()
        where.add_argument(
            "--repo", metavar="DIR", default=".", help="the repository (default: here)"
        )
        if command is gc:
            where.add_argument("--all-repos", action="store_true", help="those of all runs")
        if command is not restore:
            command.add_argument("--json", action="store_true", help="print JSON")


def _budget_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--budget", metavar="USD", type=_dollars, help="what the issue may cost, 0: no limit"
    )
    command.add_argument(
        "--month-budget",
        metavar="USD",
        type=_dollars,
        help="what this month may cost in all, 0: no limit",
    )


def _dollars(text: str) -> float:
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):  # also what is no number at all
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of US dollars")
    return amount


def _isolation_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--isolation",
        choices=("auto", "docker", "bubblewrap", "process"),
        default="",
        help="what keeps commands apart from this machine (default: the first that works)",
    )


def _detach_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detach", action="store_true", help="race in the background: see attach and stop"
    )


def _output_flags(command: argparse.ArgumentParser) -> None:
    how = command.add_mutually_exclusive_group()
    how.add_argument("--headless", action="store_true", help="print lines instead of a screen")
    how.add_argument(
        "--linear", action="store_true", help="plain lines, steered by typed words (screen readers)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object a line")
    command.add_argument(
        "--no-mouse", action="store_true", help="leave the mouse to the terminal (M switches it)"
    )
    _theme_flag(command)


def _theme_flag(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--theme",
        choices=("auto", "dark", "light", "contrast"),
        default="",
        help="the screen's colours (default: as the terminal's background)",
    )


def _demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        help="pace of the recorded turns: 4, or max (default 1)",
    )
    demo.add_argument(
        "--keep", metavar="DIR", default="", help="make the repository in DIR and keep it"
    )
    demo.add_argument(
        "--merge",
        choices=("ask", "auto", "never"),
        default="auto",
        help="what happens to the winner",
    )
    demo.add_argument("--tour", action="store_true", help="explain the screen in eight captions")
    _picture_flags(demo)
    _isolation_flag(demo)
    _output_flags(demo)


def _replay(replay: argparse.ArgumentParser) -> None:
    replay.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest)"
    )
    replay.add_argument(
        "--speed", type=_speed, default=1.0, help="times the pace of the race: 4, or max"
    )
    replay.add_argument(
        "--at", metavar="EVENT", type=_number, default=0, help="begin after this event, and pause"
    )
    _picture_flags(replay)
    _theme_flag(replay)


def _picture_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--export-svg", metavar="DIR", default="", help="write pictures of its key moments to DIR"
    )
    command.add_argument(
        "--cast", metavar="FILE", default="", help="record the screen as an asciinema file"
    )
    command.add_argument(
        "--size",
        metavar="WxH",
        type=_size,
        default=None,
        help="of the pictures, and of a screen without a terminal (default: 120x40)",
    )


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not all(part.isascii() and part.isdigit() and len(part) < 4 for part in (width, height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write it as 120x40")
    if int(width) < 20 or int(height) < 6:
        raise argparse.ArgumentTypeError(f"{text} is too small for a screen")
    return int(width), int(height)


def _run(run: argparse.ArgumentParser) -> None:
    run.set_defaults(listed=False)  # whether the person came from the list of interrupted runs
    run.add_argument(
        "issue", nargs="?", default="", help="the issue's text, or - for standard input"
    )
    run.add_argument("--issue-file", metavar="F", default="", help="read the issue from a file")
    run.add_argument("--issue-number", metavar="N", type=_number, help="the issue's number")
    run.add_argument("--repo", metavar="DIR", default=".", help="the repository (default: here)")
    run.add_argument(
        "--base", metavar="REF", default="HEAD", help="start from here (default: HEAD)"
    )
    run.add_argument("--target", metavar="BRANCH", default="", help="merge into this branch")
    run.add_argument("--model", metavar="PROVIDER/MODEL", default="", help="the worlds' model")
    run.add_argument(
        "--alternative-model", metavar="PROVIDER/MODEL", default="", help="Epsilon's model"
    )
    run.add_argument("--worlds", metavar="A,B", default="", help="race only these, e.g. alpha,beta")
    run.add_argument(
        "--merge", choices=("ask", "auto", "never"), default="", help="what happens to the winner"
    )
    run.add_argument(
        "--complexity",
        choices=("auto", "simple", "medium", "complex"),
        default="",
        help="how hard the issue is (default: estimated)",
    )
    _isolation_flag(run)
    _budget_flag(run)
    run.add_argument("--no-cache", action="store_true", help="ask for every turn anew")
    run.add_argument("--speed", type=_speed, default=1.0, help="pace of replay/ models: 4, or max")
    _detach_flag(run)
    _output_flags(run)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _month(text: str) -> str:
    year, dash, month = text.partition("-")
    whole = f"{year}{month}"
    sound = dash and len(year) == 4 and len(month) == 2 and whole.isascii() and whole.isdigit()
    if not sound or not 1 <= int(month) <= 12:
        raise argparse.ArgumentTypeError(f"{text!r} is no month: write it as 2026-11")
    return text


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:  # also what is no number at all
        raise argparse.ArgumentTypeError(f"{text!r} is neither a positive number nor max")
    return speed


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit code: 0 a winner, 1 none, 2 wrong use, 3 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8
    command_line = parser()
    args = command_line.parse_args(argv)
    try:  # around the imports too: ctrl+c may come as early
        if args.command is None:
            return _start(command_line)
        return _carry_out(args)
    except KeyboardInterrupt:
        return INTERRUPTED


def _start(command_line: argparse.ArgumentParser) -> int:
    """Without words: the start screen and what is chosen on it, or the help."""
    from miyabi_tui import starting

    if why := starting.why_not():
        splash.leave()
        command_line.print_help()
        print(f"\n{why}")
        return WRONG_USE
    from miyabi_tui.engine.errors import MiyabiError

    try:
        words = starting.words(command_line)
    except MiyabiError as error:
        return _failed(error, WRONG_USE)
    if not words:
        return WINNER
    args = command_line.parse_args(words)
    args.listed = True
    return _carry_out(args)


def _carry_out(args: argparse.Namespace) -> int:
    from miyabi_tui import ending

    with ending.signals_interrupt():
        from miyabi_tui import commands
        from miyabi_tui.engine.errors import MiyabiError, UsageError

        code: int = INTERRUPTED
        try:
            with ending.reader_may_go():
                code = getattr(commands, args.command)(args)
        except UsageError as error:
            return _failed(error, WRONG_USE)
        except MiyabiError as error:
            return _failed(error, NO_WINNER)
        return code


def _failed(error: MiyabiError, code: int) -> int:
    """Say what went wrong; git and providers may have named a key in their own words."""
    from miyabi_tui.engine.masking import Masker

    splash.leave()
    masker = Masker()
    masker.learn(os.environ)
    print(masker.mask(f"miyabi: {error}"), file=sys.stderr)
    return code
