"""An old run on the race screen: played from its journal, with a bar that says where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from miyabi_tui.replaying.steered import NOT_STEERED
from miyabi_tui.replaying.survey import Kind
from miyabi_tui.replaying.tape import LONGEST_SILENCE
from miyabi_tui.screens.asking import Asking
from miyabi_tui.screens.dialog import HEIGHTS
from miyabi_tui.screens.race import RaceScreen
from miyabi_tui.screens.replay_commands import (
    REPLAY,
    looking,
    replay_bindings,
    replay_hints,
    steering,
)
from miyabi_tui.widgets.inert import one_line
from miyabi_tui.widgets.replay_bar import BarView, ReplayBar, silence, strongest

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from miyabi_tui.bridge import Batch
    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.replaying.control import ReplayControl
    from miyabi_tui.replaying.moment import Moment
    from miyabi_tui.screens.commands import Command
    from miyabi_tui.widgets.keyline import Hint

DIFFER_SECONDS = 12.0
JUST_PASSED = 1.0  # seconds: the way back from a mark that was passed just now leads before it
READING = "Not there yet: the journal is still being read."
ALIKE = "No two worlds that had done the same ever differ in this run."


class NothingAsked(Asking):
    """What was asked then was answered then."""

    def heard(self, batch: Batch) -> None:
        """Nothing rings."""

    def ask(self, world: WorldId | None) -> None:
        """Say why not."""
        self._race.say(NOT_STEERED)


class ReplayScreen(RaceScreen):
    """The race screen over a `ReplayControl`."""

    BINDINGS: ClassVar[list[BindingType]] = replay_bindings()
    VERTICAL_BREAKPOINTS = HEIGHTS

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        super().__init__(control, clock)
        from miyabi_tui.replaying.control import ReplayControl

        assert isinstance(control, ReplayControl)
        self.replay: ReplayControl = control
        self.bar = ReplayBar()
        self._asking = NothingAsked(self, control, clock)
        self._marked = -1
        self._marks: tuple[tuple[float, int], ...] = ()

    def compose(self) -> ComposeResult:
        """The race, and the bar above the footer."""
        for part in super().compose():
            if part is self.keyline:
                yield self.bar
            yield part

    def hold_still(self) -> bool:
        """The player stands still with us, and what it plays is over."""
        return False

    def pump(self) -> None:
        """Show what was played, or the moment that was jumped to, and where that is."""
        moment = self.replay.landed()
        if moment is not None:
            self._stand_at(moment)
        super().pump()
        self._show_bar()

    def _stand_at(self, moment: Moment) -> None:
        """Show another moment: nothing of what was shown before holds."""
        with self.app.batch_update():
            searched = self._zoomed.searched if self._zoomed is not None else None
            if self._zoomed is not None:
                self._change(None)
            self.read_the_newest()
            self.bridge.state = moment.state
            self.board.begin_anew(moment.state, moment.readings)
            self._show(moment.streams)
            if searched is not None and self._zoomed is not None:
                self._zoomed.search(searched.typed)

    # --- the bar ----------------------------------------------------------------------------------

    def _show_bar(self) -> None:
        replay, player = self.replay, self.replay.player
        survey, tape = replay.survey, replay.tape
        if self._marked != len(survey.marks):
            self._marked = len(survey.marks)
            marks = [(tape.played(one.place), int(one.kind)) for one in survey.marks]
            self._marks = strongest(marks, tape.seconds)
            self.keyline.show(self.zoom_hints(self.offered()))
        self.bar.show(
            BarView(
                playing=player.playing,
                ended=player.ended,
                place=replay.place,
                events=len(tape),
                second=int(player.second * 4) / 4,
                seconds=tape.seconds,
                speed=player.speed,
                note=self._note(),
                trouble=str(replay.trouble or ""),
                marks=self._marks,
                keys=self.size.height < HEIGHTS[1][0],
            )
        )

    def _note(self) -> str:
        """What is at this place: a mark, or a silence that is not played in full."""
        replay = self.replay
        place = replay.place
        here = [one for one in replay.survey.marks if one.place == place]
        if here:
            return max(here, key=lambda one: one.kind).text
        long = replay.tape.silence(place)
        return silence(long) if long > LONGEST_SILENCE else ""

    def offered(self) -> list[Hint]:
        """See `RaceScreen.offered`."""
        player = self.replay.player
        return replay_hints(
            self.run_state,
            playing=player.playing,
            ended=player.ended,
            diverged=self.replay.survey.divergence is not None,
        )

    def listed(self) -> tuple[Command, ...]:
        """See `RaceScreen.listed`."""
        return (*REPLAY, *looking())

    # --- the keys ---------------------------------------------------------------------------------

    def action_play(self) -> None:
        """Play, or stand still."""
        self.replay.toggle()
        self._played_on()

    def action_speed(self, steps: int) -> None:
        """Quicker or slower."""
        self.replay.player.change_speed(steps)
        self._show_bar()

    def action_seconds(self, seconds: int) -> None:
        """So many seconds on or back, as they are played."""
        player, tape = self.replay.player, self.replay.tape
        wanted = player.second + seconds
        self._seek(tape.place_at(wanted) if wanted > 0 else 0)

    def action_mark(self, steps: int) -> None:
        """To a checkpoint of the focused world, or a phase."""
        world = self.board.focused_world
        marks = self.replay.survey.marks
        self._seek_among(
            steps,
            [one.place for one in marks if one.kind is not Kind.CHECKPOINT or one.world is world],
        )

    def action_phase(self, steps: int) -> None:
        """To a phase, the start or the end."""
        marks = self.replay.survey.marks
        self._seek_among(steps, [one.place for one in marks if one.kind in (Kind.PHASE, Kind.END)])

    def _seek_among(self, steps: int, places: list[int]) -> None:
        replay = self.replay
        player, place = replay.player, replay.player.place
        if steps < 0:
            moving = JUST_PASSED * player.speed if player.playing else 0.0
            least = replay.tape.place_at(player.second - moving) if moving else place
            self._seek(max((one for one in places if one < least), default=0))
            return
        found = min((one for one in places if one > place), default=None)
        if found is None and not replay.survey.done:
            self.say(READING)
        else:
            self._seek(len(replay.tape) if found is None else found)

    def action_start(self) -> None:
        """To the start."""
        self._seek(0)

    def action_end(self) -> None:
        """To the end."""
        self._seek(len(self.replay.tape))

    def action_back(self) -> None:
        """To where it stood before the last jump."""
        if self.replay.came_from is not None:
            self._seek(self.replay.came_from)

    def action_divergence(self) -> None:
        """To the first divergence between worlds; from there, back."""
        replay = self.replay
        found = replay.survey.divergence
        if found is None:
            self.say(ALIKE if replay.survey.done else READING)
            return
        place = replay.tape.place_of(found.number)
        if replay.place == place and replay.came_from is not None:
            self.action_back()
            return
        replay.player.play(False)
        self._seek(place)
        self.app.clear_notifications()
        self.notify(one_line(str(found)), timeout=DIFFER_SECONDS, markup=False)

    def action_event(self) -> None:
        """To an event by its number, or to a time."""
        from miyabi_tui.screens.go_to import GoToScreen

        def chosen(place: int | None) -> None:
            if place is not None:
                self._seek(place)

        self.app.push_screen(GoToScreen(self.replay.tape), chosen)

    def _seek(self, place: int) -> None:
        self.replay.seek(place)
        self._played_on()

    def _played_on(self) -> None:
        self.keyline.show(self.zoom_hints(self.offered()))
        self._show_bar()

    def action_help(self) -> None:
        """Show all keys and signs."""
        from miyabi_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(run=self.run_state, listed=looking(), replay=REPLAY))

    def action_leave(self) -> None:
        """Leave: nothing ends by that."""
        self.leave()

    def on_replay_bar_chosen(self, message: ReplayBar.Chosen) -> None:
        """A click on the line."""
        message.stop()
        self._seek(self.replay.tape.place_at(message.second))

    def on_replay_bar_toggled(self, message: ReplayBar.Toggled) -> None:
        """A click on the sign."""
        message.stop()
        self.action_play()


def _refuse(screen: ReplayScreen, *_: Any) -> None:
    """What steers is refused, whatever it would need."""
    screen.say(NOT_STEERED)


for _name in steering():
    setattr(ReplayScreen, _name, _refuse)
