"""The command `miyabi`: flags in, a screen or lines out. Nothing heavy is imported for --help."""

from __future__ import annotations

import argparse
import io
import sys

from miyabi_tui import __version__

WINNER, NO_WINNER, WRONG_USE, INTERRUPTED = 0, 1, 2, 3


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(
        prog="miyabi",
        description="Race five AI coding agents on one issue and merge the best.",
        epilog="Try it without a key: miyabi demo",
    )
    main.add_argument("--version", action="version", version=f"miyabi {__version__}")
    commands = main.add_subparsers(dest="command", metavar="COMMAND")
    _demo(commands.add_parser("demo", help="watch a recorded race on a sample project"))
    _run(commands.add_parser("run", help="race on an issue of your repository"))
    runs = commands.add_parser("runs", help="list past runs")
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = commands.add_parser("show", help="show one run: its worlds, scores and reasons")
    show.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest)"
    )
    show.add_argument("--json", action="store_true", help="print JSON")
    merge = commands.add_parser("merge", help="merge the winner of a finished run")
    merge.add_argument(
        "run", nargs="?", default="", help="the run's id or its beginning (the newest)"
    )
    merge.add_argument("--target", metavar="BRANCH", default="", help="the branch to merge into")
    return main


def _output_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--headless", action="store_true", help="print lines instead of a screen")
    command.add_argument("--json", action="store_true", help="print one JSON object a line")


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
    _output_flags(demo)


def _run(run: argparse.ArgumentParser) -> None:
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
    run.add_argument("--speed", type=_speed, default=1.0, help="pace of replay/ models: 4, or max")
    _output_flags(run)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise argparse.ArgumentTypeError(f"{text!r} is not an issue's number")
    return int(text)


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
    if args.command is None:
        command_line.print_help()
        return WRONG_USE
    from miyabi_tui import commands, ending
    from miyabi_tui.engine.errors import MiyabiError, UsageError

    try:
        code: int = INTERRUPTED
        with ending.reader_may_go():
            code = getattr(commands, args.command)(args)
    except UsageError as error:
        print(f"miyabi: {error}", file=sys.stderr)
        return WRONG_USE
    except MiyabiError as error:
        print(f"miyabi: {error}", file=sys.stderr)
        return NO_WINNER
    except KeyboardInterrupt:
        return INTERRUPTED
    return code
