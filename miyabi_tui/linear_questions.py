"""Questions of the engine as numbered choices, for who answers by typing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from miyabi_tui.engine.costs.purse import RAISE
from miyabi_tui.engine.summary import plain

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.events import Choice, QuestionAsked
    from miyabi_tui.engine.state import RunState


class Questions:
    """Numbers every choice of every open question, each number once as long as any is open."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._numbers: dict[int, tuple[str, str]] = {}
        self._settled: set[str] = set()

    def choices(self, asked: QuestionAsked, run: RunState) -> list[str]:
        """The lines that say how this one is answered."""
        self._forget(run)
        first = max(self._numbers, default=0) + 1
        lines = []
        for number, choice in enumerate(asked.choices, first):
            self._numbers[number] = (asked.id, choice.name)
            lines.append(f"  answer {number}: {_about(choice)}{_takes(asked, choice)}")
        if asked.until is not None and asked.default:
            seconds = max(0, round(asked.until - time.time()))
            lines.append(f"  without an answer in {seconds} s: {asked.default}")
        return [plain(line) for line in lines]

    def listed(self, run: RunState) -> list[str]:
        """All that is asked now."""
        lines = []
        for asked in run.questions:
            lines += [f"{asked.world or 'The run'} asks: {asked.title}: {asked.text}"]
            known = {key for key, _ in self._numbers.values()}
            if asked.id not in known:
                self.choices(asked, run)
            lines += [
                f"  answer {number}: {name}"
                for number, (key, name) in self._numbers.items()
                if key == asked.id
            ]
        return lines or ["Nothing is asked."]

    def answer(self, number: str, amount: str, run: RunState) -> str:
        """Take the choice of that number; what to say."""
        self._forget(run)
        key, name = self._numbers.get(int(number) if number.isdecimal() else 0, ("", ""))
        asked = next((one for one in run.questions if one.id == key), None)
        if asked is None:
            there = ", ".join(map(str, self._numbers)) or "none is open"
            return f"There is no choice {number or 'without a number'}: {there}. See: questions"
        try:
            value = float(amount.removeprefix("$")) if amount else None
        except ValueError:
            return f"{amount} is no amount of US dollars."
        if value is not None and asked.least is not None and not value >= asked.least:
            return f"It has to be ${asked.least:.2f} or more."
        takes = asked.amount is not None and name == RAISE
        if value is not None and not takes:
            return f"{name} takes no amount."
        self._control.answer(key, name, (value or asked.amount) if takes else None)
        return f"Answered: {name}."

    def answer_all(self, run: RunState) -> None:
        """Nobody is there to answer: take each default at once."""
        for asked in run.questions:
            if asked.id not in self._settled and asked.default:
                self._settled.add(asked.id)
                self._control.answer(asked.id, asked.default)

    def _forget(self, run: RunState) -> None:
        """Numbers of what is settled go; with nothing open they begin anew."""
        still = {one.id for one in run.questions}
        self._numbers = {n: pair for n, pair in self._numbers.items() if pair[0] in still}


def _about(choice: Choice) -> str:
    return f"{choice.name} ({choice.help})" if choice.help else choice.name


def _takes(asked: QuestionAsked, choice: Choice) -> str:
    if asked.amount is None or choice.name != RAISE:
        return ""
    return f"; or another amount behind it (${asked.amount:.2f} is proposed)"
