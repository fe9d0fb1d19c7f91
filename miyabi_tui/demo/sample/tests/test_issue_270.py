"""Reproduces issue #270: work past midnight is counted as minus hours."""

from datetime import date

from tally.entries import parse_entry
from tally.report import by_day
from tally.store import select

NIGHT = parse_entry("2026-05-31 23:30-01:15 deploy Switch the DNS ☕☕")


def test_a_night_has_its_real_length():
    assert NIGHT.minutes == 105


def test_a_night_is_split_at_midnight():
    assert by_day(select([NIGHT])) == {date(2026, 5, 31): 30, date(2026, 6, 1): 75}


def test_a_range_has_only_its_part_of_a_night():
    assert by_day(select([NIGHT], since=date(2026, 6, 1))) == {date(2026, 6, 1): 75}
