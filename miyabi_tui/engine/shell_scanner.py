"""Takes a shell script apart into its simple commands, without running it.

Not a shell: where a shell would see one command, this may see several, never none. Words are
without their quotes; what is only known when it runs (`$X`) stays as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHARACTERS = 50_000
MOST_DEPTH = 20
_REDIRECTION = re.compile(r"&>>?|<<<|<<-?|[<>]&|>>|>\||<>|[<>]")
_SEPARATOR = re.compile(r"[;&|]+|[()\n]")
_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>#]+")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
KEYWORDS = frozenset("! { } if then elif else fi while until do done coproc".split())


class Unclear(Exception):
    """The script cannot be read: a quote or a bracket is not closed, or it is too deep.

    A shell runs the lines before that all the same: `found` are the commands so far.
    """

    def __init__(self, found: Sequence[tuple[str, ...]] = ()) -> None:
        super().__init__()
        self.found = found


@dataclass(eq=False)
class Shell:
    """A shell or subshell, in which `cd` goes as far as its end; `parent` is the one around it."""

    parent: Shell | None = None


@dataclass(eq=False)
class Command:
    """A simple command: its words, the files that its output goes to, its here-document's text."""

    shell: Shell
    words: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    text: str = ""


class _Heredoc(NamedTuple):
    command: Command
    end: str
    tabs: bool
    plain: bool  # nothing in it is expanded


class Scanner:
    """Reads one script; `found` are its commands. What is open at its end `closes` there, or else:

    Raises:
        Unclear: it cannot be read.
        RecursionError: it is nested too deep.
    """

    def __init__(
        self, text: str, depth: int, shell: Shell | None = None, *, closes: bool = False
    ) -> None:
        if depth > MOST_DEPTH:
            raise Unclear
        self.found: list[Command] = []
        self._text = text
        self._at = 0
        self._depth = depth
        self._shell = shell or Shell()
        self._closes = closes  # at the end, whatever is open
        self._heredocs: list[_Heredoc] = []
        self._word: list[str] | None = None
        self._quoted = False
        self._unbalanced = False

    def script(self, end: str) -> None:
        """Take in a script up to `end`: a closing bracket, or nothing."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise Unclear
        outer = self._word, self._quoted, self._heredocs, self._shell
        self._word, self._quoted, self._heredocs = None, False, []
        self._shell = Shell(self._shell) if end else self._shell
        cases = 0  # in which a bracket ends a pattern
        around: list[tuple[Shell, int]] = []  # the brackets that are open, each with its own cases
        while True:
            command, stop = self._command()
            if command.words or command.outputs:
                self.found.append(command)
                cases += {"case": 1, "esac": -1}.get(_first(command.words), 0)
            if stop == "(":
                around.append((self._shell, cases))
                self._shell, cases = Shell(self._shell), 0
            elif stop == ")" and cases <= 0 and around:
                self._shell, cases = around.pop()
            elif not stop or (stop == end and cases <= 0):
                break
        if end and not stop:
            self._unclosed()
        self._word, self._quoted, self._heredocs, self._shell = outer
        self._depth -= 1

    def _command(self) -> tuple[Command, str]:
        """What is up to a separator, and that."""
        command = Command(self._shell)
        redirected = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            redirection = _REDIRECTION.match(self._text, self._at)
            closes = char == "\n" or char in " \t" or redirection or char in ";&|()"
            if closes and self._word is not None:
                number = redirection and not self._quoted and "".join(self._word).isdigit()
                redirected = self._end_word(command, redirected, drop=bool(number))
            if char in " \t":
                self._at += 1
            elif self._text.startswith("\\\n", self._at):
                self._at += 2
            elif redirection and not self._text.startswith(("<(", ">("), self._at):
                redirected = redirection.group()
                self._at = redirection.end()
            elif char == "#" and self._word is None:
                self._at = self._line_end(self._at)
            elif char == "(" and not command.words and self._arithmetic():
                continue
            elif closes and not redirection:
                stop = _SEPARATOR.match(self._text, self._at)
                assert stop is not None
                self._at = stop.end()
                if char == "\n":
                    self._skip_heredocs()
                return command, stop.group()
            else:
                self._piece()
        if self._word is not None:
            self._end_word(command, redirected)
        return command, ""

    def _end_word(self, command: Command, redirected: str, *, drop: bool = False) -> str:
        """Take the word in: one of the command's, or where something is redirected to."""
        word = "".join(self._word or ())
        if redirected in ("<<", "<<-"):
            tabs = redirected == "<<-"
            self._heredocs.append(_Heredoc(command, word, tabs, self._quoted))
        elif redirected == "<<<":
            command.text = word
        elif ">" in redirected:
            if redirected != ">&" or not (word.isdecimal() or word == "-"):
                command.outputs.append(word)
        elif not redirected and not drop:
            command.words.append(word)
        self._word, self._quoted = None, False
        return ""

    def _piece(self) -> None:
        """The next part of a word."""
        char = self._text[self._at]
        word = self._word = [] if self._word is None else self._word
        if char == "\\":
            word.append(self._text[self._at + 1 : self._at + 2].replace("\n", ""))
            self._at += 2
            self._quoted = True
        elif char == "'":
            end = self._find("'", self._at + 1)
            word.append(self._text[self._at + 1 : end])
            self._at, self._quoted = end + 1, True
        elif char == '"':
            self._at, self._quoted = self._at + 1, True
            self._double(word)
        elif char == "$":
            self._dollar_here(word)
        elif char == "`":
            self._backticks(word)
        elif char in "<>":
            self._at += 2
            self.script(")")
            word.append(f"{char}(…)")
        elif plain := _PLAIN.match(self._text, self._at):
            word.append(plain.group())
            self._at = plain.end()
        else:
            word.append(char)
            self._at += 1

    def _dollar_here(self, word: list[str]) -> None:
        """As `_dollar`, where also quotes may follow it."""
        if quoted := _ANSI.match(self._text, self._at):
            word.append(_ansi(quoted[1]))
            self._at, self._quoted = quoted.end(), True
        elif self._text.startswith('$"', self._at):
            self._at += 1
        else:
            self._dollar(word)

    def _double(self, word: list[str]) -> None:
        """Up to the quote's end."""
        while True:
            char = self._text[self._at : self._at + 1]
            if not char:
                return self._unclosed()
            if char == '"':
                self._at += 1
                return
            self._active(word)

    def _active(self, word: list[str]) -> None:
        """A character, or what is expanded, where white space and brackets mean nothing."""
        char = self._text[self._at]
        if char == "\\":
            after = self._text[self._at + 1 : self._at + 2]
            word.append("" if after == "\n" else after if after in '$`"\\' else f"\\{after}")
            self._at += 2
        elif char == "$":
            self._dollar(word)
        elif char == "`":
            self._backticks(word)
        else:
            word.append(char)
            self._at += 1

    def _dollar(self, word: list[str]) -> None:
        after = self._text[self._at + 1 : self._at + 2]
        if after == "(":
            self._at += 1
            if not self._arithmetic():
                self._at += 1
                self.script(")")
            word.append("$(…)")
        elif after == "{":
            self._at += 2
            self._braces(word)
        else:
            word.append("$")
            self._at += 1

    def _braces(self, word: list[str]) -> None:
        """A variable, with whatever is in its brackets."""
        word.append("${")
        while (char := self._text[self._at : self._at + 1]) != "}":
            if not char:
                return self._unclosed()
            if char == "'":  # a quote here or none: that depends on too much
                self._unclosed()
            if char == '"':
                self._at += 1
                self._double(word)
            else:
                self._active(word)
        word.append("}")
        self._at += 1

    def _backticks(self, word: list[str]) -> None:
        end = self._at + 1
        while self._text[end : end + 1] != "`":
            end += 2 if self._text[end : end + 1] == "\\" else 1
            if end >= len(self._text):
                self._unclosed()
                break
        inner = self._within(re.sub(r"\\([`$\\])", r"\1", self._text[self._at + 1 : end]))
        inner.script("")
        self.found += inner.found
        word.append("$(…)")
        self._at = end + 1

    def _arithmetic(self) -> bool:
        """Take in `((…))`, if it is that."""
        if self._unbalanced or not self._text.startswith("((", self._at):
            return False
        open_, end = 0, self._at
        while end < len(self._text):
            open_ += {"(": 1, ")": -1}.get(self._text[end], 0)
            if open_ == 1 and self._text[end] == ")":
                break
            end += 1
        else:
            self._unbalanced = True  # so that nobody looks to the end again and again
        if not self._text.startswith("))", end):
            return False
        self._expand(self._text[self._at + 2 : end])
        self._at = end + 2
        return True

    def _expand(self, text: str) -> None:
        """Take in the substitutions of a text that is no script."""
        inner = self._within(text)
        while inner._at < len(text):
            inner._active([])
        self.found += inner.found

    def _within(self, text: str) -> Scanner:
        """For a text in this one, which a shell of its own would read."""
        return Scanner(text, self._depth, Shell(self._shell), closes=self._closes)

    def _unclosed(self) -> None:
        if not self._closes:
            raise Unclear

    def _skip_heredocs(self) -> None:
        pending, self._heredocs = self._heredocs, []
        for heredoc in pending:
            body = []
            while self._at < len(self._text):
                end = self._line_end(self._at)
                line = self._text[self._at : end]
                self._at = min(end + 1, len(self._text))
                if (line.lstrip("\t") if heredoc.tabs else line) == heredoc.end:
                    break
                body.append(line)
            heredoc.command.text = "\n".join(body)
            if not heredoc.plain:
                self._expand(heredoc.command.text)

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _find(self, char: str, start: int) -> int:
        end = self._text.find(char, start)
        if end < 0:
            self._unclosed()
            return len(self._text)
        return end


def _first(words: list[str]) -> str:
    return next((word for word in words if word not in KEYWORDS), "")


def _ansi(text: str) -> str:
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text
