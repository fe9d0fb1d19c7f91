"""A question of the engine: what is asked and why, the choices, and the time that is left."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Input, Static

from miyabi_tui.screens.dialog import HEIGHTS, WIDTHS
from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.asking import at_least, due, money, title
from miyabi_tui.widgets.inert import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from miyabi_tui.engine.events import Choice, QuestionAsked
    from miyabi_tui.engine.state import RunState

REFRESH_SECONDS = 0.25
RAISE = "raise"
NOT_A_NUMBER = "An amount in US dollars is meant, such as 7.50."
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")

Answer = tuple[str, float | None]
"""The name of a choice, and an amount in US dollars where it takes one."""


class Option(Horizontal, can_focus=True):
    """One choice: its key, its name, what it does."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "take", "Take", show=False)]

    class Taken(Message):
        """This choice is the answer."""

        def __init__(self, option: Option) -> None:
            super().__init__()
            self.option = option

        @property
        def control(self) -> Option:
            """The choice."""
            return self.option

    def __init__(self, choice: Choice) -> None:
        super().__init__(classes="option")
        self.choice = choice

    def compose(self) -> ComposeResult:
        """The key in a column of its own."""
        name = Content.styled(one_line(self.choice.name), "bold $ink-strong")
        does = Content.styled(f"  {one_line(self.choice.help)}", "$ink-dim")
        yield Static(one_line(self.choice.key), classes="option-key", markup=False)
        yield Static(name + does, classes="option-text", markup=False)

    def action_take(self) -> None:
        """Answer with it."""
        self.post_message(self.Taken(self))

    def on_click(self, event: events.Click) -> None:
        """A click is its key."""
        event.stop()
        self.action_take()


class AmountInput(Input):
    """Takes digits; letters are the keys of choices."""

    def on_key(self, event: events.Key) -> None:
        """Leave to the dialog what cannot be part of an amount."""
        if event.is_printable and event.character not in set("0123456789.,$ "):
            event.prevent_default()


class AnswerScreen(Veiled["Answer | None"]):
    """Closes with an answer, or with None: left open by the person, or settled elsewhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it open", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("pageup", "scroll_by(-5)", "A page back", show=False),
        Binding("pagedown", "scroll_by(5)", "A page on", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = "#leave"

    def __init__(
        self,
        question: QuestionAsked,
        place: tuple[int, int],
        run: Callable[[], RunState],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self.question = question
        self._place = place
        self._run = run
        self._clock = clock

    @property
    def is_open(self) -> bool:
        """Whether the question still waits for an answer."""
        return self.question in self._run().questions

    def compose(self) -> ComposeResult:
        """Title, text, one row for each choice, the time that is left."""
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(self._title(), classes="dialog-title", markup=False)
            text = "\n".join(one_line(line) for line in self.question.text.splitlines())
            yield Static(text, classes="dialog-text", markup=False)
            for choice in self.question.choices:
                yield Option(choice)
                if self._takes_amount(choice):
                    yield from self._amount()
            yield Static(id="due", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("esc  leave it open", id="leave", compact=True)

    def _title(self) -> str:
        number, many = self._place
        named, world = title(self.question), self.question.world
        about = f"{world}: " if world and world not in named else ""
        return f"{about}{named}{f'  ({number} of {many})' if many > 1 else ''}"

    def _takes_amount(self, choice: Choice) -> bool:
        return choice.name == RAISE and self.question.amount is not None

    def _amount(self) -> ComposeResult:
        with Horizontal(classes="field amount"):
            yield Static("to $", classes="field-name", markup=False)
            proposed = f"{self.question.amount:.2f}"
            yield AmountInput(proposed, id="amount", compact=True, select_on_focus=False)
        yield Static(id="problem", markup=False)

    def on_mount(self) -> None:
        """Count the time down."""
        self.refresh_now()
        self.set_interval(REFRESH_SECONDS, self.refresh_now)

    def refresh_now(self) -> None:
        """Show the time that is left; close when somebody else, or time, has answered."""
        if not self.is_open:
            if self.is_active:  # a second one would take the race's screen with it
                self.dismiss(None)
            return
        question = self.question
        if question.until is None:
            said = "It waits for your answer."
        else:
            said = f"Without an answer: {due(question, self._clock())}."
        self.query_one("#due", Static).update(said)

    # --- answers ---------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """A choice's key is the answer; a digit begins an amount."""
        for choice in self.question.choices:
            if event.character is not None and event.character == choice.key:
                event.stop()
                self._take(choice)
                return
        amounts = self.query(AmountInput)
        if not amounts or event.character is None:
            return
        amount = amounts.first()
        if self.focused is amount:  # typed so fast that it was sent before the focus moved
            if event.character in "0123456789.":
                event.stop()
                amount.insert_text_at_cursor(event.character)
        elif event.character in "0123456789":
            event.stop()
            amount.value = event.character
            amount.cursor_position = 1
            self.set_focus(amount)

    def on_option_taken(self, message: Option.Taken) -> None:
        """A choice was clicked, or entered."""
        message.stop()
        self._take(message.option.choice)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter in the amount is the choice that takes it."""
        message.stop()
        self._take(next(one for one in self.question.choices if self._takes_amount(one)))

    def on_input_changed(self, message: Input.Changed) -> None:
        """What was wrong with the amount may be right now."""
        message.stop()
        self._complain("")

    def _take(self, choice: Choice) -> None:
        amount = None
        if self._takes_amount(choice):
            field = self.query_one(AmountInput)
            amount = dollars_of(field.value)
            wrong = NOT_A_NUMBER if amount is None else self._too_little(amount)
            if wrong:
                self._complain(wrong)
                field.focus()
                return
        self.dismiss((choice.name, amount))

    def _complain(self, wrong: str) -> None:
        said = self.query_one("#problem", Static)
        said.update(wrong)
        said.display = bool(wrong)

    def _too_little(self, amount: float) -> str:
        """Why an amount is no budget to go on with."""
        least = at_least(self._run(), self.question)
        return "" if amount >= least else f"It must be {money(least)} at least."

    def action_leave(self) -> None:
        """Leave it open: its key asks again."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The button is its key."""
        event.stop()
        self.action_leave()

    def action_scroll_by(self, rows: int) -> None:
        """Scroll what does not fit."""
        self.query_one(".dialog").scroll_relative(y=rows, animate=False)


def dollars_of(text: str) -> float | None:
    """The amount that a person wrote: 7, 7.50, $1,200; None if it is none."""
    text = text.replace("$", "").replace(" ", "")
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        return None
    amount = float(text)
    return amount if math.isfinite(amount) else None
