"""The engine's questions as a person meets them: the bell, the dialog, what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.widgets.asking import in_turn, settled, title

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.bridge import Batch
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.events import QuestionAnswered
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.screens.answer import Answer, AnswerScreen
    from miyabi_tui.screens.race_base import RaceBase

NOTHING = "Nothing is asked now."
LATELY = 5.0  # seconds before the screen came up: what is older is a replay, and rings no bell


class Asking:
    """Rings once for each question, opens the dialog, and says what others have settled."""

    def __init__(self, race: RaceBase, control: Control, clock: Callable[[], float]) -> None:
        self._race = race
        self._control = control
        self._clock = clock
        self._since = clock()
        self._rung: set[str] = set()
        self._titles: dict[str, str] = {}
        self._answered: dict[str, str] = {}
        self._dialog: AnswerScreen | None = None

    def heard(self, batch: Batch) -> None:
        """Ring for what is newly asked, and tell what was settled by others under our eyes."""
        for one in batch.state.questions:
            self._titles[one.id] = title(one)
        for answer in batch.settled:
            self._settled(answer)
            self._rung.discard(answer.id)
        new = [
            one
            for one in batch.state.questions
            if one.id not in self._rung and batch.asked.get(one.id, 0.0) > self._since - LATELY
        ]
        self._rung |= {one.id for one in new}
        if new:
            self._race.app.bell()
            if self._race.app.screen is not self._race:
                self._race.app.notify(
                    f"{title(new[0])} · answer with a", severity="warning", markup=False
                )

    def _settled(self, answer: QuestionAnswered) -> None:
        if answer.id in self._answered:
            mine = self._answered.pop(answer.id)
            looked_at = answer.choice != mine  # somebody was quicker
        else:
            looked_at = self._dialog is not None and self._dialog.question.id == answer.id
        if looked_at:
            self._race.say(settled(self._titles.get(answer.id, ""), answer))

    def ask(self, world: WorldId | None) -> None:
        """Open the dialog of the question whose turn it is, seen from this world."""
        waiting = in_turn(self._race.run_state, world)
        if not waiting:
            self._race.say(NOTHING)
            return
        from miyabi_tui.screens.answer import AnswerScreen

        question = waiting[0]
        place = (1, len(waiting))
        dialog = AnswerScreen(question, place, lambda: self._race.run_state, self._clock)

        def answered(answer: Answer | None) -> None:
            self._dialog = None
            if answer is not None and question in self._race.run_state.questions:
                choice, amount = answer
                self._answered[question.id] = choice
                self._control.answer(question.id, choice, amount)

        self._dialog = dialog
        self._race.app.clear_notifications()
        self._race.app.push_screen(dialog, answered)
