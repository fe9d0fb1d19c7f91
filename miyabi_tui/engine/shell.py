"""What command lines run, read without running them: for rules, and for what a world is doing.

Two looks at what `shell_scanner` finds. `commands` is for rules, which have to know all of it, so a
script that is not clear has none; `simple_commands` is for telling people, and takes what it can.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.shell_scanner import (
    KEYWORDS,
    MOST_CHARACTERS,
    MOST_DEPTH,
    Command,
    Scanner,
    Shell,
    Unclear,
)
from miyabi_tui.engine.wrapped import ASSIGNMENT, SHELLS, WRAPPERS, inner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.wrapped import Words

# They only say how another command is run; the other wrappers do something of their own.
_HOW = frozenset(WRAPPERS) - {"chroot", "strace", "flock"}


class Simple(msgspec.Struct, frozen=True):
    """One command with its arguments, and the files that its output goes to.

    `folder` is where it runs, as far as `cd` told; `text` is what a here-document gives it.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    folder: str
    text: str = ""

    @property
    def operands(self) -> tuple[str, ...]:
        """The arguments that are no options."""
        return tuple(one for one in self.arguments if not one.startswith("-") or one == "-")

    def has(self, *options: str) -> bool:
        """Whether it has one of these options, alone or among short ones that are joined."""
        for one in self.arguments:
            for option in options:
                short = len(option) == 2 and one[:1] == "-" and one[1:2] != "-"
                if one == option or one.startswith(f"{option}=") or (short and option[1] in one):
                    return True
        return False


def commands(script: str, depth: int = 0) -> list[Words]:
    """The words of each simple command, those in substitutions too.

    Raises:
        Unclear: it cannot be read, and has those that stand before that.
    """
    if len(script) > MOST_CHARACTERS or "\0" in script:
        raise Unclear
    scanner = Scanner(script, depth)
    try:
        scanner.script("")
    except (Unclear, RecursionError) as error:
        raise Unclear(_words(scanner.found)) from error
    return _words(scanner.found)


def _words(found: list[Command]) -> list[Words]:
    return [tuple(one.words) for one in found if one.words]


def simple_commands(line: str, folder: str, depth: int = 0) -> Iterator[Simple]:
    """The commands of a line that begins in `folder`, with those that they run in turn.

    A line that was cut is read as far as it goes.
    """
    scanner = Scanner(line[:MOST_CHARACTERS].replace("\0", ""), 0, closes=True)
    with contextlib.suppress(Unclear, RecursionError):
        scanner.script("")
    folders = _Folders(folder)
    for one in scanner.found:
        for done in _with_inner(tuple(one.words), one, folders.of(one.shell), depth):
            yield done
            if done.name in ("cd", "pushd"):
                path = done.operands[0] if done.operands else "~"
                folders.go(one.shell, joined(done.folder, path))


class _Folders:
    """Where each shell of a script is: a subshell begins where the one around it is."""

    def __init__(self, folder: str) -> None:
        self._first = folder
        self._at: dict[Shell, str] = {}

    def of(self, shell: Shell) -> str:
        new, around = [], shell
        while around not in self._at and around.parent is not None:
            new.append(around)
            around = around.parent
        folder = self._at.setdefault(around, self._first)
        self._at.update(dict.fromkeys(new, folder))
        return folder

    def go(self, shell: Shell, folder: str) -> None:
        self._at[shell] = folder


def _with_inner(words: Words, command: Command, folder: str, depth: int) -> Iterator[Simple]:
    """A command by its name, without what only says how it is run; then what it runs in turn."""
    at = 0
    while at < len(words) and (words[at] in KEYWORDS or ASSIGNMENT.match(words[at])):
        at += 1
    name, rest = (words[at].rpartition("/")[2], words[at + 1 :]) if at < len(words) else ("", ())
    found = inner(name, rest)
    if name not in _HOW and (name or command.outputs):
        yield Simple(name, rest, tuple(command.outputs), folder, command.text)
    if depth >= MOST_DEPTH or name.startswith("python"):  # whose module is one of its words
        return
    for one in found.commands:
        yield from _with_inner(one, command, folder, depth + 1)
    scripts = [found.script or ""] + [command.text] * (name in SHELLS)
    for script in filter(None, scripts):
        yield from simple_commands(script, folder, depth + 1)


def joined(folder: str, path: str) -> str:
    """`path` as seen from `folder`; one that only a shell could tell stays as it is."""
    return path if path.startswith(("/", "~", "$")) else f"{folder}/{path}"
