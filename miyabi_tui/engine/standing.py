"""How the worlds stand while the race is on: by what is known of each, as far as it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.state import RunState, WorldState, WorldStatus, rank_key

if TYPE_CHECKING:
    from miyabi_tui.engine.worlds import WorldId


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One world in the order of the race; `place` from 1.

    `passed` of `known` tests, as they were last seen; `builds` and `findings` where that is known.
    """

    world: WorldState
    place: int
    passed: int | None = None
    known: int | None = None
    builds: bool | None = None
    findings: int | None = None


def standings(run: RunState) -> tuple[Standing, ...]:
    """All worlds by rank: the winner, those that may win by score, those at work, the rest.

    At work, the share of passing tests goes first, then the step, then the lower cost; a world that
    does not build is behind those that do. Evidence goes before promise: a scored world that may
    win is ahead of every world at work.
    """
    all_tests = run.base.tests_known if run.base else 0
    told = [_told(world, all_tests) for world in run.worlds]
    ordered = sorted(told, key=lambda one: _key(run, one))
    return tuple(msgspec.structs.replace(one, place=n) for n, one in enumerate(ordered, 1))


def place_of(ranked: tuple[Standing, ...], world: WorldId) -> Standing | None:
    """Where a world stands; None where it does not race."""
    return next((one for one in ranked if one.world.id is world), None)


def _told(world: WorldState, all_tests: int) -> Standing:
    """What is known: the review's word, else the sample's, else the agent's own last test run.

    A run of fewer tests than the base has is one of some of them, and tells nothing of the rest.
    """
    evidence, sampled = world.evidence, world.sampled
    if evidence is not None and world.score is not None:
        return Standing(
            world=world,
            place=0,
            passed=evidence.tests_passed,
            known=evidence.tests_known,
            builds=not evidence.build_failures,
            findings=len(evidence.security),
        )
    if sampled is not None:
        return Standing(
            world=world,
            place=0,
            passed=sampled.passed if sampled.builds else None,
            known=sampled.known if sampled.builds else None,
            builds=sampled.builds,
        )
    looks = [one for one in world.progress.tests if one.known >= all_tests]
    if looks:
        return Standing(world=world, place=0, passed=looks[-1].passed, known=looks[-1].known)
    return Standing(world=world, place=0)


def _key(run: RunState, one: Standing) -> tuple[Any, ...]:
    world = one.world
    return (_tier(run, world), *(_at_work(one) if not world.ended else rank_key(world)))


def _tier(run: RunState, world: WorldState) -> int:
    if world.id is run.winner:
        return 0
    if world.eligible:
        return 1
    if not world.ended:
        return 2
    return 3 if world.status in (WorldStatus.SCORED, WorldStatus.LOST) else 4


def _at_work(one: Standing) -> tuple[Any, ...]:
    share = one.passed / one.known if one.known and one.passed is not None else 0.0
    return (one.builds is False, -share, -one.world.step, one.world.meter_usd)
