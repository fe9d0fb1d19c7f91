"""Another future from a checkpoint: what is to be different in it, and where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static, TextArea

from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.worlds import Effort, PromptVariant
from miyabi_tui.screens.dialog import HEIGHTS, WIDTHS
from miyabi_tui.screens.going_back import consequences, why_not
from miyabi_tui.screens.refusals import free_world, why_not_model
from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.choices import Choices
from miyabi_tui.widgets.inert import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.widget import Widget

    from miyabi_tui.engine.state import Checkpoint, RunState
    from miyabi_tui.engine.worlds import WorldId

EFFORTS = tuple(Effort)
PROMPTS = tuple(PromptVariant)
REFRESH_SECONDS = 0.25


class ForkScreen(Veiled["Fork | None"]):
    """A form: what is left alone stays as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,ctrl+s", "fork", "Fork", show=False),
        Binding("escape", "leave", "Back", show=False),
        Binding("up", "app.focus_previous", "Previous field", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = "#model"

    def __init__(
        self,
        world: WorldId,
        checkpoint: Checkpoint,
        run: Callable[[], RunState],
        *,
        stands: Callable[[bool], bool],
        attached: bool = False,
    ) -> None:
        super().__init__()
        self._world = world
        self._config = run().world(world).config
        self._checkpoint = checkpoint
        self._run = run
        self._stands = stands
        self._attached = attached

    def compose(self) -> ComposeResult:
        """One row for each thing that may be different."""
        config = self._config
        step = self._checkpoint.step
        where = f"step {step}" if step else "the base"
        extra = free_world(self._run()) or "none is free"
        with VerticalScroll(classes="dialog", can_focus=False):
            title = f"Another future of {self._world}, from {where}"
            yield Static(title, classes="dialog-title", markup=False)
            model = Input(placeholder=one_line(config.model), id="model", compact=True)
            efforts, prompts = EFFORTS.index(config.effort), PROMPTS.index(config.prompt)
            places = (f"in {self._world}'s pane", f"an extra world: {extra}")
            yield from _field("model", model)
            yield from _field("effort", self._choices("effort", EFFORTS, efforts))
            yield from _field("prompt", self._choices("prompt", PROMPTS, prompts))
            added = TextArea(
                id="added",
                compact=True,
                highlight_cursor_line=False,
                placeholder="an instruction to add, if any",
            )
            yield from _field("say", added)
            yield from _field("where", self._choices("where", places, 0))
            yield Static(id="consequences", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("ctrl+s  fork", id="fork", compact=True)
                yield Button("esc  back", id="leave", compact=True)

    def _choices(self, name: str, options: tuple[str, ...], chosen: int) -> Choices:
        return Choices([str(one) for one in options], chosen, world=self._world, id=name)

    def on_mount(self) -> None:
        """Say what will happen, and go on saying it."""
        self.refresh_now()
        self.set_interval(REFRESH_SECONDS, self.refresh_now)

    def refresh_now(self) -> None:
        """Say what will happen by the present state."""
        run, fork = self._run(), self.answer()
        refusal = why_not(run, run.world(self._world), fork.extra)
        said = Content.styled(refusal, "$ink-warn") if refusal else consequences(run, fork)
        self.query_one("#consequences", Static).update(said)

    def answer(self) -> Fork:
        """What the form says; empty where it is as it was."""
        config = self._config
        model = self.query_one("#model", Input).value.strip()
        effort = EFFORTS[self.query_one("#effort", Choices).chosen]
        prompt = PROMPTS[self.query_one("#prompt", Choices).chosen]
        return Fork(
            source=self._world,
            step=self._checkpoint.step,
            extra=bool(self.query_one("#where", Choices).chosen),
            model="" if model == config.model else model,
            effort=None if effort is config.effort else effort,
            prompt=None if prompt is config.prompt else prompt,
            added=self.query_one("#added", TextArea).text.strip(),
        )

    def on_choices_changed(self, message: Choices.Changed) -> None:
        """Another place means something else."""
        message.stop()
        self.refresh_now()

    @on(Input.Submitted)
    def action_fork(self) -> None:
        """Begin it, if that is possible."""
        fork = self.answer()
        refusal = "" if self._attached else why_not_model(self._run(), fork.model)
        if refusal:
            self.query_one("#model", Input).focus()
            self.notify(refusal, severity="warning", timeout=6, markup=False)
        elif self._stands(fork.extra):
            self.dismiss(fork)
        else:
            self.refresh_now()

    def action_leave(self) -> None:
        """Back to the list."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is its key."""
        event.stop()
        if event.button.id == "fork":
            self.action_fork()
        else:
            self.action_leave()


def _field(label: str, widget: Widget) -> ComposeResult:
    with Horizontal(classes="field"):
        yield Static(label, classes="field-name", markup=False)
        yield widget
