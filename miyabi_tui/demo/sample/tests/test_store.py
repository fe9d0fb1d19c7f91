from datetime import date

import pytest

from tally.entries import EntryError, parse_entry
from tally.store import append, load, select

WEEK = [
    parse_entry("2026-05-27 09:00-10:00 website"),
    parse_entry("2026-05-28 13:00-14:00 会議"),
    parse_entry("2026-05-29 09:00-11:00 website"),
]


def test_what_is_appended_is_loaded(tmp_path):
    path = tmp_path / "timesheet.txt"
    for entry in WEEK:
        append(path, entry)
    assert load(path) == WEEK


def test_no_file_is_an_empty_time_sheet(tmp_path):
    assert load(tmp_path / "timesheet.txt") == []


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "timesheet.txt"
    path.write_text("# May\n\n2026-05-28 lunch\n", encoding="utf-8")
    with pytest.raises(EntryError, match="timesheet.txt, line 3"):
        load(path)


def test_both_ends_of_a_range_are_included():
    assert select(WEEK, since=date(2026, 5, 28), until=date(2026, 5, 29)) == WEEK[1:]


def test_a_range_may_be_open():
    assert select(WEEK) == WEEK
    assert select(WEEK, until=date(2026, 5, 27)) == WEEK[:1]


def test_one_project_can_be_chosen():
    assert select(WEEK, project="会議") == [WEEK[1]]
