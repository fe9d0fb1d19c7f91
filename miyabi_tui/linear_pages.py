"""What the screen shows on pages, as plain lines: score, tests, cost, comparison, events.

The words are those of the screen's own pages; a bar says nothing that its figure does not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.linear_words import world_of, worlds_named
from miyabi_tui.widgets.inert import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.widgets.compare_rows import Row
    from miyabi_tui.widgets.page import Facts
    from miyabi_tui.widgets.rows import Span

NEWEST = 20
_BAR = "━╌"


class Lines:
    """A page whose rows are lines: nothing is cut, nothing is filled up."""

    width = 80

    def __init__(self) -> None:
        self.lines: list[str] = []

    def blank(self) -> None:
        """Nothing: an empty line says nothing to who listens."""

    def heading(self, text: str, said: Sequence[Span] = ()) -> None:
        """What comes below, and something about it."""
        about = _joined(said)
        self.lines.append(f"{text}: {about}" if about else f"{text}:")

    def row(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        """One line."""
        self.lines.append(f"  {_joined([*left, *right])}".rstrip())

    def text(self, text: str, ink: str = "text", mark: Span = ("", "text")) -> None:
        """One line behind a mark."""
        self.row([mark, (text, ink)])

    def bar(self, share: float, ink: str, said: Sequence[Span]) -> None:
        """What the bar says."""
        self.row(said)


def _joined(spans: Iterable[Span]) -> str:
    """The words of a row, harmless and without bars; what stands apart gets a colon or comma."""
    made, gap, marks = "", 0, [": "]
    for text, _ in spans:
        words = " ".join(one_line(text).split())
        if not words.strip(_BAR):
            gap += text.count(" ")
            continue
        gap += len(text) - len(text.lstrip())
        if made and gap > 1:
            made += marks.pop() if marks else ", "
        elif made and gap:
            made += " "
        made += words
        gap = len(text) - len(text.rstrip())
    return made


class Pages:
    """Answers the words that only look."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def score(self, run: RunState, world: WorldState, _rest: str) -> list[str]:
        """Its five parts, each lost point with its reason."""
        from miyabi_tui.widgets.score_page import write_score

        page = Lines()
        write_score(page, _facts(run, world))
        return _of(world, page)

    def tests(self, run: RunState, world: WorldState, _rest: str) -> list[str]:
        """Base against now, and which fail."""
        from miyabi_tui.widgets.tests_page import write_tests

        page = Lines()
        write_tests(page, _facts(run, world))
        return _of(world, page)

    def cost(self, run: RunState, world: WorldState, _rest: str) -> list[str]:
        """Dollars, tokens, waits and each step."""
        from functools import partial

        from miyabi_tui.widgets.cost_page import Waits, read_waits, write_cost

        page, waits = Lines(), Waits()
        past = partial(self._control.records, world=world.id, streams=False)
        found, said = read_waits(past, lambda: False)
        waits.take(found)
        write_cost(page, _facts(run, world), waits, said)
        return _of(world, page)

    def compare(self, run: RunState, rest: str) -> list[str]:
        """All worlds, or two of them and the diff from one to the other."""
        from miyabi_tui.screens.refusals import why_not_compare
        from miyabi_tui.screens.touched import diffs_of
        from miyabi_tui.widgets.compare_rows import figures, files
        from miyabi_tui.widgets.overlap import touched

        if refusal := why_not_compare(run):
            return [refusal]
        named = [world_of(word, run) for word in rest.split()]
        pair = [one for one in named if one is not None]
        if named and (len(pair) != 2 or len(named) != 2 or pair[0] is pair[1]):
            return [f"Which two worlds? compare alone is all, else two of: {worlds_named(run)}"]
        worlds = pair or list(run.worlds)
        lines = [_row(row, worlds) for row in figures(run, worlds, time.time())]
        found = diffs_of(self._control, [one.id for one in worlds if one.worktree_ready])
        diffs = {one: diff for one, diff in found.items() if not isinstance(diff, str)}
        rows = files(touched(diffs), worlds)
        lines += ["Files:" if rows else "No file is changed yet.", *(_row(r, worlds) for r in rows)]
        lines += [
            f"{one}'s files cannot be read: {one_line(why)}"
            for one, why in found.items()
            if isinstance(why, str)
        ]
        return lines + (self._between(*pair) if pair else [])

    def _between(self, one: WorldState, other: WorldState) -> list[str]:
        if not (one.worktree_ready and other.worktree_ready):
            return ["There is no diff between them yet: not both have a worktree."]
        try:
            diff = self._control.diff_between(one.id, other.id)
        except MiyabiError as error:
            return [f"The diff between them cannot be read: {error}"]
        if not diff:
            return [f"{one.id} and {other.id} hold the same."]
        return [f"From {one.id} to {other.id}:", diff.rstrip()]

    def events(self, run: RunState, rest: str) -> list[str]:
        """The newest of the time line."""
        from miyabi_tui.screens.refusals import why_not_read
        from miyabi_tui.widgets.chronicle import Chronicle
        from miyabi_tui.widgets.words import clock

        if refusal := why_not_read(run):
            return [refusal]
        if rest and not (rest.isdecimal() and int(rest)):
            return [f"How many? events alone is the newest {NEWEST}, events 50 the newest 50."]
        try:
            entries = Chronicle().told(self._control.records(streams=False))
        except MiyabiError as error:
            return [f"The events cannot be read: {error}"]
        shown = entries[-int(rest or NEWEST) :]
        lines = [f"{clock(one.since)} {one.world or 'the run'}: {one.text}" for one in shown]
        return [f"{len(shown)} of {len(entries)} events, the newest last:", *lines]


def _facts(run: RunState, world: WorldState) -> Facts:
    from miyabi_tui.widgets.page import Facts

    return Facts(run, world, time.time())


def _of(world: WorldState, page: Lines) -> list[str]:
    return [f"{world.id}:", *page.lines]


def _row(row: Row, worlds: Sequence[WorldState]) -> str:
    """A row of the table as a line: each world with its name, then why."""
    cells = [(world, _cell(cell)) for world, cell in zip(worlds, row.cells, strict=True)]
    said = ", ".join(f"{world.id} {words}" for world, words in cells if words)
    why = f" ({one_line(row.detail)})" if row.detail and said else ""
    return f"  {one_line(row.label[0].strip())}: {said or 'not known yet'}{why}"


def _cell(cell: tuple[Span, ...]) -> str:
    """What it says, without the signs that only catch an eye."""
    from miyabi_tui.widgets.compare_rows import BEST, CLASH, NOTHING

    said = _joined(one for one in cell if one != NOTHING and one[0].strip() != CLASH)
    return f"{said.removesuffix(BEST)}(best)" if said.endswith(BEST) else said
