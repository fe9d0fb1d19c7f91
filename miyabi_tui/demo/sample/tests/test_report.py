from datetime import date

from tally.entries import parse_entry
from tally.report import by_day, by_project, render

ENTRIES = [
    parse_entry("2026-05-29 09:00-11:00 website"),
    parse_entry("2026-05-28 09:00-12:30 website"),
    parse_entry("2026-05-28 13:00-14:00 会議"),
]


def test_days_are_added_up_in_order():
    assert list(by_day(ENTRIES).items()) == [(date(2026, 5, 28), 270), (date(2026, 5, 29), 120)]


def test_projects_are_added_up_longest_first():
    assert list(by_project(ENTRIES).items()) == [("website", 330), ("会議", 60)]


def test_columns_line_up_under_wide_characters():
    assert render({"website": 330, "会議": 60}).splitlines() == [
        "website   5h 30m  ███████████",
        "会議          1h  ██",
        "total     6h 30m",
    ]


def test_nothing_is_said_to_be_nothing():
    assert render({}) == "nothing to report"
