"""A world's checkpoints: take it back to one of them, or let another future begin there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from miyabi_tui.engine.control import Fork
from miyabi_tui.screens.dialog import HEIGHTS
from miyabi_tui.screens.going_back import consequences, standing, why_not
from miyabi_tui.screens.refusals import LOOK_AGAIN
from miyabi_tui.screens.veiled import Veiled
from miyabi_tui.widgets.checkpoint_list import CheckpointHead, CheckpointList
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.tests_page import tests_of
from miyabi_tui.widgets.words import dollars

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from miyabi_tui.engine.state import Checkpoint, RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId

REFRESH_SECONDS = 0.25
WIDTHS = [(0, "-narrow"), (58, "-middle"), (72, "-broad")]
FRAME = 13  # rows of the dialog besides the list


class CheckpointScreen(Veiled["Fork | None"]):
    """The list, what the selected one was, what will happen, and the buttons."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_back", "Go back to it", show=False),
        Binding("f", "fork", "Fork with changes", show=False),
        Binding("escape,q,r", "leave", "Leave", show=False),
        Binding("up,k", "move(-1)", "Newer", show=False),
        Binding("down,j", "move(1)", "Older", show=False),
        Binding("pageup", "move_page(-1)", "A page newer", show=False),
        Binding("pagedown,space", "move_page(1)", "A page older", show=False),
        Binding("home", "newest", "Newest", show=False),
        Binding("end", "oldest", "Oldest", show=False),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]
    VERTICAL_BREAKPOINTS = HEIGHTS
    HORIZONTAL_BREAKPOINTS = WIDTHS
    AUTO_FOCUS = ""

    def __init__(
        self,
        world: WorldId,
        run: Callable[[], RunState],
        clock: Callable[[], float],
        *,
        attached: bool = False,
        step: int | None = None,
    ) -> None:
        super().__init__()
        self._world = world
        self._run = run
        self._clock = clock
        self._attached = attached
        self._step = step
        self._asked_about = standing(run(), run().world(world))
        self.listing = CheckpointList(world)

    @property
    def world(self) -> WorldState:
        """The world as it is now."""
        return self._run().world(self._world)

    def compose(self) -> ComposeResult:
        """Title, list, the selected one, what will happen, buttons."""
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(f"{self._world}: back to a checkpoint", classes="dialog-title")
            yield CheckpointHead(self.listing)
            yield self.listing
            yield Static(id="checkpoint", markup=False)
            yield Static(id="consequences", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("enter  go back", id="go-back", compact=True)
                yield Button("f  fork with changes", id="fork", compact=True)
                yield Button("esc  leave", id="leave", compact=True)

    def on_mount(self) -> None:
        """Show what there is, and what comes."""
        self.refresh_now()
        if self._step is not None:
            self.listing.select_step(self._step)
            self._say()
        self.set_interval(REFRESH_SECONDS, self.refresh_now)

    def refresh_now(self) -> None:
        """Show the present checkpoints: the world may have gone on."""
        world = self.world
        self.listing.show(world, self._clock())
        self.query_one(".dialog").styles.max_height = len(world.checkpoints) + FRAME
        self._say()

    def _say(self) -> None:
        chosen = self.listing.selected
        if chosen is None:
            return
        fork = Fork(source=self._world, step=chosen.step)
        run, world = self._run(), self.world
        refusal = why_not(run, world, extra=False)
        said = Content.styled(refusal, "$ink-warn") if refusal else consequences(run, fork)
        self.query_one("#checkpoint", Static).update(_described(chosen, world))
        self.query_one("#consequences", Static).update(said)

    # --- moving ----------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        """Select another checkpoint."""
        self.listing.move(rows)
        self._say()

    def action_move_page(self, pages: int) -> None:
        """Select one a page further."""
        self.action_move(pages * max(1, self.listing.size.height - 1))

    def action_newest(self) -> None:
        """Select the newest."""
        self.listing.select(0)
        self._say()

    def action_oldest(self) -> None:
        """Select the oldest."""
        self.listing.select_end()
        self._say()

    def on_checkpoint_list_picked(self, message: CheckpointList.Picked) -> None:
        """A click in the list."""
        message.stop()
        self._say()

    # --- answers ---------------------------------------------------------------------------------

    def action_go_back(self) -> None:
        """Take the world back to the selected checkpoint."""
        chosen = self.listing.selected
        if chosen is not None and self._stands(chosen, extra=False):
            self.dismiss(Fork(source=self._world, step=chosen.step))

    def action_fork(self) -> None:
        """Ask what is to be different, and begin another future with it."""
        chosen = self.listing.selected
        if chosen is None or not self._stands(chosen, extra=False):
            return
        from miyabi_tui.screens.fork import ForkScreen

        dialog = self.query_one(".dialog")

        def answered(fork: Fork | None) -> None:
            dialog.visible = True
            if fork is not None:
                self.dismiss(fork)

        form = ForkScreen(
            self._world,
            chosen,
            self._run,
            stands=lambda extra: self._stands(chosen, extra=extra),
            attached=self._attached,
        )
        dialog.visible = False  # the form is smaller, and lies over it
        self.app.push_screen(form, answered)

    def action_leave(self) -> None:
        """Leave everything as it is."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is its key."""
        event.stop()
        match event.button.id:
            case "go-back":
                self.action_go_back()
            case "fork":
                self.action_fork()
            case _:
                self.action_leave()

    def _stands(self, chosen: Checkpoint, *, extra: bool) -> bool:
        """Whether an answer still means what was asked; else says why not, and asks again."""
        run, world = self._run(), self.world
        now = standing(run, world)
        refusal = why_not(run, world, extra)
        if not refusal and (chosen not in world.checkpoints or now != self._asked_about):
            refusal = LOOK_AGAIN
        self._asked_about = now
        if refusal:
            self.refresh_now()
            self.app.notify(refusal, severity="warning", timeout=4, markup=False)
        return not refusal


def _described(chosen: Checkpoint, world: WorldState) -> Content:
    """The whole of what was done, and the figures that a narrow list leaves out."""
    at = time.strftime("%H:%M:%S", time.localtime(chosen.at))
    figures = [at, dollars(chosen.cost_usd, world.price_known), tests_of(chosen, short=False)[0]]
    name = f"step {chosen.step}" if chosen.step else "base"
    facts = " · ".join(filter(None, [name, *figures]))
    return Content("\n").join(
        [
            Content.styled(one_line(chosen.doing) or "no call was made", "$ink-text"),
            Content.styled(facts, "$ink-dim"),
        ]
    )
