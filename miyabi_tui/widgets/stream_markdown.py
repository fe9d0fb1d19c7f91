"""Finished messages in inks: Markdown by its signs, code by pygments; every character stays.

Nothing is laid out anew, so that what is searched, selected and counted is what was written.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from miyabi_tui.widgets.stream_blocks import Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pygments.lexer import Lexer

    from miyabi_tui.widgets.rows import Span

MOST_CODE = 400  # lines of one fence that are highlighted
LONGEST = 1_000  # characters of a line in which signs are looked for

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)")
_HEADING = re.compile(r" {0,3}#{1,6} ")
_ITEM = re.compile(r" {0,12}(?:[-*+]|\d{1,9}[.)]) ")
_QUOTE = re.compile(r" {0,3}>")
_TICKS = re.compile(r"`[^`\n]+`")
_BOLD = re.compile(r"\*\*[^*\s][^*\n]*\*\*|__[^_\s][^_\n]*__")


@functools.lru_cache(maxsize=64)
def lexer_named(language: str) -> Lexer | None:
    """The lexer of a fence's word; None where none knows it. Never by the code itself."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    try:
        return find_lexer_class_by_name(language)(stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def has_code(lines: Iterable[str]) -> bool:
    """Whether there is a fence in it: only then pygments is needed."""
    return any(_FENCE.match(line) for line in lines)


def marked(lines: Sequence[str]) -> list[Sequence[Range]]:
    """The ranges of each line; those of code too, which may take a while."""
    made: list[Sequence[Range]] = []
    place = 0
    while place < len(lines):
        fence = _FENCE.match(lines[place])
        if fence is None:
            made.append(_prose(lines[place]))
            place += 1
            continue
        stop = _closed(lines, place + 1, fence[1])
        made.append([Range(0, len(lines[place]), "faint")])
        made += _code(lines[place + 1 : stop], fence[2])
        if stop < len(lines):
            made.append([Range(0, len(lines[stop]), "faint")])
        place = stop + 1
    return made


def _closed(lines: Sequence[str], place: int, fence: str) -> int:
    """Where the fence is closed, or the end."""
    while place < len(lines):
        closing = lines[place].strip()
        if closing.startswith(fence) and not closing.strip(fence[0]):
            return place
        place += 1
    return place


def _code(lines: Sequence[str], language: str) -> list[Sequence[Range]]:
    lexer = lexer_named(language.lower()) if language and len(lines) <= MOST_CODE else None
    if lexer is None:
        return [[Range(0, len(line), "output")] for line in lines]
    from miyabi_tui.widgets.code_ink import inked

    return [ranges(spans) for spans in inked(lexer, lines)]


def ranges(spans: Iterable[Span]) -> list[Range]:
    """Spans as the places they take in their line."""
    made: list[Range] = []
    place = 0
    for text, ink in spans:
        made.append(Range(place, place + len(text), ink))
        place += len(text)
    return made


def _prose(line: str) -> list[Range]:
    """Headings, items, quotes; code and bold within the line."""
    if _HEADING.match(line):
        return [Range(0, len(line), "named")]
    if quoted := _QUOTE.match(line):
        return [Range(0, quoted.end(), "faint"), Range(quoted.end(), len(line), "thought")]
    made: list[Range] = []
    if item := _ITEM.match(line):
        made.append(Range(0, item.end(), "accent"))
    code = [one.span() for one in _TICKS.finditer(line[:LONGEST])]
    bold = [one.span() for one in _BOLD.finditer(line[:LONGEST])]
    free = [one for one in bold if not any(a < one[1] and one[0] < b for a, b in code)]
    inline = [Range(a, b, "string") for a, b in code] + [Range(a, b, "strong") for a, b in free]
    start = made[0].stop if made else 0
    return made + sorted(one for one in inline if one.start >= start)
