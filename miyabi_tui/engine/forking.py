"""What a fork asked for by a person becomes: which world goes on, with which configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.prompting import system_prompt
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.worlds import FIVE, WorldId

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.repo.worktrees import FiveWorldsManager
    from miyabi_tui.engine.request import RunRequest
    from miyabi_tui.engine.state import RunState


def forked(
    run: RunState, fork: Fork, checkpoint: str, request: RunRequest, manager: FiveWorldsManager
) -> e.WorldForked:
    """The event that begins another future.

    Raises:
        UsageError: no further world is free, or a prompt cannot be read.
    """
    source = run.world(fork.source).config
    config = replace(
        source,
        model=fork.model or source.model,
        temperature=source.temperature if fork.temperature is None else fork.temperature,
        effort=fork.effort or source.effort,
        prompt=fork.prompt or source.prompt,
    )
    if fork.extra:
        config = replace(config, id=free_world(run), worktree="", branch="")
    folder = Path(config.worktree) if config.worktree else manager.path(config.id)
    return e.WorldForked(
        world=config.id,
        source=fork.source,
        step=fork.step,
        checkpoint=checkpoint,
        config=config,
        system=system_prompt(config, folder, request.terms.prompts),
        added=fork.added.strip(),
    )


def free_world(run: RunState) -> WorldId:
    """The next world that is not one of the five and does not race yet.

    Raises:
        UsageError: all of them race.
    """
    taken = {world.id for world in run.worlds}
    for world in WorldId:
        if world not in FIVE and world not in taken:
            return world
    raise UsageError("nine worlds race already", "", "take one of them back instead")
