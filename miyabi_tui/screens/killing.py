"""The question before a world is ended: what its end means, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.state import WorldStatus, step_name
from miyabi_tui.screens.dialog import Question
from miyabi_tui.screens.refusals import why_not_kill

if TYPE_CHECKING:
    from collections.abc import Callable

    from miyabi_tui.engine.state import RunState, WorldState
    from miyabi_tui.engine.worlds import WorldId


class KillQuestion(Question):
    """Asks about a world as it is: not about another future that takes its place meanwhile."""

    def __init__(self, run: Callable[[], RunState], world: WorldId) -> None:
        super().__init__(f"Kill {world}?", run, f"kill {world}", "let it live")
        self._world = world
        self._salt = run().world(world).salt

    def says(self, run: RunState) -> str:
        """What its end means."""
        return consequences(run, run.world(self._world))

    def why_moot(self, run: RunState) -> str:
        """It has ended by itself, or gone back to a checkpoint."""
        world = run.world(self._world)
        if refusal := why_not_kill(run, world):
            return refusal
        return "" if world.salt == self._salt else f"{world.id} has begun another future: ask anew."


def consequences(run: RunState, world: WorldState) -> str:
    """What killing this world does to it and to the race, and the way back."""
    said = ["Its processes end now and it gets no score. Its worktree and branch stay."]
    others = [one for one in run.worlds if one.id is not world.id]
    if run.picked is world.id:
        said.append("It is your choice for the winner: without a result it cannot win.")
    elif any(not one.ended for one in others):
        said.append("The other worlds go on.")
    elif any(one.eligible for one in others):
        said.append("It is the last at work: the winner is chosen from those that have a score.")
    else:
        said.append("It is the last at work, and no other world may win.")
    if world.checkpoints:
        last = step_name(world.checkpoints[-1].step)
        said.append(f"u brings it back at {last}, its last checkpoint; r at any.")
    else:
        said.append("It has no checkpoint yet: it could not be brought back.")
    where = f"is at step {world.step}" if world.step else "has not begun yet"
    if world.status is WorldStatus.EVALUATING:
        where = f"has done its work, {world.step} steps, and is being measured"
    return f"{' '.join(said)}\n{world.id} {where}."
