"""Rules that are patterns over a file's text, for any language."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.security.hits import Hit
from miyabi_tui.engine.security.source import Language
from miyabi_tui.engine.security.threats import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miyabi_tui.engine.security.source import Source
    from miyabi_tui.engine.security.threats import Threat

MOST_MATCHES = 200  # of one rule in one file


class Rule(msgspec.Struct, frozen=True):
    """A pattern that is looked for in a whole text; empty `languages` are all of them.

    A pattern repeats nothing without a bound, so that no text makes it slow.
    """

    name: str
    pattern: str
    message: str
    severity: Severity
    languages: frozenset[Language] = frozenset()


def written_in(*languages: Language) -> frozenset[Language]:
    """The languages of a rule."""
    return frozenset(languages)


def matches(
    source: Source, rules: Iterable[Rule], threat: Threat, *, exact: bool = True
) -> Iterator[Hit]:
    """The hits of `rules`, a line at most once for each; what only prose says is low."""
    text = source.text.replace("\\\n", "  ")  # a command may go on in the next line
    for rule in rules:
        if rule.languages and source.language not in rule.languages:
            continue
        seen: set[int] = set()
        for match in _compiled(rule.pattern).finditer(text):
            line = source.line_of(match.start())
            if line in seen or line in source.silent:
                continue
            seen.add(line)
            prose = source.language is Language.PROSE
            yield Hit(
                threat,
                rule.name,
                line,
                rule.message,
                Severity.LOW if prose else rule.severity,
                f"{source.lines[line - 1].strip()} {match[0]}",
                exact,
            )
            if len(seen) >= MOST_MATCHES:
                break


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)
