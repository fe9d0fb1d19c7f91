"""Cells and lines: how wide text is, where it is cut, where it breaks."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import get_character_cell_size

# Widths that are remembered, and of how long texts: gauges say the same few things all the time.
KEPT, SHORT = 4_096, 120


def cells(text: str) -> int:
    """How many cells the text takes."""
    if text.isascii():
        return len(text)
    return _kept(text) if len(text) <= SHORT else _counted(text)


def _counted(text: str) -> int:
    return sum(map(get_character_cell_size, text))


_kept = lru_cache(KEPT)(_counted)


def fit(text: str, width: int) -> str:
    """The text, cut to `width` cells with an ellipsis where it is longer."""
    if width <= 0:
        return ""
    if cells(text) <= width:
        return text
    return f"{text[: _reach(text, 0, width - 1)].rstrip()}…"


def _reach(text: str, start: int, width: int) -> int:
    """The offset up to which `text[start:]` fits into `width` cells."""
    if text.isascii():
        return min(len(text), start + width)
    used = 0
    for index in range(start, len(text)):
        used += get_character_cell_size(text[index])
        if used > width:
            return index
    return len(text)


def breaks(text: str, width: int, start: int = 0) -> list[int]:
    """Where the rows of `text[start:]` begin, after the first: at words, where there are any.

    Greedy, so that text appended later never moves an earlier break: only the last row of a growing
    line has to be wrapped again.
    """
    width = max(2, width)
    found: list[int] = []
    while (end := _reach(text, start, width)) < len(text):
        start = max(_word_break(text, start, end), start + 1)
        while start < len(text) - 1 and text[start] == " ":
            start += 1
        found.append(start)
    return found


def _word_break(text: str, start: int, end: int) -> int:
    """The last place up to `end` where a word or a wide character ends."""
    if text[end] == " ":
        return end + 1
    for index in range(end, start, -1):
        before = text[index - 1]
        if before == " " and text[start:index].strip():
            return index
        if not before.isascii() and get_character_cell_size(before) == 2:
            return index
    return end
