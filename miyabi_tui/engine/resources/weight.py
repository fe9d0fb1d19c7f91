"""Whether a command only looks, so that it needs no place for heavy work.

No wall: what is taken for light is not made so. In doubt a command is heavy, and waits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.shell import commands
from miyabi_tui.engine.shell_scanner import KEYWORDS, Unclear

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ALWAYS = frozenset(
    "ls cat head tail wc grep egrep fgrep pwd echo printf which type tree stat file diff cmp comm "
    "uniq cut tr nl tac basename dirname realpath readlink cd pushd popd test [ [[ true false : "
    "read exit return break continue for".split()
)
_GIT = frozenset(
    "status diff log show branch rev-parse blame ls-files grep ls-tree rev-list describe".split()
)
_FIND_ACTS = frozenset("-exec -execdir -ok -okdir -delete".split())
_ADDRESS = r"(?:\d+|\$|/(?:[^/\\]|\\.)*/)"
_PRINTS = rf"{_ADDRESS}?(?:,\+?{_ADDRESS})?[ \t]*[pdq=]"
_REPLACES = rf"{_ADDRESS}?s([/|#,])(?:(?!\1)[^\\]|\\.)*\1(?:(?!\1)[^\\]|\\.)*\1[gpI\d]*"
_SED_PRINTS = re.compile(rf"\s*{_PRINTS}(?:[ \t]*[;\n][ \t]*{_PRINTS})*[ \t]*;?\s*", re.DOTALL)
_SED_REPLACES = re.compile(_REPLACES, re.DOTALL)
_ASSIGNMENT = re.compile(r"(?!PATH=)[A-Za-z_]\w*=")
_PLACES = re.compile(r"(?:/usr)?/bin/")


def is_light(argv: Sequence[str]) -> bool:
    """Whether `argv` only looks at things, or is a shell's script that does; it may write files."""
    if len(argv) == 3 and argv[0] in ("bash", "sh") and argv[1] == "-c":
        try:
            return all(map(_is_light, commands(argv[2])))
        except Unclear:
            return False
    return bool(argv) and _is_light(tuple(argv))


def _is_light(words: tuple[str, ...]) -> bool:
    """A simple command, with the shell's words before it."""
    keywords = []
    while words and words[0] in KEYWORDS:
        keywords.append(words[0])
        words = words[1:]
    if not words:
        return True
    if {"while", "until", "coproc"} & set(keywords) and words[0] != "read":
        return False  # it may go round and round
    if all(map(_ASSIGNMENT.match, words)):
        return True
    name, *arguments = _PLACES.sub("", words[0], count=1), *words[1:]
    if name in _ALWAYS:
        return True
    check = _CHECKS.get(name)
    return check is not None and check(arguments)


def _has(arguments: list[str], *options: str) -> bool:
    """Whether there is such a long option, maybe with its value, or such a short one."""
    return any(word.startswith(options) for word in arguments)


def _find(arguments: list[str]) -> bool:
    return not _FIND_ACTS & set(arguments)


def _git(arguments: list[str]) -> bool:
    """A subcommand that looks; settings of the moment and other programs are another matter."""
    while arguments and arguments[0].startswith("-"):
        if arguments[0] == "-C":
            arguments = arguments[1:]
        elif arguments[0] not in ("--no-pager", "-P", "--no-optional-locks"):
            return False
        arguments = arguments[1:]
    outside = _has(arguments, "--ext-diff", "--textconv", "-O", "--open-files")
    return bool(arguments) and arguments[0] in _GIT and not outside


def _sed(arguments: list[str]) -> bool:
    """Prints lines or replaces text on its way; nothing in place, and no command of its own."""
    scripts, others, takes = [], [], False
    for word in arguments:
        if takes:
            scripts.append(word)
        elif word.startswith("-") and not re.fullmatch(r"-[nErsz]+|--quiet|-n?e", word):
            return False
        elif not word.startswith("-"):
            others.append(word)
        takes = not takes and word in ("-e", "-ne")
    scripts = scripts or others[:1]
    return bool(scripts) and all(
        _SED_PRINTS.fullmatch(one) or _SED_REPLACES.fullmatch(one) for one in scripts
    )


def _awk(arguments: list[str]) -> bool:
    return not _has(arguments, "-f", "--file", "-i", "-l", "-E") and not any(
        re.search(r"\||system|getline|@|while|for\s*\(\s*;", word) for word in arguments
    )


def _xargs(arguments: list[str]) -> bool:
    """Its options without a value of their own, before a command that is light."""
    while arguments and re.fullmatch(r"-[0rt]+|-[nLP]\d+|--null|--no-run-if-empty", arguments[0]):
        arguments = arguments[1:]
    return not arguments or _is_light(tuple(arguments))


_CHECKS: dict[str, Callable[[list[str]], bool]] = {
    "find": _find,
    "git": _git,
    "sed": _sed,
    "awk": _awk,
    "xargs": _xargs,
    "rg": lambda arguments: not _has(arguments, "--pre", "--hostname-bin"),
    "sort": lambda arguments: not _has(arguments, "--compress-program", "--parallel"),
    "command": lambda arguments: arguments[:1] in (["-v"], ["-V"]),
}
