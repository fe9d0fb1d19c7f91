"""When too few worlds have succeeded: the strategies of the settings, in order (REQ-ERR-2).

AcceptPartialSuccess is `accept_partial`, RetryWithLowerTemperature `lower_temperature`, SwitchModel
`switch_model`, WaitForHumanIntervention `wait_for_human`, SkipTask `skip`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.errors import MiyabiError, RunHalted, StoreError
from miyabi_tui.engine.state import WorldState, WorldStatus
from miyabi_tui.engine.terms import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable

    import anyio

    from miyabi_tui.engine.bus import Bus
    from miyabi_tui.engine.lanes import Lanes
    from miyabi_tui.engine.questions import Questions
    from miyabi_tui.engine.state import RunState
    from miyabi_tui.engine.terms import Terms

QUESTION = "fallback"
AGAIN, NEXT = "again", "next"


class Fallbacks:
    """Tries what the settings name, each once in a run, until enough worlds have succeeded.

    `hand` is held while worlds begin again: no decision of a person comes in between.
    """

    def __init__(
        self, bus: Bus, lanes: Lanes, hand: anyio.Lock, questions: Questions, terms: Terms
    ) -> None:
        self._bus = bus
        self._hand = hand
        self._lanes = lanes
        self._questions = questions
        self._terms = terms
        self._given_up = False
        self._word_given = bus.state.resumed > 0

    def give_up(self) -> None:
        """Try nothing more: the person wants to end."""
        self._given_up = True

    async def tried(self) -> bool:
        """Try what is left, in order; True as soon as worlds race again because of it.

        False where enough have succeeded, where nothing is left, and where it is left at that.
        """
        while (strategy := self._next()) is not None:
            if await self._try(strategy):
                return True
            if self._settles(strategy):
                return False
        return False

    def _next(self) -> Strategy | None:
        """The strategy to try now, if one is needed."""
        run = self._bus.state
        wanted = min(self._terms.fallback.min_successful_worlds, len(run.worlds))
        enough = _successes(run) >= wanted
        if enough or self._given_up or _decided(run):
            return None
        left = self._terms.on_failure[len(run.tried) :]
        return left[0] if left else None

    def _settles(self, strategy: Strategy) -> bool:
        enough = _successes(self._bus.state) >= self._terms.fallback.accept_at_least
        accepted = strategy is Strategy.ACCEPT_PARTIAL and enough
        return accepted or strategy is Strategy.SKIP

    async def _try(self, strategy: Strategy) -> bool:
        run, terms = self._bus.state, self._terms.fallback
        again = tuple(world for world in run.worlds if _can_go_back(world))
        reason = (
            f"{_successes(run)} of {len(run.worlds)} worlds succeeded,"
            f" {terms.min_successful_worlds} should"
        )
        acts = strategy in (Strategy.LOWER_TEMPERATURE, Strategy.SWITCH_MODEL)
        if acts and not again:
            reason += ", and none can try again"
        await self._bus.emit(
            e.FallbackTried(
                strategy=strategy,
                reason=reason,
                worlds=tuple(world.id for world in again) if acts else (),
            )
        )
        match strategy:
            case Strategy.LOWER_TEMPERATURE:
                return await self._again(again, self._cooler)
            case Strategy.SWITCH_MODEL:
                return await self._again(again, self._with_other_model)
            case Strategy.WAIT_FOR_HUMAN:
                return await self._person_helps(reason, again)
        return False

    async def _person_helps(self, reason: str, again: tuple[WorldState, ...]) -> bool:
        """Ask; a world that the person takes back with r answers as well."""
        failed = tuple(world for world in again if world.status is not WorldStatus.SCORED)
        if failed and not self._questions.interactive:
            return await self._come_back(reason, failed)
        go_on = e.Choice("g", AGAIN, "the worlds that failed go on from where they stood")
        answer = await self._questions.ask(
            kind=e.QuestionKind.FALLBACK,
            key=QUESTION,
            title="too few worlds succeeded",
            text=(
                f"{reason}. Mend what stopped them, say the network or a key, and let them go on"
                " from their last checkpoints; or take a world back with r; or leave it at that."
            ),
            choices=(
                *([go_on] if failed else []),
                e.Choice("n", NEXT, "no: try what is set next, or end with what is there"),
            ),
            default=NEXT,
            grace=self._terms.fallback.timeout_seconds,
        )
        if answer.choice != AGAIN:
            return self._lanes.at_work
        return await self._again(failed, _where_it_stood)

    async def _come_back(self, reason: str, failed: tuple[WorldState, ...]) -> bool:
        """Where nobody is there: end the run so that a person can go on with it, which is the word.

        Raises:
            RunHalted: nobody has gone on with it yet.
        """
        if not self._word_given:
            raise RunHalted(
                f"{reason}: {failed[0].id} {failed[0].reason}", "", "mend that and go on"
            )
        self._word_given = False
        return await self._again(failed, _where_it_stood)

    async def _again(
        self, worlds: tuple[WorldState, ...], how: Callable[[WorldState], Fork]
    ) -> bool:
        """Let each of these worlds go back and try otherwise; whether one does."""
        async with self._hand:
            for world in worlds:
                run = self._bus.state
                if self._given_up or _decided(run) or self._lanes.at_work_on(world.id):
                    continue  # a person was quicker
                try:
                    await self._lanes.fork(how(world))
                except StoreError:
                    raise
                except (KeyError, MiyabiError) as error:
                    cause = "it has no checkpoint" if isinstance(error, KeyError) else error
                    text = f"{world.id} cannot try again: {cause}"
                    await self._bus.emit(e.Notice(level=e.Level.WARNING, text=text))
        return self._lanes.at_work

    def _cooler(self, world: WorldState) -> Fork:
        """A lower temperature, and a lower effort, which stands for it where none is taken."""
        config = world.config
        temperature = round(max(0.0, config.temperature - self._terms.fallback.reduction), 2)
        return replace(_where_it_stood(world), temperature=temperature, effort=config.effort.less)

    def _with_other_model(self, world: WorldState) -> Fork:
        return replace(_where_it_stood(world), model=self._terms.fallback.model)


def _where_it_stood(world: WorldState) -> Fork:
    """A failed world goes on after its last step; one whose result cannot win begins anew."""
    failed = world.status is WorldStatus.FAILED and world.checkpoints
    return Fork(source=world.id, step=world.checkpoints[-1].step if failed else 0)


def _can_go_back(world: WorldState) -> bool:
    """Whether it failed, was stopped by a rule, or cannot win; whom a person killed stays so."""
    no_use = world.status is WorldStatus.SCORED and not world.eligible
    failed = world.status is WorldStatus.FAILED or world.stopped_early
    return bool(world.checkpoints) and (failed or no_use)


def _successes(run: RunState) -> int:
    return sum(world.eligible for world in run.worlds)


def _decided(run: RunState) -> bool:
    return bool(run.winner or run.picked or run.commit)
