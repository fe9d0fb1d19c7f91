import pytest

from tally.durations import format_clock, format_minutes, parse_clock


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("00:00", 0), ("9:05", 545), ("09:05", 545), ("23:59", 1439), ("24:00", 1440)],
)
def test_a_time_of_day_is_minutes_since_midnight(text, minutes):
    assert parse_clock(text) == minutes


@pytest.mark.parametrize("text", ["", "9", "24:01", "12:60", "noon", "-1:00"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="not a time of day"):
        parse_clock(text)


@pytest.mark.parametrize("text", ["00:00", "09:05", "24:00"])
def test_a_time_of_day_is_written_as_it_was_read(text):
    assert format_clock(parse_clock(text)) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0m"), (45, "45m"), (120, "2h"), (65, "1h 05m"), (-90, "-1h 30m")],
)
def test_a_length_of_time_is_short(minutes, text):
    assert format_minutes(minutes) == text
