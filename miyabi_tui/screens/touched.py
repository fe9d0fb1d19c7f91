"""Which worlds touch which files: their diffs against the base, read in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.diff_text import Diff


def diffs_of(control: Control, worlds: Iterable[WorldId]) -> dict[WorldId, Diff | str]:
    """The diff of each world, or why it cannot be read. Blocks for git: from a thread."""
    from miyabi_tui.widgets.diff_text import parse

    found: dict[WorldId, Diff | str] = {}
    for world in worlds:
        try:
            found[world] = parse(control.diff(world))
        except Exception as error:  # one world's trouble must not hide the others
            found[world] = str(error) or type(error).__name__
    return found


def also_in(control: Control, worlds: Iterable[WorldId]) -> dict[str, list[WorldId]]:
    """For each file the worlds, of these, that touch it. Blocks for git: from a thread."""
    also: dict[str, list[WorldId]] = {}
    for world, diff in diffs_of(control, worlds).items():
        if not isinstance(diff, str):
            for path in {path for one in diff.files for path in (one.path, one.old_path) if path}:
                also.setdefault(path, []).append(world)
    return also
