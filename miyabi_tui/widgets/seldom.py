"""What is shown less often than it changes: gauges and clocks; what matters comes at once.

While worlds only talk, their numbers change with each piece of text, quicker than anybody reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.pacing import Level

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState, WorldState

GAUGES = {Level.FULL: 0.2, Level.CALM: 1.0, Level.LEAN: 0.6}  # seconds between them
NEWEST_LINES = 0.2  # seconds between the newest lines of lean streams


class Seldom:
    """When what was shown last; all times in seconds by a clock that only goes on."""

    def __init__(self) -> None:
        self._gauges = self._lines = float("-inf")
        self._mattered: object = None
        self.part: int | None = None  # on the slowest lines, which of the gauges' turn it is
        self.owed = False  # whether something changed that was not shown yet

    def gauges(self, level: Level, run: RunState, now: float, *, only_talk: bool = False) -> bool:
        """Whether numbers that go on changing are due, or something happened that matters.

        On a line that carries all, only talk can wait.
        """
        if level is Level.FULL:
            self.owed = only_talk and now - self._gauges < GAUGES[level]
            self.part = self._mattered = None
            self._gauges = self._gauges if self.owed else now
            return not self.owed
        whole = (run.phase, run.winner, run.merge_ready, run.notices, run.questions, run.breakers)
        matters = (*whole, *map(_grave, run.worlds))
        if matters == self._mattered and now - self._gauges < GAUGES[level]:
            self.owed = True
            return False
        grave = matters != self._mattered
        self.part = None if grave or level is not Level.LEAN else (self.part or 0) + 1
        self._gauges, self._mattered, self.owed = now, matters, False
        return True

    def lines(self, now: float) -> bool:
        """Whether the newest lines of lean streams are due."""
        if now - self._lines < NEWEST_LINES:
            return False
        self._lines = now
        return True


def _grave(world: WorldState) -> tuple[object, ...]:
    return world.status, bool(world.waiting), world.exceeded, world.score, world.escapes
