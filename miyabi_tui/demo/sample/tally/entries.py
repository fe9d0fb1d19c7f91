"""One line of the time sheet."""

from dataclasses import dataclass
from datetime import date

from tally.durations import DAY, format_clock, parse_clock


class EntryError(ValueError):
    """A line that is not an entry."""


@dataclass(frozen=True, order=True)
class Entry:
    """A piece of work; `start` and `end` are minutes since midnight."""

    day: date
    start: int
    end: int
    project: str
    note: str = ""

    @property
    def minutes(self) -> int:
        """How long the work took."""
        return self.end - self.start


def parse_entry(line: str) -> Entry:
    """The entry that `line` holds: a day, a span of time, a project and perhaps a note.

    Raises:
        EntryError: `line` is not an entry, or its span is empty or starts at 24:00.
    """
    try:
        day, span, project, *note = line.split(maxsplit=3)
        first, last = span.split("-")
        entry = Entry(
            day=date.fromisoformat(day),
            start=parse_clock(first),
            end=parse_clock(last),
            project=project,
            note=note[0].strip() if note else "",
        )
    except ValueError as error:
        raise EntryError(f"not an entry: {line.strip()!r} ({error})") from error
    if entry.start == entry.end:
        raise EntryError(f"starts when it ends: {line.strip()!r}")
    if entry.start == DAY:
        raise EntryError(f"starts at the end of the day: {line.strip()!r}")
    return entry


def format_entry(entry: Entry) -> str:
    """The line that holds `entry`, without a line break."""
    span = f"{format_clock(entry.start)}-{format_clock(entry.end)}"
    return f"{entry.day} {span} {entry.project} {entry.note}".rstrip()
