"""Each screen and each state of it, by a name: an app, and the keys that bring it there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textual.widgets import Input, TextArea

from miyabi_tui.app import MiyabiApp
from tests import board_states as states
from tests.desk import Desk
from tests.diffs import ALPHA, BETA, GAMMA, Worlds
from tests.replays import Cinema, tape_of
from tests.test_issue_screen import with_issue
from tests.test_start import FULL, Begun
from tests.test_timeline import whole
from tests.test_tour import Guided
from tests.zoomed import reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from textual.app import App
    from textual.pilot import Pilot

A, B, C, D = states.A, states.B, states.C, states.D
DIFFS = {A: ALPHA, B: BETA, C: GAMMA, D: states.DIFF}


async def idle(pilot: Pilot[Any]) -> None:
    """Until everything was read and shown."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


@dataclass
class Stage:
    """An app, the keys that are pressed in it, and how to wait for each."""

    app: App[Any]
    keys: tuple[str, ...] = ()
    wait: Callable[[Pilot[Any]], Awaitable[None]] = idle
    around: AbstractContextManager[Any] = field(default_factory=nullcontext)

    async def arrive(self, pilot: Pilot[Any]) -> None:
        """Come into the scene, where nothing blinks."""
        await self.wait(pilot)
        for key in self.keys:
            await pilot.press(key)
            await self.wait(pilot)
        for one in pilot.app.screen.query("*"):
            if isinstance(one, Input | TextArea):
                one.cursor_blink = False


def race(script: Callable[[], states.Script], *keys: str) -> Callable[[Path], Stage]:
    """The race in a state."""
    return lambda _: Stage(Desk(script()).app, keys)


def zoomed(tabs: int) -> Callable[[Path], Stage]:
    """A world that is read, so many tabs on."""
    script = states.choosing if tabs == 3 else reading
    return race(script, "z", *["full_stop"] * tabs)


def apart(*keys: str) -> Callable[[Path], Stage]:
    """Worlds that differ."""

    def made(_: Path) -> Stage:
        control = Worlds(states.choosing(), DIFFS)
        return Stage(MiyabiApp(control, clock=lambda: control.script.now + 1), keys)

    return made


def start(*keys: str) -> Callable[[Path], Stage]:
    """The start screen."""

    def made(_: Path) -> Stage:
        begun = Begun(FULL)

        async def wait(pilot: Pilot[Any]) -> None:
            await begun.ready(pilot)
            await idle(pilot)

        return Stage(begun.app, keys, wait)

    return made


def replay(folder: Path) -> Stage:
    """A run of the past, in the middle."""
    cinema = Cinema(tape_of(folder, states.merged()), at=60)
    return Stage(cinema.app, (), cinema.settle, cinema)


def tour(_: Path) -> Stage:
    """The second caption of the tour."""
    return Stage(Guided(states.racing()).app, ("enter",))


SCENES: dict[str, Callable[[Path], Stage]] = {
    "racing": race(states.racing),
    "mixed": race(states.mixed),
    "waiting": race(states.waiting),
    "asked": race(states.asked),
    "spent": race(states.spent),
    "frozen": race(states.frozen, "4"),
    "escaped": race(states.escaped, "2"),
    "crowded": race(states.crowded),
    "resumed": race(states.resumed, "2"),
    "choosing": race(states.choosing),
    "hostile": race(states.hostile, "3"),
    "merge": race(states.waiting_for_merge),
    "merged": race(states.merged),
    "nobody": race(states.nobody),
    "zoom-stream": zoomed(0),
    "zoom-diff": zoomed(1),
    "zoom-tests": zoomed(2),
    "zoom-score": zoomed(3),
    "zoom-cost": zoomed(4),
    "zoom-checkpoints": zoomed(5),
    "zoom-log": zoomed(6),
    "diff": apart("d"),
    "diff-beside": apart("2", "d", "T", "n"),
    "compare": apart("c"),
    "timeline": race(whole, "t"),
    "issue": lambda _: Stage(with_issue(), ("i",)),
    "help": race(states.racing, "question_mark"),
    "checkpoints": race(states.far, "2", "r", "down", "down"),
    "fork": race(states.far, "2", "r", "f", "down", "right"),
    "kill": race(states.racing, "4", "k"),
    "leave": race(states.racing, "q"),
    "pick": race(states.hostile, "3", "w"),
    "tell": race(states.waiting, "s", *"見る: first", "ctrl+j", *"small"),
    "answer": race(states.asked, "a", "tab"),
    "raise": race(states.spent, "a"),
    "copy": race(states.racing, "2", "y"),
    "aside": race(states.racing, "2", "exclamation_mark"),
    "start": start(*["down"] * 4),
    "start-form": start("n", *"Totals"),
    "replay": replay,
    "tour": tour,
}
