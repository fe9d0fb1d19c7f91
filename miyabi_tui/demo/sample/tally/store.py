"""The time sheet on disk, and choosing from it."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from tally.entries import Entry, EntryError, format_entry, parse_entry


def load(path: Path) -> list[Entry]:
    """The entries of the file at `path` in its order; none if there is no such file.

    Raises:
        EntryError: a line is not an entry; the message says which.
    """
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entries.append(parse_entry(line))
        except EntryError as error:
            raise EntryError(f"{path.name}, line {number}: {error}") from error
    return entries


def append(path: Path, entry: Entry) -> None:
    """Add `entry` at the end of the file at `path`, which need not exist yet."""
    with path.open("a", encoding="utf-8") as file:
        file.write(format_entry(entry) + "\n")


def select(
    entries: Iterable[Entry],
    since: date = date.min,
    until: date = date.max,
    project: str | None = None,
) -> list[Entry]:
    """The entries from `since` to `until`, both included, of `project` or of all."""
    return [
        entry
        for entry in entries
        if since <= entry.day <= until and project in (None, entry.project)
    ]
