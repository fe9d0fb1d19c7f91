"""Which rule of `Approvals` a command falls under, also inside of `env`, `bash -c` and the like.

Manners, no wall: a program may run whatever it likes, which the sandbox has to withstand.
"""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from miyabi_tui.engine.shell import commands
from miyabi_tui.engine.shell_scanner import KEYWORDS, MOST_DEPTH, Unclear
from miyabi_tui.engine.wrapped import ASSIGNMENT, inner, past_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from miyabi_tui.engine.terms import Approvals
    from miyabi_tui.engine.wrapped import Words

GIT_WITH_VALUE = frozenset("-C -c --git-dir --work-tree --namespace --exec-path".split())
_DYNAMIC = re.compile(r"[$`*?]|\[.+\]|\{.*,.*\}")
_LITERAL = re.compile(r"[\w./-]+")
# What a command's words do not tell; where its output goes for a look is no matter.
_MORE = re.compile(r"[$`<>]")
_HARMLESS = re.compile(r"\d?>&\d|(?:\d|&)?>{1,2}\s*/dev/null")


class Verdict(StrEnum):
    """What a rule says of a command."""

    ASK = "ask"
    DENY = "deny"


class Ruling(msgspec.Struct, frozen=True):
    """A rule's pattern, and the simple command, in one line, that it is about.

    `around` is the whole script where that may matter to it: variables, substitutions, its input.
    """

    verdict: Verdict
    pattern: str
    command: str
    around: str = ""


class Simple(NamedTuple):
    """A simple command as patterns see it, what it runs in turn, and whether that is all."""

    line: str
    texts: tuple[str, ...]
    inner: tuple[Simple, ...] = ()
    clear: bool = True


def judge(rules: Approvals, script: str) -> tuple[Ruling, ...]:
    """What stands against running `script`: one denial, or each command that is asked about.

    `deny` is above `ask`. What cannot be read is asked about where all words of a pattern occur in
    it, unless `allow` names the whole of it.
    """
    whole = " ".join(script.split())
    found, clear = _read(script, 0)
    more = script.strip() if _MORE.search(_HARMLESS.sub("", script)) else ""
    for command in (Simple(whole, (whole,)), *_all(found)):
        if pattern := _matching(rules.deny, command.texts):
            return (Ruling(Verdict.DENY, pattern, command.line),)
    asked = [Ruling(Verdict.ASK, *one, more) for one in _asked(rules.ask, found)]
    patterns = {one.pattern for one in asked}
    if (pattern := _matching(rules.ask, (whole,))) and pattern not in patterns:
        asked.append(Ruling(Verdict.ASK, pattern, whole, more))
    unclear = not clear or not all(one.clear for one in _all(found))
    if unclear and not asked and not _matching(rules.allow, (whole,)):
        words = set(_LITERAL.findall(script))
        words |= {word.rpartition("/")[2] for word in words if word.startswith("/")}
        for pattern in (*rules.deny, *rules.ask):
            literal = _LITERAL.findall(pattern)
            if literal and words >= set(literal):
                return (Ruling(Verdict.ASK, pattern, whole, more),)
    return tuple(dict.fromkeys(asked))


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is the whole text: `*` is anything, `?` a character.

    `sudo *` is also `sudo` alone.
    """
    if pattern.endswith(" *") and text == pattern[:-2]:
        return True
    first, *others = pattern.split("*")
    if not others:
        return _fits(first, text)
    *between, last = others
    if len(first) + len(last) > len(text) or not _fits(first, text[: len(first)]):
        return False
    middle, end = text[len(first) :], text[len(text) - len(last) :]
    middle = middle[: len(middle) - len(last)]
    for part in between:  # each at its first place: no text makes that slow
        found = re.search(_expression(part), middle, re.DOTALL)
        if found is None:
            return False
        middle = middle[found.end() :]
    return _fits(last, end)


def _fits(part: str, text: str) -> bool:
    if "?" not in part:
        return part == text
    return re.fullmatch(_expression(part), text, re.DOTALL) is not None


def _expression(part: str) -> str:
    return "".join("." if one == "?" else re.escape(one) for one in part)


def _matching(patterns: Iterable[str], texts: Sequence[str]) -> str:
    return next((one for one in patterns if any(matches(one, text) for text in texts)), "")


def _all(found: Iterable[Simple]) -> Iterator[Simple]:
    for one in found:
        yield one
        yield from _all(one.inner)


def _asked(patterns: tuple[str, ...], found: Iterable[Simple]) -> Iterator[tuple[str, str]]:
    """Whoever is asked about a command has seen what it runs."""
    for one in found:
        if pattern := _matching(patterns, one.texts):
            yield pattern, one.line
        else:
            yield from _asked(patterns, one.inner)


# --- from words to commands -----------------------------------------------------------------------


def _read(script: str, depth: int) -> tuple[tuple[Simple, ...], bool]:
    """The commands of a script, and whether those are all."""
    clear = True
    try:
        found: Sequence[Words] = commands(script, depth)
    except Unclear as error:
        found, clear = error.found, False
    return tuple(_simple(words, depth) for words in found), clear


def _simple(words: Words, depth: int) -> Simple:
    """A command without what stands before it: keywords, `function f {`, assignments."""
    at, line = 0, shlex.join(words)
    while at < len(words) and (words[at] in KEYWORDS or ASSIGNMENT.match(words[at])):
        at += 1
    words = words[at:]
    if words[:1] == ("function",):
        return _simple(words[2:], depth)
    if not words or depth > MOST_DEPTH:
        return Simple(line, (), clear=depth <= MOST_DEPTH)
    name = words[0].rpartition("/")[2]
    texts = [" ".join(words), " ".join((name, *words[1:]))]
    if name == "git":
        texts.append(" ".join(("git", *past_options(words[1:], GIT_WITH_VALUE))))
    runs, clear = _inner(name, words[1:], depth + 1)
    return Simple(
        line,
        tuple(" ".join(one.split()) for one in dict.fromkeys(texts)),
        runs,
        clear and not _DYNAMIC.search(words[0]),
    )


def _inner(name: str, words: Words, depth: int) -> tuple[tuple[Simple, ...], bool]:
    """What a command runs in turn, and whether that is all."""
    found = inner(name, words)
    if found.script is not None:
        return _read(found.script, depth)
    return tuple(_simple(one, depth) for one in found.commands), found.clear
