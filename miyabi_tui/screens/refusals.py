"""Why a command cannot be done now, in words a person understands; empty when it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.engine.events import Phase, RunStatus
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.widgets.podium import decided
from miyabi_tui.widgets.words import resume

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState, WorldState

OVER = "the race is over"
LOOK_AGAIN = "The race has gone on: look again."
EXTRA = tuple(world for world in WorldId if world not in FIVE)


def why_not_pause(run: RunState, world: WorldState) -> str:
    """Why this world cannot be paused."""
    if run.finished:
        return f"Nothing to pause: {OVER}."
    if world.ended:
        return f"{world.id} has ended ({world.status}): there is nothing to pause."
    return ""


def why_not_kill(run: RunState, world: WorldState) -> str:
    """Why this world cannot be killed."""
    if run.finished:
        return f"Nothing to kill: {OVER}."
    if world.ended:
        return f"{world.id} has ended already ({world.status})."
    return ""


def why_no_podium(run: RunState) -> str:
    """Why there is no podium to be shown."""
    return "" if decided(run) else "The race is not decided yet: the bar above has the standing."


def why_not_tell(run: RunState, world: WorldState) -> str:
    """Why nobody would read what is said to this world."""
    if run.status is RunStatus.INTERRUPTED:
        return f"The run is interrupted: go on with {resume(run)} first."
    if run.finished:
        return f"Nobody would read it: {OVER}."
    if world.ended:
        return f"{world.id} has ended ({world.status}): nobody would read it."
    status = world.before_pause if world.status is WorldStatus.PAUSED else world.status
    if status is WorldStatus.EVALUATING or world.commit:
        return f"{world.id} is done and being measured: it takes no more turns."
    return ""


def at_work(run: RunState) -> list[WorldId]:
    """The worlds that would read what is said to all."""
    return [world.id for world in run.worlds if not why_not_tell(run, world)]


def why_not_tell_all(run: RunState) -> str:
    """Why there is nobody to say something to."""
    return "" if at_work(run) else "No world is at work: nobody would read it."


def why_not_go_back(run: RunState, world: WorldState) -> str:
    """Why this world cannot be taken back to a checkpoint, nor another one fork from it."""
    if run.commit:
        return f"{run.winner} is merged into {run.branch} already: nothing goes back behind that."
    if run.status is RunStatus.INTERRUPTED:
        return f"The run is interrupted: go on with {resume(run)} first."
    if run.finished:
        return f"No world can go back any more: {OVER}."
    if _is_merging(run):
        return f"{run.winner or 'The winner'} is being merged."
    if not world.checkpoints:
        return f"{world.id} has no checkpoint yet."
    return ""


def why_no_room(run: RunState) -> str:
    """Why no extra world can fork."""
    return "" if free_world(run) else f"All {len(EXTRA)} extra worlds are there already."


def why_not_model(run: RunState, name: str) -> str:
    """Why this model cannot take part; an empty name is the present one."""
    from miyabi_tui.engine.errors import UsageError
    from miyabi_tui.engine.models import registry

    try:
        if name:
            registry.check(name, run.terms.providers)
    except UsageError as error:
        return f"{error.title}: {error.cause or error.next_step}"
    return ""


def free_world(run: RunState) -> WorldId | None:
    """The extra world that would come next."""
    taken = {world.id for world in run.worlds}
    return next((world for world in EXTRA if world not in taken), None)


def why_not_pick(run: RunState, world: WorldState) -> str:
    """Why this world cannot be made the winner."""
    if run.finished:
        return f"No winner can be picked any more: {OVER}."
    if _is_merging(run):
        return f"{run.winner or 'The winner'} is being merged."
    if run.winner is world.id:
        return f"{world.id} is the winner already."
    if not world.worktree_ready:
        return f"{world.id} has no worktree yet: there is nothing to pick."
    if world.ended and not world.commit:
        return f"{world.id} has no result, so it cannot win."
    return ""


def why_not_unpick(run: RunState) -> str:
    """Why a choice made by hand cannot be taken back."""
    if run.commit:
        by_git = f"git revert {run.commit[:9]}"
        return f"{run.winner} is merged into {run.branch} already: only {by_git} undoes that."
    if run.status is RunStatus.INTERRUPTED:
        return f"The run is interrupted: go on with {resume(run)} first."
    if run.finished:
        return f"The choice cannot be taken back: {OVER}."
    return f"{run.winner or 'The winner'} is being merged." if _is_merging(run) else ""


def _is_merging(run: RunState) -> bool:
    return run.phase is Phase.MERGING and not run.merge_ready and run.merge_failed is None


def why_not_merge(run: RunState) -> str:
    """Why nothing can be merged."""
    if run.merge_ready:
        return ""
    if run.commit:
        return f"{run.winner} is merged into {run.branch} already."
    if run.status is RunStatus.NO_WINNER:
        return "There is no safe winner, so nothing to merge."
    if run.finished:
        return f"Nothing can be merged any more: {OVER}."
    if run.winner is None:
        return "There is no winner yet: wait for the scores, or pick one with w."
    return f"{run.winner} is not waiting to be merged."


def why_not_read(run: RunState) -> str:
    """Why the run has neither events nor an issue to read."""
    return "" if run.run_id else "The race has not begun: there is nothing to read yet."


def why_not_compare(run: RunState) -> str:
    """Why there is nothing to compare."""
    return "" if len(run.worlds) > 1 else "There is only one world: nothing to compare it with."


def why_no_diff(world: WorldState) -> str:
    """Why this world has no diff to show."""
    return "" if world.worktree_ready else f"{world.id} has no worktree yet."
