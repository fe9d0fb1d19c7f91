"""How fast a line carries what is painted, from frames that the terminal itself acknowledges.

After a frame the terminal is asked where its cursor is, which every terminal answers at once. The
answer says that all bytes before the question have come through: ssh, tmux and every buffer between
included. Until then nothing more is painted, so that nothing queues (facts-terminal.md); only what
a key asked for may go out behind one frame that is under way.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

QUESTION = "\x1b[6n"
PATIENCE = 2.0  # seconds for the very first answer; who is silent then is never asked again
AGAIN = 5.0  # seconds after which a terminal that has answered before is asked once more
# Bytes of a frame: the quickest small one tells the way there and back; a large one, at least twice
# its size, the line's breadth; from some size on, a frame shows at least what is carried.
SMALL, SOME, LARGE = 2_400, 400, 1_200
MOST = 4.0  # times what a frame shows by itself: its way may have been quicker than the quickest
SHARE = 0.3  # weight of the newest frame
# Bytes a second from which a level is left, and below which it is entered.
CALM_BELOW, CALM_ABOVE = 48_000.0, 64_000.0
LEAN_BELOW, LEAN_ABOVE = 20_000.0, 28_000.0
DEAR_BELOW = 500_000.0  # all is painted, but nothing that stands, and for a key its own alone


class Level(IntEnum):
    """How much is painted: all of it; gauges seldom; streams by their newest line alone."""

    FULL = 0
    CALM = 1
    LEAN = 2


class Pacer:
    """Whether the next frame may go out, and how much should be in it. No clock of its own."""

    def __init__(self) -> None:
        self.level = Level.FULL
        self.rate: float | None = None  # bytes a second
        self._sent: deque[tuple[float, int]] = deque()  # 0 bytes: says nothing about the line
        self._answered = False
        self._asks = True
        self._small = (0, 0.0)  # bytes of a small frame, and its seconds at the quickest

    @property
    def open(self) -> bool:
        """Whether nothing is under way that the terminal has not seen."""
        return not self._sent

    @property
    def open_for_keys(self) -> bool:
        """Whether what a key asked for may go out: never more than one frame is before it."""
        return len(self._sent) < 2

    @property
    def asks(self) -> bool:
        """Whether this terminal answers at all, as far as is known."""
        return self._asks

    @property
    def answers(self) -> bool:
        """Whether this terminal has ever answered."""
        return self._answered

    @property
    def dear(self) -> bool:
        """Whether the line is known as one on which keys wait for bytes."""
        return self.rate is not None and self.rate < DEAR_BELOW

    def sent(self, size: int, now: float) -> None:
        """A frame of `size` bytes went out with a question at its end."""
        if self._asks:  # what waits behind another frame takes longer than the line would
            self._sent.append((now, 0 if self._sent else size))

    def answered(self, now: float) -> None:
        """The terminal has answered the oldest question."""
        if not self._sent:
            return
        self._answered = True
        at, size = self._sent.popleft()
        took = max(1e-4, now - at)
        if took > AGAIN:  # it stood still: that says nothing about the line
            self._sent.clear()
            return
        small, quickest = self._small
        if size >= max(LARGE, 2 * small):
            breadth = (size - small) / max(1e-4, took - quickest)
            self._measured(min(breadth, MOST * size / took))
        elif size >= SOME and self.rate is not None and size / took > self.rate:
            self._measured(size / took)  # at least so much it carries
        if 0 < size < SMALL and (not small or took < quickest):
            self._small = (size, took)

    def _measured(self, rate: float) -> None:
        self.rate = rate if self.rate is None else self.rate + SHARE * (rate - self.rate)
        self._settle()

    def due(self, now: float) -> bool:
        """Whether the terminal should be asked again; a silent one is given up."""
        if not self._sent:
            return False
        waited = now - self._sent[-1][0]
        if not self._answered:
            if waited > PATIENCE:
                self._asks = False
                self._sent.clear()
            return False
        return waited > AGAIN

    def forget(self) -> None:
        """The terminal was somebody else's meanwhile: what was asked will not be answered."""
        self._sent.clear()

    def _settle(self) -> None:
        assert self.rate is not None
        if self.rate < LEAN_BELOW:
            self.level = Level.LEAN
        elif self.level is Level.LEAN and self.rate > LEAN_ABOVE:
            self.level = Level.CALM
        elif self.level is Level.FULL and self.rate < CALM_BELOW:
            self.level = Level.CALM
        elif self.level is Level.CALM and self.rate > CALM_ABOVE:
            self.level = Level.FULL

    def in_words(self) -> str:
        """`line 64 kbit/s` where the line is slow; else nothing."""
        if self.level is Level.FULL or self.rate is None:
            return ""
        kilobits = self.rate * 8 / 1000
        step = 1 if kilobits < 20 else 8 if kilobits < 200 else 50
        return f"line {max(1, round(kilobits / step) * step)} kbit/s"
