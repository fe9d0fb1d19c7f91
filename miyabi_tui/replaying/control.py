"""A `Control` that plays a tape instead of racing: what it tells was told before.

One thread reads: pieces ahead of the player, the survey, and the moments that are jumped to. The
screen's own thread never waits for it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.store.reader import read_records
from miyabi_tui.replaying.moment import Moment, moment_at
from miyabi_tui.replaying.player import Player
from miyabi_tui.replaying.steered import NotSteered
from miyabi_tui.replaying.survey import Survey
from miyabi_tui.replaying.tape import PIECE, Tape

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Unpack

    from miyabi_tui.engine.control import Which
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.worlds import WorldId

MOST_AT_ONCE = 2_000  # events a drain
LOOK_SECONDS = 0.02


class ReplayControl(NotSteered):
    """Plays `tape`; a context manager that ends its thread.

    `now` is a clock that only goes on, for the pace; `at` is the place to begin.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        speed: float = 1.0,
        at: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tape = tape
        self.player = Player(tape, now, speed)
        self.survey = Survey(tape)
        self.trouble: MiyabiError | None = None
        self.came_from: int | None = None
        self._begin = at
        self._given = 0
        self._wanted = 0
        self._landing: Future[Moment] | None = None
        self._pieces: dict[int, Future[list[e.Record]]] = {}
        self._closing = threading.Event()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="miyabi-replay")

    def __enter__(self) -> ReplayControl:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._reader.shutdown(cancel_futures=True)

    # --- playing ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Play from where it was to begin."""
        self._reader.submit(self._go_on_surveying)
        self.player.play()
        if self._begin:
            self.seek(self._begin)
            self.player.play(False)

    def subscribe(self) -> ReplaySubscription:
        """What is played, as it is due."""
        return ReplaySubscription(self)

    @property
    def place(self) -> int:
        """How many events have been told, or will have been after the jump that is on its way."""
        return self._given if self._landing is None else self._wanted

    @property
    def jumping(self) -> bool:
        """Whether the moment that was jumped to is still being read."""
        return self._landing is not None

    def clock(self) -> float:
        """The time of the race, as the screen shows it."""
        return self.player.time

    def toggle(self) -> None:
        """Play or stand still; at the end, play again from the start."""
        if self.player.ended and not self.player.playing:
            self.seek(0)
            self.player.play()
        else:
            self.player.play(not self.player.playing)

    def due(self) -> list[e.Record]:
        """What has come since the last call, as far as it is read."""
        if self._landing is not None or self.trouble is not None:
            return []
        target = min(self.player.advance(), self._given + MOST_AT_ONCE)
        found: list[e.Record] = []
        while self._given < target:
            piece = self._piece(self._given // PIECE)
            start = self._given % PIECE
            some = piece[start : start + target - self._given]
            if not some:
                break
            found += some
            self._given += len(some)
        return found

    def _piece(self, number: int) -> list[e.Record]:
        """A piece of the tape, empty while it is being read; the next one is read meanwhile."""
        for wanted in (number, number + 1):
            if wanted not in self._pieces and not self._closing.is_set():
                start = wanted * PIECE
                self._pieces[wanted] = self._reader.submit(self.tape.read, start, start + PIECE)
        for old in [one for one in self._pieces if one not in (number, number + 1)]:
            del self._pieces[old]
        reading = self._pieces[number]
        if not reading.done():
            return []
        try:
            return reading.result()
        except MiyabiError as error:
            self._break(error)
            return []

    def _break(self, error: MiyabiError) -> None:
        self.trouble = error
        self.player.play(False)

    # --- jumping ----------------------------------------------------------------------------------

    def seek(self, place: int) -> None:
        """Jump to a place; `landed` gives the moment there when it is read."""
        self.came_from = self.place
        self.player.put(place)
        self._wanted = self.player.place
        if self._landing is None and not self._closing.is_set():
            self._land()

    def _land(self) -> None:
        self._landing = self._reader.submit(moment_at, self.survey, self.tape, self._wanted)

    def landed(self) -> Moment | None:
        """The moment that was jumped to, once; None while it is not there."""
        if self._landing is None or not self._landing.done():
            return None
        done, self._landing = self._landing, None
        try:
            moment = done.result()
        except MiyabiError as error:
            self._break(error)
            return None
        self._given = moment.place
        if moment.place != self._wanted:  # somebody holds the key
            self._land()
        return moment

    def _go_on_surveying(self) -> None:
        """Survey one more piece, then let others read before the next."""
        if self.survey.done or self._closing.is_set():
            return
        try:
            self.survey.advance()
        except MiyabiError:  # whoever plays until there will be told
            return
        if not self._closing.is_set():
            try:
                self._reader.submit(self._go_on_surveying)
            except RuntimeError:  # closed meanwhile
                return

    def surveyed(self) -> Survey:
        """The survey of the whole tape; blocks until it is done."""
        while not self.survey.done and not self._closing.is_set():
            self._reader.submit(self._go_on_surveying).result()
        return self.survey

    # --- asking -----------------------------------------------------------------------------------

    def diff(self, world: WorldId) -> str:
        """What the world had changed at the last checkpoint before this moment. Blocks.

        Raises:
            MiyabiError: there is no such commit any more; says why.
        """
        from miyabi_tui.replaying.past_diff import diff

        return diff(self._state(), world)

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        """See `Control.diff_between`: at the last checkpoints before this moment.

        Raises:
            MiyabiError: there is no such commit any more; says why.
        """
        from miyabi_tui.replaying.past_diff import diff

        return diff(self._state(), other, since=one)

    def _state(self) -> RunState:
        return self._reader.submit(self.survey.state_at, self.place).result()

    def records(self, **which: Unpack[Which]) -> list[e.Record]:
        """See `Control.records`: of what has happened until this moment."""
        now = self.tape.number(self.place) + 1
        before = which.get("before")
        which["before"] = now if before is None else min(before, now)
        return read_records(self.tape.journal, self.tape.run_id, **which)

    def worktree(self, world: WorldId) -> Path | None:
        """Where the world's files are, if they still are."""
        from pathlib import Path

        made = [
            Path(one.event.path)
            for one in self.records(world=world, streams=False)
            if isinstance(one.event, e.WorktreeCreated)
        ]
        return made[-1] if made and made[-1].is_dir() else None


class ReplaySubscription:
    """A reader of what is played; there is one for each control."""

    closed = False  # there is always a way back

    def __init__(self, control: ReplayControl) -> None:
        self._control = control

    def drain(self) -> list[e.Record]:
        """See `Subscription.drain`."""
        return self._control.due()

    def wait(self, timeout: float | None = None) -> bool:
        """See `Subscription.wait`: a look at the clock now and then."""
        time.sleep(LOOK_SECONDS if timeout is None else min(timeout, LOOK_SECONDS))
        return not self._control.player.ended
