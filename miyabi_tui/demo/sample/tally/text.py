"""Text in the columns of a terminal."""

import unicodedata

BLOCK = 30


def width(text: str) -> int:
    """How many columns `text` takes: 会議 takes four."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def pad(text: str, columns: int) -> str:
    """`text`, filled up with spaces to `columns`."""
    return text + " " * (columns - width(text))


def bar(minutes: int) -> str:
    """One block for each full half hour."""
    return "█" * (minutes // BLOCK)
