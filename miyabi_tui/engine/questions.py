"""What the engine asks the person: on the record, with a choice for when nobody answers."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import anyio
import msgspec

from miyabi_tui.engine import events as e

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.worlds import WorldId


class Answer(msgspec.Struct, frozen=True):
    """The name of a choice, whose it was, and an amount in US dollars where it takes one."""

    choice: str
    by_person: bool = False
    amount: float | None = None


class _Open:
    """A question that waits, and all who wait for its answer."""

    def __init__(self, asked: e.QuestionAsked) -> None:
        self.asked = asked
        self.answered = anyio.Event()
        self.answer = Answer(asked.default)
        self.askers = 0


class Questions:
    """The open questions of a run. Where it is not `interactive`, defaults are answers at once."""

    def __init__(
        self,
        publisher: Publisher,
        *,
        interactive: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._publisher = publisher
        self.interactive = interactive
        self._clock = clock
        self._open: dict[str, _Open] = {}

    async def ask(
        self,
        *,
        kind: e.QuestionKind,
        key: str,
        title: str,
        text: str,
        choices: tuple[e.Choice, ...],
        default: str,
        grace: float | None = None,
        world: WorldId | None = None,
        amount: float | None = None,
        least: float | None = None,
    ) -> Answer:
        """Ask, and wait for a word or for `grace` seconds (None: for ever), then take `default`.

        Whoever asks under the `key` of an open question waits for the same answer. A question whose
        askers are all cancelled is moot.
        """
        if not self.interactive:
            return Answer(default)
        question = self._open.get(key)
        if question is None:
            asked = e.QuestionAsked(
                id=key,
                kind=kind,
                title=title,
                text=text,
                choices=choices,
                default=default if grace is not None else "",
                until=None if grace is None else self._clock() + grace,
                world=world,
                amount=amount,
                least=least,
            )
            question = self._open[key] = _Open(asked)
            self._publisher.post(asked)
        question.askers += 1
        try:
            with anyio.move_on_after(math.inf if grace is None else grace):
                await question.answered.wait()
            if not question.answered.is_set():
                question.answer = Answer(default)
            self._close(question, question.answer)
        finally:
            question.askers -= 1
            if not question.askers:
                self._close(question, Answer(""))
        return question.answer

    def answer(self, key: str, choice: str, amount: float | None = None) -> bool:
        """Take the person's word; False where the question is settled, or has no such choice."""
        question = self._open.get(key)
        if question is None or choice not in {one.name for one in question.asked.choices}:
            return False
        question.answer = Answer(choice, True, amount)
        question.answered.set()
        return True

    def _close(self, question: _Open, answer: Answer) -> None:
        if self._open.get(question.asked.id) is question:
            del self._open[question.asked.id]
            question.answered.set()
            self._publisher.post(
                e.QuestionAnswered(
                    id=question.asked.id,
                    choice=answer.choice,
                    by_person=answer.by_person,
                    amount=answer.amount,
                    world=question.asked.world,
                )
            )
