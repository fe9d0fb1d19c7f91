"""Adding up: minutes by day and by project, and the table that shows them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from tally.durations import format_minutes
from tally.entries import Entry
from tally.text import bar, pad, width


def by_day(entries: Iterable[Entry]) -> dict[date, int]:
    """Minutes of each day with work on it, the earliest day first."""
    minutes: defaultdict[date, int] = defaultdict(int)
    for entry in entries:
        minutes[entry.day] += entry.minutes
    return dict(sorted(minutes.items()))


def by_project(entries: Iterable[Entry]) -> dict[str, int]:
    """Minutes of each project, the longest first."""
    minutes: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        minutes[entry.project] += entry.minutes
    return dict(sorted(minutes.items(), key=lambda item: (-item[1], item[0])))


def render(rows: dict[str, int]) -> str:
    """A table of `rows` with a bar each, and the total below."""
    if not rows:
        return "nothing to report"
    labels = max(width(label) for label in [*rows, "total"])
    lines = [
        f"{pad(label, labels)}  {format_minutes(minutes):>7}  {bar(minutes)}".rstrip()
        for label, minutes in rows.items()
    ]
    lines.append(f"{pad('total', labels)}  {format_minutes(sum(rows.values())):>7}")
    return "\n".join(lines)
