"""The simple commands of a bash command line, read well enough to see what it names.

This is no shell: nothing is expanded, and what cannot be read is left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_AT_MOST = 20_000  # characters of a command line
HERE = "\0"  # begins the word that stands for a here-document; no command line can hold it
DEPTH = 3  # of `bash -c "bash -c …"`
# Words that only say how the command after them is run; some take words of their own.
_PREFIXES = frozenset(
    "sudo env nohup time nice exec command builtin then do else elif if while until ! { xargs "
    "stdbuf setsid ionice timeout".split()
)
_SHELLS = frozenset({"bash", "sh", "dash", "zsh", "eval"})
_HEREDOC = re.compile(
    r"<<(?P<dash>-?)[ \t]*(?P<quote>['\"]?)(?P<end>\w+)(?P=quote)(?P<rest>[^\n]*)\n"
    r"(?P<body>.*?)(?:^(?(dash)\t*)(?P=end)[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r]+|\\\n|(?<![^\s;&|(])\#[^\n]*)
    | (?P<redirect>\d*(?:&>>?|>>|>\||>&|<<<|<>|<&|[<>]))
    | (?P<control>\n|&&|\|\||[;&|()])
    | (?P<word>(?:[^\s'"\\;&|()<>]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)", re.DOTALL)
_SUBSTITUTED = re.compile(r"\$\(([^()]+)\)|`([^`]+)`")
_ASSIGNMENT = re.compile(r"\w+\+?=")


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


def simple_commands(line: str, folder: str, depth: int = DEPTH) -> Iterator[Simple]:
    """The commands of a line that begins in `folder`, with those of shells that it calls."""
    texts: list[str] = []

    def cut(match: re.Match[str]) -> str:
        texts.append(match["body"])
        return f" {HERE}{len(texts) - 1}{match['rest']}\n"

    reader = _Reader(folder, texts)
    readable = line[:READ_AT_MOST].replace(HERE, "")
    for match in _TOKEN.finditer(_HEREDOC.sub(cut, readable)):
        kind, token = match.lastgroup or "", match.group()
        if kind == "word" and '"' in token and depth:
            for inner in _SUBSTITUTED.finditer(token):
                yield from simple_commands(inner[1] or inner[2], reader.folder, depth - 1)
        if (done := reader.take(kind, token)) is not None:
            yield from _with_inner(done, depth)
    if (done := reader.end()) is not None:
        yield from _with_inner(done, depth)


def _with_inner(command: Simple, depth: int) -> Iterator[Simple]:
    yield command
    if command.name in _SHELLS and depth:
        inner = [command.text] if command.text else []
        if command.name == "eval" or command.has("-c"):
            inner += [" ".join(command.operands) if command.name == "eval" else _last(command)]
        for line in inner:
            yield from simple_commands(line, command.folder, depth - 1)


def _last(command: Simple) -> str:
    """What follows `-c`."""
    return command.operands[0] if command.operands else ""


class _Reader:
    """Puts tokens together to commands."""

    def __init__(self, folder: str, texts: list[str]) -> None:
        self.folder = folder
        self._outer: list[str] = []  # of the parentheses around
        self._texts = texts
        self._words: list[str] = []
        self._outputs: list[str] = []
        self._text = ""
        self._redirect = ""

    def take(self, kind: str, token: str) -> Simple | None:
        """One more token; the command that it ended."""
        if kind == "redirect":
            self._redirect = token.lstrip("0123456789")
        elif kind == "word":
            self._word(token)
        elif kind == "control":
            done = self.end()
            if token == "(":
                self._outer.append(self.folder)
            elif token == ")" and self._outer:
                self.folder = self._outer.pop()
            return done
        return None

    def _word(self, token: str) -> None:
        redirect, self._redirect = self._redirect, ""
        if token.startswith(HERE):
            self._text = self._texts[int(token[len(HERE) :])]
        elif not redirect:
            self._words.append(unquoted(token))
        elif ">" in redirect and not (redirect == ">&" and (token.isdecimal() or token == "-")):
            self._outputs.append(unquoted(token))

    def end(self) -> Simple | None:
        """The command so far, if there is one."""
        words, outputs, text = self._words, self._outputs, self._text
        self._words, self._outputs, self._text, self._redirect = [], [], "", ""
        while words and (_ASSIGNMENT.match(words[0]) or _prefix(words[0])):
            skipped = words.pop(0)
            while _prefix(skipped) and words and (words[0][:1] == "-" or words[0][:1].isdecimal()):
                words.pop(0)
        if not words and not outputs:
            return None
        name = words[0].lstrip("`").rpartition("/")[2] if words else ""
        done = Simple(name, tuple(words[1:]), tuple(outputs), self.folder, text)
        if name in ("cd", "pushd"):
            self.folder = joined(self.folder, done.operands[0] if done.operands else "~")
        return done


def _prefix(word: str) -> bool:
    return word in _PREFIXES


def joined(folder: str, path: str) -> str:
    """`path` as seen from `folder`; one that only a shell could tell stays as it is."""
    return path if path.startswith(("/", "~", "$")) else f"{folder}/{path}"


def unquoted(word: str) -> str:
    """A word without the quotes around its parts."""
    return _QUOTED.sub(lambda match: match[1] or match[2] or match[3] or "", word)
