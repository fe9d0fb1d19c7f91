"""Times of day and lengths of time, both in whole minutes."""

import re

DAY = 24 * 60

_CLOCK = re.compile(r"([0-9]{1,2}):([0-5][0-9])")


def parse_clock(text: str) -> int:
    """Minutes since midnight of a time of day; "24:00" is the end of the day.

    Raises:
        ValueError: `text` is not a time of day.
    """
    match = _CLOCK.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else DAY + 1
    if minutes > DAY:
        raise ValueError(f"not a time of day: {text!r}")
    return minutes


def format_clock(minutes: int) -> str:
    """A time of day, as in "09:05"."""
    hours, rest = divmod(minutes, 60)
    return f"{hours:02}:{rest:02}"


def format_minutes(minutes: int) -> str:
    """A length of time for people: "45m", "2h", "1h 05m"."""
    sign = "-" if minutes < 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    if hours and rest:
        return f"{sign}{hours}h {rest:02}m"
    return f"{sign}{hours}h" if hours else f"{sign}{rest}m"
