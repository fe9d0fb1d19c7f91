from datetime import date

import pytest

from tally.entries import Entry, EntryError, format_entry, parse_entry


def test_a_line_is_day_span_project_and_note():
    entry = parse_entry("2026-05-28 13:00-14:00 会議     Plan the move ☕\n")
    assert entry == Entry(date(2026, 5, 28), 780, 840, "会議", "Plan the move ☕")


def test_the_note_may_be_missing():
    assert parse_entry("2026-05-28 9:00-12:30 website").note == ""


def test_the_length_is_end_minus_start():
    assert parse_entry("2026-05-28 9:00-12:30 website").minutes == 210


@pytest.mark.parametrize(
    "line",
    ["2026-05-28", "yesterday 9:00-10:00 website", "2026-05-28 9:00 website", "# 会議"],
)
def test_other_lines_are_refused(line):
    with pytest.raises(EntryError, match="not an entry"):
        parse_entry(line)


def test_an_empty_span_is_refused():
    with pytest.raises(EntryError, match="starts when it ends"):
        parse_entry("2026-05-28 9:00-09:00 website")


def test_no_work_starts_at_the_end_of_the_day():
    with pytest.raises(EntryError, match="starts at the end of the day"):
        parse_entry("2026-05-28 24:00-01:00 website")


def test_an_entry_is_written_as_one_line():
    line = "2026-05-28 09:00-12:30 website Landing page: new header"
    assert format_entry(parse_entry(line)) == line
