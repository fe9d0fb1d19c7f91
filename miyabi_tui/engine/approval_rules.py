"""Which rule of `Approvals` a command falls under, also inside of `env`, `bash -c` and the like.

Manners, no wall: a program may run whatever it likes, which the sandbox has to withstand.
"""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from miyabi_tui.engine.shell import KEYWORDS, MOST_DEPTH, Unclear, commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from miyabi_tui.engine.terms import Approvals

    Words = tuple[str, ...]

SHELLS = frozenset("sh bash dash zsh ksh ash fish".split())
# Programs that run another one: their options that take a value, and how many words come before it.
WRAPPERS: dict[str, tuple[str, int]] = {
    "env": ("uC", 0),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "command": ("", 0),
    "builtin": ("", 0),
    "exec": ("a", 0),
    "time": ("fo", 0),
    "nice": ("n", 0),
    "ionice": ("cn", 0),
    "timeout": ("ks", 1),
    "stdbuf": ("ioe", 0),
    "xargs": ("adEILnPs", 0),
    "sudo": ("CDghpRrTtUu", 0),
    "doas": ("Cu", 0),
    "watch": ("n", 0),
    "strace": ("eopsu", 0),
    "flock": ("wE", 1),
    "chroot": ("", 1),
    "busybox": ("", 0),
    "uvx": ("", 0),
    "npx": ("", 0),
}
LONG_WITH_VALUE = frozenset(
    "--unset --chdir --signal --kill-after --adjustment --user --group --max-args --max-procs "
    "--delimiter --arg-file --replace --from --with --package --python".split()
)
RUNNERS = frozenset("uv poetry pipx pdm hatch".split())  # before `run`
GIT_WITH_VALUE = frozenset("-C -c --git-dir --work-tree --namespace --exec-path".split())
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^]]*\])?\+?=")
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
    try:
        return tuple(_simple(words, depth) for words in commands(script, depth)), True
    except Unclear:
        return (), False


def _simple(words: Words, depth: int) -> Simple:
    """A command without what stands before it: keywords, `function f {`, assignments."""
    at, line = 0, shlex.join(words)
    while at < len(words) and (words[at] in KEYWORDS or _ASSIGNMENT.match(words[at])):
        at += 1
    words = words[at:]
    if words[:1] == ("function",):
        return _simple(words[2:], depth)
    if not words or depth > MOST_DEPTH:
        return Simple(line, (), clear=depth <= MOST_DEPTH)
    name = words[0].rpartition("/")[2]
    texts = [" ".join(words), " ".join((name, *words[1:]))]
    if name == "git":
        texts.append(" ".join(("git", *_past_options(words[1:], GIT_WITH_VALUE))))
    inner, clear = _inner(name, words[1:], depth + 1)
    return Simple(
        line,
        tuple(" ".join(one.split()) for one in dict.fromkeys(texts)),
        inner,
        clear and not _DYNAMIC.search(words[0]),
    )


def _inner(name: str, words: Words, depth: int) -> tuple[tuple[Simple, ...], bool]:
    """What a command runs in turn, and whether that is all."""
    run: Words = ()
    if name in SHELLS:
        return _shell(words, depth)
    if name == "eval":
        return _read(" ".join(words), depth)
    if name in WRAPPERS:
        if name == "command" and words[:1] in (("-v",), ("-V",)):
            return (), True
        options, before = WRAPPERS[name]
        with_value = LONG_WITH_VALUE | {f"-{one}" for one in options}
        if name == "env" and (script := _split_string(words)):
            return _read(script, depth)
        run = _past_options(words, with_value)
        if name in ("env", "sudo", "doas"):
            while run and _ASSIGNMENT.match(run[0]):
                run = run[1:]
        run = run[before:]
    elif name in RUNNERS and "run" in words:
        run = _past_options(words[words.index("run") + 1 :], LONG_WITH_VALUE)
    elif name.startswith("python") and "-m" in words:
        run = words[words.index("-m") + 1 :]
    elif name == "find":
        starts = [at for at, word in enumerate(words) if word in ("-exec", "-execdir", "-ok")]
        return tuple(_simple(words[at + 1 :], depth) for at in starts), True
    return ((_simple(run, depth),) if run else ()), True


def _shell(words: Words, depth: int) -> tuple[tuple[Simple, ...], bool]:
    """A shell's script, where it is in its words; not clear where it comes from elsewhere."""
    script, at = False, 0
    while at < len(words) and words[at][:1] in ("-", "+") and words[at] != "--":
        option = words[at]
        script = script or (not option.startswith("--") and "c" in option)
        takes = option in ("--rcfile", "--init-file") or (option[:2] != "--" and option[-1] in "oO")
        at += 2 if takes else 1
    at += words[at : at + 1] == ("--",)
    if script and at < len(words):
        return _read(words[at], depth)
    return (), at < len(words)


def _split_string(words: Words) -> str:
    """The script of `env -S`."""
    for at, word in enumerate(words):
        if word in ("-S", "--split-string"):
            return " ".join(words[at + 1 :])
        if word.startswith(("-S", "--split-string=")):
            return " ".join((word.removeprefix("--split-string=").removeprefix("-S"), *words[at:]))
        if not word.startswith("-") and not _ASSIGNMENT.match(word):
            break
    return ""


def _past_options(words: Words, with_value: frozenset[str] | set[str]) -> Words:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return words[at + 1 :]
        at += 2 if words[at] in with_value else 1
    return words[at:]
