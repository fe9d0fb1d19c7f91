"""`miyabi demo --tour`: the race screen with eight captions, each with the key that it teaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from miyabi_tui.screens.race import RaceScreen
from miyabi_tui.widgets.tour_caption import Caption, TourCaption

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from miyabi_tui.engine.control import Control

CAPTIONS = (
    Caption(
        "One issue, five worlds",
        "Five agents work on one issue, each on its own copy of the repository. On top: who"
        " leads, and the cost.",
    ),
    Caption(
        "A pane is a world",
        "Its sign says how it is, the line below what it does now. Turn to one by its number, or"
        " with tab.",
        "2",
        ("turn_to", "turn"),
    ),
    Caption(
        "Read one in full",
        "The stream is what the agent thinks, writes and runs. z gives this world the whole"
        " screen.",
        "z",
        ("zoom",),
    ),
    Caption(
        "And back to all five",
        "Full size has tabs: diff, tests, score, cost; . and , turn them. z comes back to the"
        " board.",
        "z",
        ("zoom",),
    ),
    Caption(
        "What did it change?",
        "d shows the diff of the focused world against the base. Close it with esc: the tour"
        " waits.",
        "d",
        ("diff",),
    ),
    Caption(
        "You hold the reins",
        "p freezes a world at once, p again lets it go on. k ends it, s tells it something, w"
        " lets it win.",
        "p",
        ("pause",),
    ),
    Caption(
        "Every key on one page",
        "? lists the keys and signs; the footer shows those that do something now. Close it with"
        " esc.",
        "?",
        ("help",),
    ),
    Caption(
        "The best one wins",
        "Build, tests, lint, quality and security decide. Now try, in a repository of yours:"
        ' miyabi run "fix …"',
    ),
)
OVER = "The tour is over; the race goes on. ? has all keys, miyabi replay shows it again."
LEFT = "The tour is left; the race goes on. Begin it again with: miyabi demo --tour"


class TourScreen(RaceScreen):
    """The race screen, explained; at the end of the tour it is the race screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "tour_next", "Next caption", show=False, priority=True),
        Binding("enter", "tour_on", "Next caption", show=False),
        Binding("escape", "tour_leave", "Leave the tour", show=False),
    ]

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        self.caption = TourCaption(len(CAPTIONS))
        self._number: int | None = 0

    def compose(self) -> ComposeResult:
        """The race, and the caption above the footer."""
        for part in super().compose():
            if part is self.keyline:
                yield self.caption
            yield part

    def on_mount(self) -> None:
        """Begin with the first caption."""
        self.add_class("-touring")
        self._turn_to(0)

    def _turn_to(self, number: int) -> None:
        if number < len(CAPTIONS):
            self._number = number
            self.caption.show(number + 1, CAPTIONS[number])
        else:
            self._end(OVER)

    def _end(self, words: str) -> None:
        self._number = None
        self.remove_class("-touring")
        self.notify(words, timeout=8, markup=False)

    def _done(self, action: str) -> None:
        """Go on if this is what the present caption teaches."""
        if self._number is not None and action in CAPTIONS[self._number].taught:
            self._turn_to(self._number + 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter goes on also where a stream is read and folds, but not while words are typed."""
        if action == "tour_next":
            typing = isinstance(self.focused, Input)
            return self._number is not None and self.app.screen is self and not typing
        return super().check_action(action, parameters)

    def action_tour_next(self) -> None:
        """The next caption, before anything else that enter means."""
        self.action_tour_on()

    def action_tour_on(self) -> None:
        """The next caption; after the last one, enter is what it always is."""
        if self._number is None:
            self.action_zoom_in()
        else:
            self._turn_to(self._number + 1)

    def action_tour_leave(self) -> None:
        """Leave the tour; after it, escape is what it always is."""
        if self._number is None:
            self.action_unzoom()
        else:
            self._end(LEFT)

    # --- what is taught: as ever, and the tour goes on -------------------------------------------

    def action_turn_to(self, number: int) -> None:
        """Turn to a world."""
        super().action_turn_to(number)
        self._done("turn_to")

    def action_turn(self, steps: int) -> None:
        """Turn to another world."""
        super().action_turn(steps)
        self._done("turn")

    def action_zoom(self) -> None:
        """Zoom, or back."""
        super().action_zoom()
        self._done("zoom")

    def action_diff(self) -> None:
        """Show the diff."""
        super().action_diff()
        self._done("diff")

    def action_pause(self) -> None:
        """Freeze the world, or let it go on."""
        super().action_pause()
        self._done("pause")

    def action_help(self) -> None:
        """Show all keys."""
        super().action_help()
        self._done("help")
