"""What the terminal answers about its background, without waiting and without eating a key.

The question (OSC 11, and behind it DA1, which every terminal answers) is asked before the heavy
imports; the answer has mostly come when they are done. What else was typed meanwhile is handed to
the driver. An answer that comes later, over a slow line, is heard by the driver, and so is the
report that the person has changed between dark and light (DEC mode 2031).
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.terminal_kind import DUMB, RGB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
WAIT = 0.2  # seconds after the question; the imports take as long
EXPECTED = 5.0  # seconds in which an answer may still come in pieces
DEAF = ("linux", "eterm")  # would print it, or never answer

_COLOUR = r"[\w:/#.]{0,64}"
_ANSWER = re.compile(
    rf"\x1b\]1[01];(?P<colour>{_COLOUR})(?:\x07|\x1b\\|\x9c)"
    r"|\x1b\[\?(?P<attributes>[\d;]{1,64})c"
    r"|\x1b\[\?997;(?P<scheme>[12])n"
)
_UNFINISHED = re.compile(
    rf"\x1b(?:\](?:1(?:[01](?:;{_COLOUR}\x1b?)?)?)?|\[(?:\?[\d;]{{0,64}})?)?\Z"
)
_HEX = re.compile(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")


class Answer(msgspec.Struct, frozen=True):
    """What the terminal said: its background, that it is dark or light now, or only that it is."""

    ground: RGB | None = None
    dark: bool | None = None


class Ear:
    """Takes the terminal's answers out of what is typed; an answer may come in two pieces."""

    def __init__(self) -> None:
        self._held = ""

    def hear(self, text: str, *, expecting: bool = True) -> tuple[str, list[Answer]]:
        """The text without answers, and these. What may become one is held until `let_go`.

        Where none is expected, a lone escape is a key and not held.
        """
        text = self._held + text
        self._held = ""
        answers = [_answer(found) for found in _ANSWER.finditer(text)]
        if answers:
            text = _ANSWER.sub("", text)
        unfinished = _UNFINISHED.search(text)
        if unfinished and (expecting or len(unfinished.group()) > 2):
            self._held = unfinished.group()
            text = text[: unfinished.start()]
        return text, answers

    def let_go(self) -> str:
        """What was held and is no answer after all."""
        held, self._held = self._held, ""
        return held


def _answer(found: re.Match[str]) -> Answer:
    if found["colour"] is not None:
        return Answer(ground=colour(found["colour"]))
    return Answer(dark=found["scheme"] == "1") if found["scheme"] else Answer()


def colour(text: str) -> RGB | None:
    """`rgb:1010/1212/1515`, `rgb:10/12/15` or `#101215` in 8 bits each."""
    if text.startswith("#") and len(text) in (7, 13):
        size = (len(text) - 1) // 3
        parts = [text[1 + n * size : 1 + (n + 1) * size] for n in range(3)]
    elif found := _HEX.match(text):
        parts = list(found.groups())
    else:
        return None
    try:
        red, green, blue = (round(int(part, 16) * 255 / (16 ** len(part) - 1)) for part in parts)
    except ValueError:
        return None
    return red, green, blue


@dataclass
class Question:
    """A question to the terminal that is open, or was never asked.

    `settings` are the terminal's of before; `typed` is what came besides the answer.
    """

    fileno: int = -1
    settings: list[Any] | None = None
    typed: bytes = b""
    answered: bool = True
    asked_at: float = 0.0
    _ear: Ear = field(default_factory=Ear)

    def ground(self) -> RGB | None:
        """The background, if it is told within `WAIT` of the question."""
        found: RGB | None = None
        while not self.answered and self._ready():
            piece = os.read(self.fileno, 4096)
            if not piece:
                break
            rest, answers = self._ear.hear(piece.decode("latin-1"))
            self.typed += rest.encode("latin-1")
            found = next((one.ground for one in answers if one.ground), found)
            self.answered = any(one == Answer() for one in answers)
        self.typed += self._ear.let_go().encode("latin-1")
        return found

    def _ready(self) -> bool:
        left = max(0.0, self.asked_at + WAIT - time.monotonic())
        return bool(select.select([self.fileno], [], [], left)[0])


@contextlib.contextmanager
def asked(env: Mapping[str, str]) -> Iterator[Question]:
    """Ask a terminal that can answer; it does not echo until the end, which restores it."""
    question = _ask(env)
    try:
        yield question
    finally:
        if question.settings is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(question.fileno, termios.TCSANOW, question.settings)


def _ask(env: Mapping[str, str]) -> Question:
    term = env.get("TERM", "").partition("-")[0].lower()
    if term in (*DUMB, *DEAF, "") or env.get("STY") or sys.__stdin__ is None:
        return Question()
    try:
        source, target = sys.__stdin__.fileno(), sys.__stderr__.fileno()  # type: ignore[union-attr]
        if not (os.isatty(source) and os.isatty(target)):
            return Question()
        settings = termios.tcgetattr(source)
        quiet = termios.tcgetattr(source)
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(source, termios.TCSANOW, quiet)
        os.write(target, QUESTION)
    except (OSError, ValueError, termios.error):
        return Question()
    return Question(source, settings, answered=False, asked_at=time.monotonic())
