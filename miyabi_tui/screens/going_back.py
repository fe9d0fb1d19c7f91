"""Going back to a checkpoint, in words: what will happen, and on what an answer stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.screens.refusals import free_world, why_no_room, why_not_go_back
from miyabi_tui.widgets.words import points

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.state import RunState, WorldState


def standing(run: RunState, world: WorldState) -> tuple[object, ...]:
    """What an answer depends on besides the checkpoint: it is asked again when this changes."""
    alive = "" if world.ended else "at work"
    return (alive or world.status, world.score is not None, run.winner, run.picked)


def why_not(run: RunState, world: WorldState, extra: bool) -> str:
    """Why this cannot be done now; empty when it can."""
    return why_not_go_back(run, world) or (why_no_room(run) if extra else "")


def consequences(run: RunState, fork: Fork) -> str:
    """What taking a world back, or letting another one fork, will do."""
    world = run.world(fork.source)
    said = [_elsewhere(run, fork) if fork.extra else _here(world, fork.step)]
    if not fork.extra and world.score is not None:
        said.append(f"Its score of {points(world.score.total)} goes; it is scored again.")
    if not fork.extra and world.status is WorldStatus.PAUSED:
        said.append("Its pause ends: it runs.")
    if run.winner:
        said.append(f"{run.winner} is the winner no longer: the race is decided again.")
    elif run.picked:
        said.append(f"Your pick of {run.picked} is taken back.")
    return " ".join(said)


def _elsewhere(run: RunState, fork: Fork) -> str:
    where = f"step {fork.step} of {fork.source}" if fork.step else "the base"
    stays = "stays as it is" if run.world(fork.source).ended else "goes on"
    return f"{free_world(run)} begins in a pane of its own, from {where}; {fork.source} {stays}."


def _here(world: WorldState, step: int) -> str:
    name, last = world.id, world.step
    where = f"step {step}" if step else "the base"
    if step >= last:
        again = "lives again and goes" if world.ended else "goes"
        return f"{name} {again} on from {where}, as far as it had come."
    later = f"step {last} stays" if step + 1 == last else f"steps {step + 1}–{last} stay"
    alive = " and lives again" if world.ended else ""
    return f"{name} goes back to {where}{alive}; {later} in the archive."
