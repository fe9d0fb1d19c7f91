"""A new race: its issue, its worlds and models, what becomes of the winner, what it may cost."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static, TextArea

from miyabi_tui import estimating
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens.dialog import HEIGHTS, WIDTHS
from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.choices import Choices
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.several import Several

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.widget import Widget

    from miyabi_tui.starting import Facts

POLICIES = tuple(MergePolicy)
POLICY_WORDS = ("ask", "at once", "never")
FILE_AT_MOST = 1_000_000  # bytes


class NewRace(Veiled["list[str]"]):
    """A form; closes with the words of `miyabi run`, once they have been found to be right.

    The issue's text is kept by whoever opened it: see `keep`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,ctrl+r,f5", "begin", "Begin", show=False, priority=True),
        Binding("escape", "leave", "Back", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = "#issue"

    def __init__(
        self,
        facts: Facts,
        why_wrong: Callable[[Sequence[str]], str],
        draft: str,
        keep: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._facts = facts
        self._why_wrong = why_wrong
        self._draft = draft
        self._keep = keep
        self._checking = False

    def compose(self) -> ComposeResult:
        """One row for each thing that can be decided."""
        facts = self._facts
        with Vertical(classes="dialog -new-race"):
            yield Static("A new race", classes="dialog-title", markup=False)
            with VerticalScroll(id="new-fields", can_focus=False):
                yield from _field("issue", self._issue())
                hint = "a path: enter reads the issue from it"
                yield from _field("from file", Input(placeholder=hint, id="file", compact=True))
                number = Input(placeholder="if it has one", id="number", compact=True)
                yield from _field("number", number)
                model, alternative = facts.models()
                yield from _field("model", self._model("model", model))
                yield from _field("Epsilon’s", self._model("alternative", alternative))
                yield from _field("worlds", Several([str(one) for one in FIVE], id="worlds"))
                merge = POLICIES.index(facts.settings.merge)
                yield from _field("merge", Choices(POLICY_WORDS, merge, id="merge"))
                yield from _field("budget", self._budget())
            yield Static(id="estimate", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("ctrl+s  begin", id="begin", compact=True)
                yield Button("esc  back", id="leave", compact=True)

    def _issue(self) -> TextArea:
        return TextArea(
            self._draft,
            id="issue",
            compact=True,
            highlight_cursor_line=False,
            tab_behavior="focus",
            placeholder="What is to be done? The first line is its title.",
        )

    def _model(self, name: str, set_to: str) -> Input:
        return Input(placeholder=one_line(set_to), id=name, compact=True)

    def _budget(self) -> Input:
        limit = self._facts.settings.budgets.issue_usd
        usual = f"${limit:g} for the issue, as set" if limit else "no limit is set"
        return Input(placeholder=f"{usual}; 0: no limit", id="budget", compact=True)

    def on_mount(self) -> None:
        """Say what it may cost."""
        self._estimate()

    @on(TextArea.Changed)
    def _typed(self, message: TextArea.Changed) -> None:
        message.stop()
        self._keep(message.text_area.text)

    # --- what the form says -----------------------------------------------------------------------

    @property
    def models(self) -> list[str]:
        """The model of each chosen world."""
        model, other = self._facts.models(self._value("model"))
        other = self._value("alternative") or other
        chosen = self.query_one(Several).chosen
        return [other if one == WorldId.EPSILON else model for one in chosen]

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def words(self) -> list[str]:
        """The words of the command."""
        made = ["run", "--merge", POLICIES[self.query_one(Choices).chosen].value]
        chosen = self.query_one(Several).chosen
        if len(chosen) < len(FIVE):
            made += ["--worlds", ",".join(one.lower() for one in chosen)]
        for name, flag in (
            ("model", "--model"),
            ("alternative", "--alternative-model"),
            ("number", "--issue-number"),
            ("budget", "--budget"),
        ):
            if value := self._value(name).lstrip("#"):
                made.append(f"{flag}={value}")
        # Behind two dashes nothing is an option, whatever an issue begins with.
        return [*made, "--", self.query_one("#issue", TextArea).text]

    def why_not(self) -> tuple[str, str]:
        """What is wrong at a glance, and in which field."""
        text = self.query_one("#issue", TextArea).text.strip()
        if text in ("", "-"):
            return "Say what is to be done, or read it from a file.", "issue"
        if not self.query_one(Several).chosen:
            return "Choose at least one world: space switches it.", "worlds"
        number = self._value("number").lstrip("#")
        if number and not (number.isascii() and number.isdigit() and len(number) <= 12):
            return f"{one_line(number)} is no number of an issue.", "number"
        if not _is_amount(self._value("budget")):
            return "The budget is an amount of US dollars, such as 2.50.", "budget"
        return "", ""

    # --- what happens -----------------------------------------------------------------------------

    @on(Input.Changed)
    @on(Several.Changed)
    def _changed(self, message: Input.Changed | Several.Changed) -> None:
        message.stop()
        other = self._facts.models(self._value("model"))[1]
        self.query_one("#alternative", Input).placeholder = one_line(other)
        self._estimate()

    def _estimate(self) -> None:
        facts, models = self._facts, self.models
        found = estimating.estimate(facts.costs, facts.repo, models)
        said = Content.styled(estimating.in_words(found, len(models)), "$ink-text")
        if budget := self._value("budget"):
            limit = float(budget.removeprefix("$")) if _is_amount(budget) else 0.0
            if found is not None and 0 < limit < found.middle_usd:
                said += Content.styled(" That is more than the budget.", "$ink-warn")
        self.query_one("#estimate", Static).update(said)

    @on(Input.Submitted, "#file")
    def _load(self, message: Input.Submitted) -> None:
        message.stop()
        if path := message.value.strip():
            self.run_worker(functools.partial(self._read, path), thread=True, exclusive=True)

    def _read(self, path: str) -> None:
        """The issue from a file, as far as it is text."""
        try:
            file = Path(self._facts.repo, Path(path).expanduser())
            if file.stat().st_size > FILE_AT_MOST:
                raise ValueError("it is too long for an issue")
            text = file.read_text("utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            said = f"{one_line(path)} cannot be read: {why}"
            self.app.call_from_thread(self._say, said)
        else:
            self.app.call_from_thread(self._loaded, text)

    def _loaded(self, text: str) -> None:
        area = self.query_one("#issue", TextArea)
        area.text = text.replace("\0", "")
        area.focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter goes on to the next field; but a file is read, and may have to be named anew."""
        message.stop()
        if message.input.id != "file":
            self.focus_next()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is its key."""
        event.stop()
        self.action_begin() if event.button.id == "begin" else self.action_leave()

    def action_leave(self) -> None:
        """Back to the list; the text is kept."""
        self.dismiss([])

    def action_begin(self) -> None:
        """Have it checked, in a thread, and leave if it is right."""
        refusal, field = self.why_not()
        if refusal:
            self.query_one(f"#{field}").focus()
            self._say(refusal)
        elif not self._checking:
            self._checking = True
            check = functools.partial(self._check, self.words())
            self.run_worker(check, thread=True)

    def _check(self, words: list[str]) -> None:
        self.app.call_from_thread(self._checked, words, self._why_wrong(words))

    def _checked(self, words: list[str], refusal: str) -> None:
        self._checking = False
        if refusal:
            self._say(refusal)
        elif self.is_current:
            self.dismiss(words)

    def _say(self, text: str) -> None:
        self.notify(text, severity="warning", timeout=8, markup=False)


def _field(name: str, widget: Widget) -> ComposeResult:
    with Horizontal(classes="field"):
        yield Static(name, classes="field-name", markup=False)
        yield widget


def _is_amount(text: str) -> bool:
    """Whether it is nothing, or US dollars."""
    try:
        return not text or 0 <= float(text.removeprefix("$")) < math.inf
    except ValueError:
        return False
