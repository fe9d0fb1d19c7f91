"""Code as spans of ink, by pygments, which is imported at the first use."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pygments.lexer import Lexer

    from miyabi_tui.widgets.rows import Span

LONGEST = 500  # characters of a line that are looked at; the rest of it is plain
_INKS = {
    "Comment": "comment",
    "Keyword.Constant": "number",
    "Keyword": "keyword",
    "Literal.String": "string",
    "Literal.Number": "number",
    "Name.Function": "named",
    "Name.Class": "named",
    "Name.Tag": "keyword",
    "Name.Decorator": "builtin",
    "Name.Builtin": "builtin",
    "Name.Attribute": "builtin",
    "Name.Exception": "builtin",
    "Operator.Word": "keyword",
    "Generic.Heading": "named",
    "Generic.Subheading": "named",
    "Generic.Strong": "named",
    "Punctuation": "text",
}


@functools.lru_cache(maxsize=256)
def lexer_of(path: str) -> Lexer | None:
    """The lexer for a file by its name alone; None where none knows it.

    Never by its content: an agent writes that, and guessing costs.
    """
    from pygments.lexers import find_lexer_class_for_filename

    found = find_lexer_class_for_filename(path.rsplit("/", 1)[-1])
    return found(stripnl=False, ensurenl=False) if found else None


def inked(lexer: Lexer, lines: Sequence[str]) -> list[tuple[Span, ...]]:
    """The lines, which hold no control character, as spans; each says what it said before."""
    text = "\n".join(line[:LONGEST] for line in lines)
    made: list[list[Span]] = [[]]
    for token, value in lexer.get_tokens(text):
        ink = _ink(token)
        first, *more = value.split("\n")
        if first:
            made[-1].append((first, ink))
        made.extend([(part, ink)] if part else [] for part in more)
    if len(made) < len(lines):
        made += [[] for _ in range(len(lines) - len(made))]
    return list(_whole(lines, made))


def _whole(lines: Sequence[str], made: Sequence[list[Span]]) -> Iterator[tuple[Span, ...]]:
    """With what a lexer left out; a line that it changed is plain."""
    for line, spans in zip(lines, made, strict=False):
        told = "".join(text for text, _ in spans)
        if line[:LONGEST] != told:
            yield ((line, "text"),) if line else ()
            continue
        yield (*spans, (line[LONGEST:], "text")) if len(line) > LONGEST else tuple(spans)


@functools.cache
def _ink(token: Any) -> str:
    """The ink of a token, or of the next of its ancestors that has one."""
    while token.parent is not None:
        if (found := _INKS.get(".".join(token))) is not None:
            return found
        token = token.parent
    return "text"
