"""What `u` takes back: the pauses, kills and choices made on this screen, the last one first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.state import WorldStatus, rank_key, step_name
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.screens.refusals import why_not_go_back, why_not_unpick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import RunState, WorldState

AT_MOST = 50
NOTHING = "Nothing to undo: no world was paused, killed or made the winner from here."


class Paused(msgspec.Struct, frozen=True):
    """A world was paused; it goes on."""

    world: WorldId

    @property
    def name(self) -> str:
        """What was done, in two words."""
        return f"pause {self.world}"

    def why_moot(self, run: RunState) -> str:
        """Why there is nothing left of it to take back."""
        paused = run.world(self.world).status is WorldStatus.PAUSED
        return "" if paused else f"{self.world} is not paused any more."

    def why_not(self, run: RunState) -> str:
        """Why it cannot be taken back yet, or never."""
        return ""

    def undo(self, run: RunState, control: Control) -> str:
        """Take it back; what to say."""
        control.proceed(self.world)
        return f"{self.world} goes on."


class Killed(msgspec.Struct, frozen=True):
    """Worlds were killed; each goes back to its last checkpoint, in its own pane, and goes on.

    `salts` tell whether they are still in the future that was killed.
    """

    worlds: tuple[WorldId, ...]
    salts: tuple[str, ...]

    @classmethod
    def of(cls, worlds: Sequence[WorldState]) -> Killed:
        """These worlds, as they are now."""
        return cls(tuple(one.id for one in worlds), tuple(one.salt for one in worlds))

    @property
    def name(self) -> str:
        """What was done, in two words."""
        return f"kill {names(self.worlds)}"

    def why_moot(self, run: RunState) -> str:
        """Why there is nothing left of it to take back."""
        if any(not run.world(world).ended for world in self._left(run)):
            return ""
        return "" if self._dead(run) else f"{names(self.worlds)}: back already, or never killed."

    def why_not(self, run: RunState) -> str:
        """Why it cannot be taken back yet, or never."""
        for world in self._left(run):
            if not run.world(world).ended:
                return f"{world} is still being ended: undo it in a moment."
        dead = self._dead(run)
        back = [one for one in dead if run.world(one).checkpoints]
        if dead and not back:
            return f"{names(dead)} had no checkpoint yet: there is nothing to go back to."
        return why_not_go_back(run, run.world(back[0])) if back else ""

    def undo(self, run: RunState, control: Control) -> str:
        """Take it back; what to say."""
        back = [one for one in self._dead(run) if run.world(one).checkpoints]
        steps = []
        for world in back:
            last = run.world(world).checkpoints[-1].step
            control.fork(Fork(source=world, step=last))
            steps.append(step_name(last))
        where = steps[0] if len(set(steps)) == 1 else ", ".join(steps)
        again = " The winner is chosen again when it is done." if run.winner else ""
        return f"{names(back)} {'is' if len(back) == 1 else 'are'} back at {where}.{again}"

    def _left(self, run: RunState) -> list[WorldId]:
        """Those that nobody has taken back since."""
        pairs = zip(self.worlds, self.salts, strict=True)
        return [world for world, salt in pairs if run.world(world).salt == salt]

    def _dead(self, run: RunState) -> list[WorldId]:
        return [one for one in self._left(run) if run.world(one).status is WorldStatus.KILLED]


class Picked(msgspec.Struct, frozen=True):
    """A world was made the winner; the one that was picked before is it again, or the evidence's.

    `ended` are the worlds that were at work: the choice has ended them.
    """

    world: WorldId
    before: WorldId | None = None
    ended: Killed | None = None

    @classmethod
    def of(cls, run: RunState, world: WorldId) -> Picked:
        """This choice, made now."""
        before = run.picked or (run.winner if run.winner_by_person else None)
        at_work = [one for one in run.worlds if not one.ended and one.id is not world]
        return cls(world, before, Killed.of(at_work) if at_work else None)

    @property
    def name(self) -> str:
        """What was done, in two words."""
        return f"choice of {self.world}"

    def why_moot(self, run: RunState) -> str:
        """Why there is nothing left of it to take back."""
        chosen = run.picked is self.world or (run.winner is self.world and run.winner_by_person)
        return "" if chosen else f"{self.world} is not your choice any more."

    def why_not(self, run: RunState) -> str:
        """Why it cannot be taken back yet, or never."""
        return why_not_unpick(run)

    def undo(self, run: RunState, control: Control) -> str:
        """Take it back; what to say."""
        if self.before is not None:
            control.pick(self.before)
            return f"{self.before} is your choice again, as before."
        control.unpick()
        said = f"The choice of {self.world} is taken back: {by_evidence(run)}."
        if self.ended is not None:
            said += f" It had ended {names(self.ended.worlds)}: undo again brings back who was."
        return said


Deed = Paused | Killed | Picked


class Undo:
    """The deeds of one screen, the last one on top."""

    def __init__(self) -> None:
        self._deeds: list[Deed] = []

    def did(self, deed: Deed) -> None:
        """Remember what was done."""
        self._deeds = [*self._deeds, deed][-AT_MOST:]

    def forget_pause(self, world: WorldId) -> None:
        """It goes on by the person's own key: that needs no second way back."""
        self._deeds = [one for one in self._deeds if one != Paused(world)]

    def offers(self, run: RunState) -> str:
        """What `u` would take back, in a word; empty where it would do nothing."""
        deed = self._next(run)
        if deed is None or deed.why_moot(run) or deed.why_not(run):
            return ""
        return deed.name.split()[0]

    def undo(self, run: RunState, control: Control) -> tuple[str, bool]:
        """Take the last deed back; what to say, and whether it was done.

        One that is moot is said and forgotten: never is another one taken back in its place.
        """
        deed = self._next(run)
        if deed is None:
            return NOTHING, False
        if refusal := deed.why_not(run):
            return refusal, False
        moot = deed.why_moot(run)
        if deed in self._deeds:
            self._deeds.remove(deed)
        if moot:
            return f"Nothing to undo of the last {deed.name.split()[0]}: {moot}", False
        said = deed.undo(run, control)
        if isinstance(deed, Picked) and deed.ended is not None:
            self.did(deed.ended)
        return said, True

    def _next(self, run: RunState) -> Deed | None:
        """The last deed; where there is none, a choice that was made elsewhere or before."""
        if self._deeds:
            return self._deeds[-1]
        chosen = run.picked or (run.winner if run.winner_by_person else None)
        return Picked(chosen) if chosen and not why_not_unpick(run) else None


def by_evidence(run: RunState) -> str:
    """Who wins without a choice by hand, as far as that is known."""
    if any(not one.ended for one in run.worlds):
        return "the evidence chooses when all are done"
    best = min((one for one in run.worlds if one.eligible), key=rank_key, default=None)
    if best is None:
        return "by the evidence no world may win"
    then = f", and is merged into {run.target} at once" if _merges_at_once(run) else ""
    return f"by the evidence {best.id} wins{then}"


def _merges_at_once(run: RunState) -> bool:
    return run.merge is MergePolicy.AUTO and run.merge_failed is None


def names(worlds: Sequence[WorldId]) -> str:
    """The worlds in a sentence."""
    *rest, last = worlds
    return f"{', '.join(rest)} and {last}" if rest else str(last)
