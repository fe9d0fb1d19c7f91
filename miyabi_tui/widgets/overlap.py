"""Where several worlds change the same lines of the base: there only one of them can be right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from miyabi_tui.widgets.diff_text import ADDED, DELETED, SAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.diff_text import Diff, FileDiff

Ranges = list[tuple[int, int]]
"""Half-open, in half lines: line n of the base is 2n, the gap after it 2n + 1."""


@dataclass
class Touched:
    """One file and what each world does to it; `clashes` are those that change the same lines.

    `where` says which lines of the base that is, in words.
    """

    path: str
    by: dict[WorldId, FileDiff] = field(default_factory=dict)
    clashes: tuple[WorldId, ...] = ()
    where: str = ""


def touched(diffs: Mapping[WorldId, Diff]) -> list[Touched]:
    """Every file that a world touches, in order of its path."""
    found: dict[str, Touched] = {}
    ranges: dict[str, dict[WorldId, Ranges]] = {}
    for world, diff in diffs.items():
        for file in diff.files:
            found.setdefault(file.path, Touched(file.path)).by[world] = file
            ranges.setdefault(file.path, {})[world] = _ranges(diff, file)
    for path, one in found.items():
        _clash(one, ranges[path])
    return sorted(found.values(), key=lambda one: one.path)


def _ranges(diff: Diff, file: FileDiff) -> Ranges:
    """What of the base a world changes in a file; of a file without lines all of it."""
    if not file.hunks:
        return [(0, 2)]
    made: Ranges = []
    for hunk in file.hunks:
        line = hunk.old  # where git names no line of the base, this one is before the new ones
        before = SAME
        for at in range(hunk.start + 1, hunk.stop):
            kind = diff.kinds[at]
            line = diff.old[at] or line
            replaces = kind == ADDED and before == DELETED
            before = DELETED if replaces else kind
            if replaces or kind not in (ADDED, DELETED):
                continue
            start = 2 * line + (kind == ADDED)
            stop = start + 1
            if made and start <= made[-1][1]:
                made[-1] = (made[-1][0], max(made[-1][1], stop))
            else:
                made.append((start, stop))
    return made


def _clash(one: Touched, ranges: Mapping[WorldId, Ranges]) -> None:
    """Note who meets whom, and where."""
    worlds = list(ranges)
    met: dict[WorldId, None] = {}
    lines: set[tuple[int, int]] = set()
    for at, first in enumerate(worlds):
        for second in worlds[at + 1 :]:
            common = _common(ranges[first], ranges[second])
            if common:
                met.update({first: None, second: None})
                lines.update(common)
    one.clashes = tuple(world for world in worlds if world in met)
    if met:
        one.where = _words(one, sorted(lines))


def _common(mine: Ranges, theirs: Ranges) -> Ranges:
    found: Ranges = []
    a = b = 0
    while a < len(mine) and b < len(theirs):
        start, stop = max(mine[a][0], theirs[b][0]), min(mine[a][1], theirs[b][1])
        if start < stop:
            found.append((start, stop))
        if mine[a][1] < theirs[b][1]:
            a += 1
        else:
            b += 1
    return found


def _words(one: Touched, lines: Sequence[tuple[int, int]]) -> str:
    hows = {one.by[world].how for world in one.clashes}
    if hows == {"new file"}:
        return "both make it" if len(one.clashes) == 2 else "all make it"
    if any(not one.by[world].hunks for world in one.clashes):
        return "the whole file"
    merged: Ranges = []
    for start, stop in lines:
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return "line " + ", ".join(_lines(merged))


def _lines(ranges: Iterable[tuple[int, int]]) -> list[str]:
    said = []
    for start, stop in ranges:
        first, last = max(1, start // 2), max(1, (stop - 1) // 2)
        said.append(f"{first}–{last}" if last > first else str(first))
    return said
