"""The run as a picture: a lane for each world, in which its states stand as blocks over time."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.widgets.palette import Inks, inks
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.words import clock
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.strip import Strip

    from miyabi_tui.engine.worlds import WorldId

NAME = 11  # columns of the names
NARROW, NAME_NARROW = 70, 3
STEP = "step"
ON = "goes on"
HELD = ("waits", "paused")
Mark = tuple[float, "WorldId", str, str]
"""A time of the run, a world, the state that begins and the moment that it is."""
_LOOKS = {
    "prepares": ("░", "faint"),
    "works": ("━", "world"),
    STEP: ("╋", "world"),
    "waits": ("┄", "warn"),
    "paused": ("‖", "warn"),
    "evaluates": ("▒", "accent"),
    "done": ("·", "faint"),
    "◆": ("◆", "strong"),
    "★": ("★", "won"),
    "⊘": ("⊘", "bad"),
    "■": ("■", "bad"),
    "✗": ("✗", "bad"),
}
_RANK = {STEP: 1, "◆": 3, "★": 4, "⊘": 3, "■": 3, "✗": 3}


class Lane:
    """One world: when which state began, and its moments (steps and its end)."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.states: list[str] = []
        self.moments: list[tuple[float, str]] = []
        self._before = "works"

    def enter(self, since: float, state: str) -> None:
        """Another state begins, or the one before a pause or a wait goes on."""
        now = self.states[-1] if self.states else ""
        if state == ON:
            if now not in HELD:
                return
            state = self._before
        elif state in HELD and now not in HELD:
            self._before = now or "works"
        if now != state:
            self.times.append(since)
            self.states.append(state)

    def looks(self, start: float, end: float) -> str | None:
        """What to show of the time from `start` to `end`: a moment before a state."""
        first = bisect_right(self.moments, start, key=lambda one: one[0])
        last = bisect_right(self.moments, end, key=lambda one: one[0])
        found = max(self.moments[first:last], key=lambda one: _RANK[one[1]], default=(0.0, ""))[1]
        if found:
            return found
        at = bisect_right(self.times, end) - 1
        return self.states[at] if at >= 0 else None


class Lanes(ReadyRows):
    """A time scale, and below it the lanes."""

    GROUND = "surface"

    def __init__(self) -> None:
        super().__init__()
        self.lanes: dict[WorldId, Lane] = {}
        self.end = 0.0
        self.cursor: float | None = None
        self.chosen: WorldId | None = None

    def take(self, marks: Iterable[Mark], end: float) -> None:
        """Go on with these, up to the time `end` of the run."""
        self.end = max(self.end, end)
        for since, world, state, moment in marks:
            lane = self.lanes.setdefault(world, Lane())
            if state:
                lane.enter(since, state)
            if moment:
                lane.moments.append((since, moment))
        self.forget()

    @property
    def rows(self) -> int:
        """How many rows it takes."""
        return len(self.lanes) + 1

    def make(self, width: int, height: int) -> list[Strip]:
        """The scale, and a row a world; where there is little room, the chosen world's is kept."""
        name = NAME if width >= NARROW else NAME_NARROW
        room = max(1, width - name - 2)
        worlds = list(self.lanes)
        if self.chosen in worlds and height - 1 < len(worlds):
            worlds.remove(self.chosen)
            worlds.insert(0, self.chosen)
        strips = [self._scale(width, name, room)]
        strips += [self._lane(world, width, name, room) for world in worlds]
        return strips

    def _scale(self, width: int, name: int, room: int) -> Strip:
        marks = max(1, room // 20)
        line = ""
        for n in range(marks):
            at = n * room // marks
            line = f"{line:<{at}}{clock(self.end * at / room)}"
        end = clock(self.end)
        line = f"{line[: room - len(end) - 1]:<{room - len(end)}}{end}"
        spans: list[Span] = [(" " * (name + 1), "text")]
        if self.cursor is not None and self.end > 0:
            at = min(room - 1, int(self.cursor / self.end * room))
            spans += [(line[:at], "faint"), ("▼", "accent"), (line[at + 1 :], "faint")]
        else:
            spans.append((line, "faint"))
        return strip_of(spans, width, self.ink)

    def _lane(self, world: WorldId, width: int, name: int, room: int) -> Strip:
        ink = Inks(self.ink)
        own = inks(self, self.GROUND, world)
        ink |= {"world": own["world"], "name": own["name"]}
        label = f"{world.key} {world}" if name == NAME else world.key
        mark = "▸" if world is self.chosen else " "
        spans: list[Span] = [(f"{mark}{label}", "name")]
        spans.append((" " * (name + 1 - cells(label) - 1), "text"))
        lane, each = self.lanes[world], self.end / room if self.end else 0.0
        for n in range(room):
            look = lane.looks(n * each if n else -1.0, (n + 1) * each if each else 0.0)
            spans.append(_LOOKS[look] if look else (" ", "text"))
        return strip_of(spans, width, ink)


def mark_of(event: e.AnyEvent, since: float) -> Mark | None:
    """What an event at this time of the run means for the lane of its world."""
    world = e.world_of(event)
    state, moment = _of(event)
    return (since, world, state, moment) if world and (state or moment) else None


def _of(event: e.AnyEvent) -> tuple[str, str]:
    """The state that an event begins, and the moment that it is."""
    match event:
        case e.WorldScored(ineligible=reasons):
            return "done", "⊘" if reasons else "◆"
        case e.WorldWaiting(reason=reason):
            return ("waits" if reason else ON), ""
        case e.StepFinished():
            return "", STEP
        case e.WinnerSelected():
            return "done", "★"
        case e.WorldKilled():
            return "done", "■"
        case e.WorldFailed():
            return "done", "✗"
    return _STATES.get(type(event), ""), ""


_STATES = {
    e.WorldPreparing: "prepares",
    e.WorldStarted: "works",
    e.StepStarted: "works",
    e.WorldForked: "works",
    e.WorldRestored: "works",
    e.WorldPaused: "paused",
    e.WorldContinued: ON,
    e.AttemptFinished: "evaluates",
    e.EvaluationStarted: "evaluates",
}
