"""`--linear`: a run as plain lines, steered by typed words; for screen readers, logs and pipes.

No line moves the cursor, has colour, or is finished later: each is complete when it is printed.
Nothing of this needs a terminal: words can come from a pipe as well.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from miyabi_tui import headless
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.summary import plain
from miyabi_tui.linear_questions import Questions
from miyabi_tui.linear_steering import Steering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from miyabi_tui.engine.control import Control

LOOK_SECONDS = 0.1
HELLO = "Type a command and enter: help lists them, status says how it stands."
NO_MORE = "No more words come in: the race goes on by itself."


def run(
    control: Control,
    *,
    out: TextIO | None = None,
    words: int | None = None,
    told: int = 0,
    resumable: bool = True,
    between: Callable[[], None] = lambda: None,
) -> RunState:
    """Start the race, print it, and do what is typed; its last state.

    `words` is the descriptor they come from; events up to number `told` are known already;
    `between` is called now and then.
    """
    descriptor = sys.stdin.fileno() if words is None else words
    terminal = os.isatty(descriptor)
    session = _Session(control, out or sys.stdout, resumable=resumable, terminal=terminal)
    source = _Lines(descriptor)
    subscription = control.subscribe()
    control.start()
    session.say(HELLO)
    try:
        while not (subscription.closed or session.left):
            subscription.wait(LOOK_SECONDS)  # short, so that words and signals are seen
            between()
            session.tell(subscription.drain(), told)
            for line in source.ready():
                session.obey(line)
            if source.ended:
                session.alone()
    except BrokenPipeError:  # whoever read us has gone
        if not control.attached:
            control.stop()
    return session.state


class _Lines:
    """Whole lines from a descriptor, without waiting for any."""

    def __init__(self, descriptor: int) -> None:
        self.ended = False
        self._descriptor = descriptor
        self._rest = b""

    def ready(self) -> Iterable[str]:
        """The lines that are there; at the end also one that has no line end."""
        while not self.ended and select.select([self._descriptor], [], [], 0)[0]:
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:  # the terminal is gone
                data = b""
            self.ended = not data
            *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
            if self.ended:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                if line.strip():
                    yield line.decode("utf-8", "replace")


class _Session:
    """What is said to the person, and what they say."""

    def __init__(self, control: Control, out: TextIO, *, resumable: bool, terminal: bool) -> None:
        self.state = RunState()
        self._control = control
        self._out = out
        self._resumable = resumable
        self._questions = Questions(control)
        self._steering = Steering(control, self._questions, terminal=terminal)
        self._alone = False

    @property
    def left(self) -> bool:
        """Whether the person has left a run that goes on elsewhere."""
        return self._steering.left

    def say(self, text: str) -> None:
        """Print whole lines."""
        print(text, file=self._out, flush=True)

    def tell(self, records: Iterable[e.Record], told: int) -> None:
        """Print what happened, and what is asked."""
        for record in records:
            self.state = apply(self.state, record)
            if record.seq <= told:
                continue
            if line := headless.text_line(record, self.state, resumable=self._resumable):
                self.say(line)
            if isinstance(record.event, e.QuestionAsked):
                self.say("\n".join(self._questions.choices(record.event, self.state)))
            if isinstance(record.event, e.MergeReady):
                self.say(plain(self._steering.your_turn(self.state)))

    def obey(self, line: str) -> None:
        """Do what is typed, and say what became of it."""
        for answer in self._steering.do(line, self.state):
            self.say(plain(answer))

    def alone(self) -> None:
        """Nobody says anything more: questions get their defaults, a winner stays unmerged."""
        if not self._alone:
            self._alone = True
            if not self.state.finished:
                self.say(NO_MORE)
        if self._control.attached:
            return
        self._questions.answer_all(self.state)
        nobody = self.state.winner is None and self.state.reason
        if self.state.phase is e.Phase.CHOOSING and (self.state.merge_ready or nobody):
            self._control.stop()
