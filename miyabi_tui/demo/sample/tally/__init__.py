"""A time sheet in a plain text file."""

from tally.entries import Entry, EntryError
from tally.report import by_day, by_project
from tally.store import append, load, select

__all__ = ["Entry", "EntryError", "append", "by_day", "by_project", "load", "select"]
