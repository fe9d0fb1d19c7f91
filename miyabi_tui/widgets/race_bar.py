"""The race bar: the worlds by rank, each with its live standing, in one row over the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.strip import Strip

from miyabi_tui.engine.standing import Standing, standings
from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.widgets.asking import spent
from miyabi_tui.widgets.palette import inks
from miyabi_tui.widgets.rows import ReadyRows, Span, strip_of
from miyabi_tui.widgets.words import calm_ink, points
from miyabi_tui.widgets.wrap import cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.words import Sign

METER = 8
LEAST_CELL = 10  # a mark, the key, a sign and a score
NEEDED, WISHED = 1, 3  # the ranks that a name is shortened for: to its key, to three letters
LONG, SHORT = 20, 3  # letters of a name


class RaceBar(ReadyRows):
    """One cell a world; a click turns to it."""

    GROUND = "surface"

    class Chosen(Message):
        """A world was clicked."""

        def __init__(self, bar: RaceBar, world: WorldId) -> None:
            super().__init__()
            self.bar = bar
            self.world = world

        @property
        def control(self) -> RaceBar:
            """The bar."""
            return self.bar

    def __init__(self) -> None:
        super().__init__(id="racebar")
        self._ranked: tuple[Standing, ...] = ()
        self._signs: Mapping[WorldId, Sign] = {}
        self._focused: WorldId | None = None
        self._cells: list[tuple[range, WorldId]] = []

    def show(self, run: RunState, signs: Mapping[WorldId, Sign], focused: WorldId | None) -> None:
        """Show another state; `signs` are those of the panes."""
        self._ranked, self._signs, self._focused = standings(run), signs, focused
        self.remake()

    def make(self, width: int, height: int) -> list[Strip]:
        """The cells, as wide as there is room for; what does not fit goes by rank."""
        self._cells = []
        if not self._ranked:
            return []
        shown, more = self._ranked, ""
        if width < len(shown) * LEAST_CELL:
            kept = max(1, (width - len(f" +{len(shown)} ")) // LEAST_CELL)
            shown, more = shown[:kept], f" +{len(shown) - kept} "
        room = width - len(more)
        stops = [room * (index + 1) // len(shown) for index in range(len(shown))]
        sizes = [stop - start for start, stop in zip([0, *stops], stops, strict=False)]
        letters = _letters(shown, min(sizes) - 2)
        strips, x = [], 0
        for index, (one, size) in enumerate(zip(shown, sizes, strict=True)):
            world = one.world.id
            ink = inks(self, self.GROUND, world)
            focused = world is self._focused
            mark: Span = ("▸", "world") if focused else ("›" if index else " ", "faint")
            strips.append(strip_of([mark, *self._cell(one, letters, size - 2)], size, ink))
            self._cells.append((range(x, x + size), world))
            x += size
        if more:
            strips.append(strip_of([(more, "dim")], len(more), self.ink))
        return [Strip.join(strips)]

    def _cell(self, one: Standing, letters: int, room: int) -> list[Span]:
        """Key, name and state; then as much of the standing as there is room for."""
        sign = self._signs.get(one.world.id)
        head: list[Span] = [
            (_name(one, letters), "name"),
            (f"{sign.symbol} " if sign else "", calm_ink(sign.ink if sign else "text")),
        ]
        return [*head, *_fitting(_parts(one), room - sum(cells(text) for text, _ in head))]

    def on_click(self, event: events.Click) -> None:
        """A click on a world turns to it."""
        for place, world in self._cells:
            if event.x in place:
                event.stop()
                self.post_message(self.Chosen(self, world))


def _parts(one: Standing) -> list[tuple[int, list[Span]]]:
    """What can be said of a world, in the order it stands there; the highest rank goes first."""
    world = one.world
    parts: list[tuple[int, list[Span]]] = []
    if world.score is not None:
        inked = "bad" if world.ineligible else "strong"
        parts.append((0, [(points(world.score.total), inked)]))
    if one.builds is False:
        parts.append((1, [("no build", "bad")]))
    elif one.known and one.passed is not None:
        good = one.passed == one.known
        many = (f"{one.passed}/{one.known}", "good" if good else "warn")
        parts.append((6, _meter(one.passed / one.known)))
        parts.append((1, [many]))
        parts.append((7, [("tests", "faint")]))
    if one.builds and world.score is None:
        parts.append((8, [("builds", "faint")]))
    if one.findings:
        parts.append((4, [(f"{one.findings}!", "warn")]))
    if world.status not in (WorldStatus.QUEUED, WorldStatus.PREPARING):
        parts.append((3, [(spent(world), "text")]))
        if world.step and not world.ended:
            parts.append((5, [(f"step {world.step}", "dim")]))
    return parts


def _meter(share: float) -> list[Span]:
    full = round(METER * share)
    full = min(METER - 1, full) if share < 1 else METER
    return [("━" * full, "world"), ("╌" * (METER - full), "faint")]


def _name(one: Standing, letters: int) -> str:
    world = one.world.id
    return f" {world.key} {world[:letters]} " if letters else f" {world.key} "


def _letters(shown: Sequence[Standing], room: int) -> int:
    """How much of the names there is room for: the same for all, so that they can be compared."""
    for most, forms in ((WISHED, (LONG, SHORT)), (NEEDED, (LONG, SHORT, 0)), (-1, (SHORT,))):
        for letters in forms:
            if all(_has_room(one, letters, room, most) for one in shown):
                return letters
    return 0


def _has_room(one: Standing, letters: int, room: int, most: int) -> bool:
    """Whether the name leaves room for what counts up to this rank; for the last, for one part."""
    parts = sorted((part for part in _parts(one) if part[0] <= most), key=lambda part: part[0])
    needed = parts[:1] if most == NEEDED else parts
    return cells(_name(one, letters)) + 2 + _length(needed) <= room


def _fitting(parts: Sequence[tuple[int, list[Span]]], room: int) -> list[Span]:
    left = list(parts)
    while left and _length(left) > room:
        left.remove(max(left, key=lambda part: part[0]))
    spans: list[Span] = []
    for _, part in left:
        spans += [*part, (" ", "text")]
    return spans


def _length(parts: Sequence[tuple[int, list[Span]]]) -> int:
    """The width of these parts with a blank between two of them."""
    return sum(cells(text) for _, part in parts for text, _ in part) + max(0, len(parts) - 1)
