"""The command line: `tally add` and `tally report`."""

import argparse
import os
import sys
from datetime import date
from pathlib import Path

from tally.durations import format_minutes
from tally.entries import EntryError, parse_entry
from tally.report import by_day, by_project, render
from tally.store import append, load, select


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 if it went well, 2 if the time sheet or the command is wrong."""
    args = _parser().parse_args(argv)
    path = Path(args.file or os.environ.get("TALLY_FILE", "timesheet.txt"))
    try:
        print(_add(path, args) if args.command == "add" else _report(path, args))
    except EntryError as error:
        print(f"tally: {error}", file=sys.stderr)
        return 2
    return 0


def _add(path: Path, args: argparse.Namespace) -> str:
    entry = parse_entry(" ".join([args.day, args.span, args.project, *args.note]))
    append(path, entry)
    return f"added {format_minutes(entry.minutes)} to {entry.project}"


def _report(path: Path, args: argparse.Namespace) -> str:
    entries = select(load(path), args.since, args.until, args.project)
    if args.by == "project":
        return render(by_project(entries))
    return render({f"{day} {day:%a}": minutes for day, minutes in by_day(entries).items()})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally", description="A time sheet in a text file.")
    parser.add_argument("--file", help="the time sheet (default: $TALLY_FILE or timesheet.txt)")
    commands = parser.add_subparsers(dest="command", required=True)

    add = commands.add_parser("add", help="add a piece of work")
    add.add_argument("day", help="as in 2026-05-28")
    add.add_argument("span", help="as in 09:00-12:30")
    add.add_argument("project")
    add.add_argument("note", nargs="*")

    report = commands.add_parser("report", help="add up by day or by project")
    report.add_argument("--by", choices=["day", "project"], default="day")
    report.add_argument("--since", type=date.fromisoformat, default=date.min, help="first day")
    report.add_argument("--until", type=date.fromisoformat, default=date.max, help="last day")
    report.add_argument("--project", help="only this project")
    return parser
