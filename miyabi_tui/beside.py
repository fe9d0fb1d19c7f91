"""Beside a world in its worktree: what is said before and after, where it is, what is changed.

The screen and `--linear` say the same; who holds the terminal gives it away in their own way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from miyabi_tui import aside
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.state import WorldStatus

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState

PAUSE, BESIDE = "pause", "beside"  # what becomes of a world at work meanwhile


def folder_of(control: Control, world: WorldState) -> Path:
    """The world's worktree; blocks for the file system.

    Raises:
        MiyabiError: it is not there.
    """
    folder = control.worktree(world.id)
    if folder is None or not folder.is_dir():
        where = f"it was {folder}" if folder else "it has none"
        text = f"{world.id}'s worktree is not there ({where}): miyabi restore brings it back."
        raise MiyabiError(text)
    return folder


def changed_for(words: list[str], control: Control, world: WorldState) -> list[str]:
    """The files that an editor opens which shows no folder; blocks for git."""
    from miyabi_tui.widgets.diff_text import parse

    if not words or aside.takes_folder(words):
        return []
    try:
        return [one.path for one in parse(control.diff(world.id)).files]
    except MiyabiError:
        return []  # then the editor opens the folder


def greeting(world: WorldState, folder: Path, paused: bool) -> str:
    """What stands above the first prompt."""
    lines = [f"{world.id}'s worktree: {folder}"]
    if paused:
        lines.append(f"{world.id} is paused until you come back.")
    if world.commit:
        lines.append(_measured(world))
    return "\n".join([*lines, "exit, or ctrl+d, takes you back to the race."])


def back(world: WorldState, what: str, code: int, paused: bool) -> str:
    """Where the person was, and what it means."""
    said = f"Back from {what} in {world.id}'s worktree."
    if code:
        said += f" It ended with exit code {code}."
    if paused:
        said += f" {world.id} goes on."
    if world.commit:
        said += f" {_measured(world)}"
    return said


def _measured(world: WorldState) -> str:
    return f"Its result is commit {world.commit[:9]}: what is changed now is no part of it."


def is_at_work(run: RunState, world: WorldState) -> bool:
    """Whether the world may change files while somebody else does."""
    return not (run.finished or world.ended or world.status is WorldStatus.PAUSED)


def environment(run: RunState, world: WorldState, folder: Path) -> dict[str, str]:
    """The person's own, and where they are."""
    return {
        **os.environ,
        "MIYABI_RUN": run.run_id,
        "MIYABI_WORLD": world.id.value,
        "MIYABI_WORKTREE": str(folder),
        "MIYABI_BRANCH": world.config.branch,
    }
