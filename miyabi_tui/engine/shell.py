"""What a shell script would run: its simple commands, without running it.

Not a shell: where a shell would see one command, this may see several, never none. Words are
without their quotes; what is only known when it runs (`$X`) stays as it is written.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_CHARACTERS = 50_000
MOST_DEPTH = 20
_REDIRECTION = re.compile(r"&>>?|<<<|<<-?|[<>]&|>>|>\||<>|[<>]")
_SEPARATOR = re.compile(r"[;&|]+|[()\n]")
_PLAIN = re.compile(r"[^\s'\"\\$`;&|()<>#]+")
KEYWORDS = frozenset("! { } if then elif else fi while until do done coproc".split())


class Unclear(Exception):
    """The script cannot be read: a quote or a bracket is not closed, or it is too deep."""


class _Heredoc(NamedTuple):
    end: str
    tabs: bool
    plain: bool  # nothing in it is expanded


def commands(script: str, depth: int = 0) -> list[tuple[str, ...]]:
    """The words of each simple command, those in substitutions too.

    Raises:
        Unclear: it cannot be read.
    """
    if len(script) > MOST_CHARACTERS or "\0" in script:
        raise Unclear
    scanner = _Scanner(script, depth)
    try:
        scanner.script("")
    except RecursionError as error:
        raise Unclear from error
    return scanner.found


class _Scanner:
    def __init__(self, text: str, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise Unclear
        self.found: list[tuple[str, ...]] = []
        self._text = text
        self._at = 0
        self._depth = depth
        self._heredocs: list[_Heredoc] = []
        self._word: list[str] | None = None
        self._quoted = False
        self._unbalanced = False

    def script(self, end: str) -> None:
        """Take in a script up to `end`: a closing bracket, or nothing."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise Unclear
        outer = self._word, self._quoted, self._heredocs
        self._word, self._quoted, self._heredocs = None, False, []
        cases = 0  # in which a bracket ends a pattern
        while True:
            words, stop = self._command()
            if words:
                self.found.append(tuple(words))
                cases += {"case": 1, "esac": -1}.get(_first(words), 0)
            if end and not stop:
                raise Unclear
            if not stop or (stop == end and cases <= 0):
                break
        self._word, self._quoted, self._heredocs = outer
        self._depth -= 1

    def _command(self) -> tuple[list[str], str]:
        """The words up to a separator, and that."""
        words: list[str] = []
        redirected = ""
        while self._at < len(self._text):
            char = self._text[self._at]
            redirection = _REDIRECTION.match(self._text, self._at)
            closes = char == "\n" or char in " \t" or redirection or char in ";&|()"
            if closes and self._word is not None:
                number = redirection and not self._quoted and "".join(self._word).isdigit()
                redirected = self._end_word(words, redirected, drop=bool(number))
            if char in " \t":
                self._at += 1
            elif self._text.startswith("\\\n", self._at):
                self._at += 2
            elif redirection and not self._text.startswith(("<(", ">("), self._at):
                redirected = redirection.group()
                self._at = redirection.end()
            elif char == "#" and self._word is None:
                self._at = self._line_end(self._at)
            elif char == "(" and not words and self._arithmetic():
                continue
            elif closes and not redirection:
                stop = _SEPARATOR.match(self._text, self._at)
                assert stop is not None
                self._at = stop.end()
                if char == "\n":
                    self._skip_heredocs()
                return words, stop.group()
            else:
                self._piece()
        if self._word is not None:
            self._end_word(words, redirected)
        return words, ""

    def _end_word(self, words: list[str], redirected: str, *, drop: bool = False) -> str:
        """Take the word in, unless it says where something is redirected to."""
        word = "".join(self._word or ())
        if redirected.startswith("<<") and redirected != "<<<":
            self._heredocs.append(_Heredoc(word, redirected == "<<-", self._quoted))
        elif not redirected and not drop:
            words.append(word)
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
        after = self._text[self._at + 1 : self._at + 2]
        if after == "'" and (end := _ansi_end(self._text, self._at + 2)):
            word.append(_ansi(self._text[self._at + 2 : end]))
            self._at, self._quoted = end + 1, True
        elif after == '"':
            self._at += 1
        else:
            self._dollar(word)

    def _double(self, word: list[str]) -> None:
        """Up to the quote's end."""
        while True:
            char = self._text[self._at : self._at + 1]
            if not char:
                raise Unclear
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
                raise Unclear
            if char == "'":  # a quote here or none: that depends on too much
                raise Unclear
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
                raise Unclear
        inner = re.sub(r"\\([`$\\])", r"\1", self._text[self._at + 1 : end])
        self.found += commands(inner, self._depth)
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
        inner = _Scanner(text, self._depth)
        while inner._at < len(text):
            inner._active([])
        self.found += inner.found

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
            if not heredoc.plain:
                self._expand("\n".join(body))

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _find(self, char: str, start: int) -> int:
        end = self._text.find(char, start)
        if end < 0:
            raise Unclear
        return end


def _first(words: list[str]) -> str:
    return next((word for word in words if word not in KEYWORDS), "")


def _ansi_end(text: str, start: int) -> int:
    """Where `$'…'` ends, 0 where it does not."""
    while start < len(text):
        if text[start] == "'":
            return start
        start += 2 if text[start] == "\\" else 1
    return 0


def _ansi(text: str) -> str:
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text
