"""Where a replay stands on its tape, and how it goes on: plays, pauses, quicker, slower."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.replaying.tape import Tape

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, math.inf)
LONGEST_TICK = 0.5  # seconds: after a suspended terminal it goes on where it stood
AT_ONCE = 400  # events a tick at the speed `max`


class Player:
    """The place in events and seconds of the tape; `now` is a clock that only goes on."""

    def __init__(self, tape: Tape, now: Callable[[], float], speed: float = 1.0) -> None:
        self._tape = tape
        self._now = now
        self._last = now()
        self.speed = speed
        self.playing = False
        self.place = 0
        self.second = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.place >= len(self._tape)

    @property
    def time(self) -> float:
        """The time of the race that is now."""
        silence = self._tape.silence(self.place)
        since = self.second - self._tape.played(self.place)
        return self._tape.at(self.place) + max(0.0, min(since, silence))

    def play(self, on: bool = True) -> None:
        """Play, or stand still."""
        self._last = self._now()
        self.playing = on

    def put(self, place: int) -> None:
        """Stand at a place: the events before it have happened."""
        self.place = max(0, min(place, len(self._tape)))
        self.second = self._tape.played(self.place)
        self._last = self._now()

    def change_speed(self, steps: int) -> None:
        """Play so many steps quicker or slower."""
        slower = [one for one in SPEEDS if one < self.speed]
        faster = [one for one in SPEEDS if one > self.speed]
        for _ in range(abs(steps)):
            others = faster if steps > 0 else slower
            if others:
                self.speed = others.pop(0) if steps > 0 else others.pop()

    def advance(self) -> int:
        """Go on by the time that has passed; the place then."""
        now = self._now()
        passed, self._last = min(now - self._last, LONGEST_TICK), now
        if not self.playing:
            return self.place
        if math.isinf(self.speed):
            self.place = min(len(self._tape), self.place + AT_ONCE)
            self.second = self._tape.played(self.place)
        else:
            self.second = min(self._tape.seconds, self.second + passed * self.speed)
            self.place = max(self.place, self._tape.place_at(self.second))
        if self.ended:
            self.playing = False
        return self.place
