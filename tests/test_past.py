"""A conversation out of the journal: wherever it was cut, it goes on as if it had not been."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.codegen import Attempt
from miyabi_tui.engine.agents.past import histories
from miyabi_tui.engine.models.base import AssistantMessage, ToolMessage, UserMessage
from miyabi_tui.engine.worlds import WorldId, default_worlds
from tests.office import BROKEN, FINISH, MINUTE, Office, ScriptedModel, bash, calls
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio

ALPHA, ZETA = WorldId.ALPHA, WorldId.ZETA
TURNS = (
    calls(bash("a"), BROKEN, bash("pytest -q")),
    AssistantMessage("I forgot to call a tool."),
    calls(bash("b")),
    calls(bash("c"), FINISH, bash("never run")),
)
DONE = Attempt(e.Ending.FINISHED, "done")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


async def whole() -> Office:
    office = Office(ScriptedModel(*TURNS))
    assert await office.work() == DONE
    return office


async def test_cut_anywhere_it_ends_the_same_and_buys_no_turn_twice() -> None:
    undisturbed = await whole()
    records = undisturbed.journal()
    expected = histories(records)[ALPHA].present
    for cut in range(1, len(records)):
        journal = records[:cut]
        past = histories(journal)[ALPHA].present
        bought = sum(isinstance(record.event, e.TurnFinished) for record in journal)
        office = Office(ScriptedModel(*TURNS))
        office.events = [record.event for record in journal]
        office.events.append(e.WorldRestored(world=ALPHA, step=past.step))
        assert await office.work(past) == DONE, cut
        assert len(office.model.asked) == len(TURNS) - bought, cut
        assert histories(office.journal())[ALPHA].present == replace(
            expected, seconds=pytest.approx(expected.seconds, abs=200)
        ), cut
        steps = [event.step for event in office.of(e.StepFinished)]
        assert steps == [1, 2, 3, 4], cut


async def test_what_the_person_said_is_read_once_wherever_it_was_cut() -> None:
    office = Office(ScriptedModel(*TURNS))
    async with anyio.create_task_group() as group:
        group.start_soon(office.work)
        await anyio.sleep(2 * MINUTE)  # the first step's command runs
        office.post(e.WorldTold(world=ALPHA, text="Mind the tests."))
        office.agent.tell("Mind the tests.")
    records = office.journal()
    expected = histories(records)[ALPHA].present
    assert UserMessage("Mind the tests.") in expected.messages
    said = next(n for n, one in enumerate(records) if isinstance(one.event, e.WorldTold))
    for cut in range(said + 1, len(records)):
        past = histories(records[:cut])[ALPHA].present
        again = Office(ScriptedModel(*TURNS))
        again.events = [record.event for record in records[:cut]]
        again.events.append(e.WorldRestored(world=ALPHA, step=past.step))
        assert await again.work(past) == DONE, cut
        assert histories(again.journal())[ALPHA].present.messages == expected.messages, cut
        told = [text for one in again.of(e.StepStarted) for text in one.told]
        assert set(told) == {"Mind the tests."}, cut


async def test_what_nobody_has_read_goes_along_when_a_world_goes_on_where_it_stood() -> None:
    records = (await whole()).journal()
    said = e.Record(90, 0.0, e.WorldTold(world=ALPHA, text="Mind the tests."))
    config = default_worlds("test/scripted", "x/y")[0]

    def told_after(step: int) -> tuple[str, ...]:
        fork = e.WorldForked(
            world=ALPHA, source=ALPHA, step=step, checkpoint="c", config=config, system="s"
        )
        return histories([*records, said, e.Record(99, 0.0, fork)])[ALPHA].present.told

    assert told_after(4) == ("Mind the tests.",)
    assert told_after(2) == ()  # a past in which it was not said


async def test_what_was_said_before_the_first_turn_is_read_by_it() -> None:
    said = e.Record(0, 0.0, e.WorldTold(world=ALPHA, text="Be quick."))
    started = e.WorldStarted(world=ALPHA, system="s", messages=(UserMessage("the issue"),))
    past = histories([said, e.Record(1, 0.0, started)])[ALPHA].present
    office = Office(ScriptedModel(calls(FINISH)))
    await office.work(past)
    assert office.model.asked[0].messages[-1] == UserMessage("Be quick.")


async def test_each_step_has_a_checkpoint_that_says_what_was_done() -> None:
    office = await whole()
    assert office.kept == [(1, "a; pytest -q"), (2, ""), (3, "b"), (4, "c; finishing")]
    ends = office.of(e.StepFinished)
    assert [end.checkpoint for end in ends] == [f"commit-{step}" for step in (1, 2, 3, 4)]
    assert [end.tests for end in ends] == ["2 passed, 1 failed", "", "", ""]


async def test_a_step_that_cannot_be_saved_is_told_and_the_world_goes_on() -> None:
    office = Office(ScriptedModel(*TURNS))
    office.cannot_keep = True
    assert await office.work() == DONE
    assert [end.checkpoint for end in office.of(e.StepFinished)] == [""] * 4
    assert "step 1 has no checkpoint" in office.of(e.Notice)[0].text


async def test_another_future_begins_with_the_same_past() -> None:
    records = (await whole()).journal()
    config = replace(default_worlds("other/model", "x/y")[0], id=ZETA)
    fork = e.WorldForked(
        world=ZETA,
        source=ALPHA,
        step=2,
        checkpoint="commit-2",
        config=config,
        system="be bold",
        added="Look at the parser first.",
    )
    found = histories([*records, e.Record(99, 0.0, fork)])
    before, after = found[ALPHA].at(2), found[ZETA].present
    assert after.system == "be bold"
    assert after.messages == (*before.messages, UserMessage("Look at the parser first."))
    assert (after.step, after.pending) == (2, None)
    assert found[ALPHA].present.step == 4  # the source is as it was


async def test_a_world_that_had_finished_goes_on_when_it_is_told_something() -> None:
    records = (await whole()).journal()
    config = default_worlds("test/scripted", "x/y")[0]
    fork = e.WorldForked(
        world=ALPHA, source=ALPHA, step=4, checkpoint="c", config=config, system="s", added="More."
    )
    past = histories([*records, e.Record(99, 0.0, fork)])[ALPHA].present
    assert past.finished is None
    answers = past.messages[-4:]
    assert [type(one) for one in answers] == [ToolMessage, ToolMessage, ToolMessage, UserMessage]
    assert answers[2] == ToolMessage("c3", "Not run.", True)  # every call has its answer
    again = e.WorldForked(
        world=ALPHA, source=ALPHA, step=4, checkpoint="c", config=config, system="s"
    )
    assert histories([*records, e.Record(99, 0.0, again)])[ALPHA].present.finished == "done"


async def test_another_model_gets_no_signed_reasoning() -> None:
    turn = replace(calls(bash("a")), native=({"type": "thinking", "signature": "x"},))
    office = Office(ScriptedModel(turn, calls(FINISH)))
    await office.work()
    started = e.Record(0, 0.0, run_started())
    config = default_worlds("test/scripted", "x/y")[0]

    def native_after(model: str) -> int:
        fork = e.WorldForked(
            world=ALPHA,
            source=ALPHA,
            step=1,
            checkpoint="c",
            config=replace(config, model=model),
            system="s",
        )
        past = histories([started, *office.journal(), e.Record(99, 0.0, fork)])[ALPHA].present
        return sum(len(one.native) for one in past.messages if isinstance(one, AssistantMessage))

    assert native_after("test/scripted") == 1
    assert native_after("test/other") == 0


def run_started() -> e.RunStarted:
    return e.RunStarted(
        run_id="r",
        issue=e.Issue("i", "t", "t"),
        repo="/r",
        base_ref="main",
        base_commit="0" * 40,
        target="t",
        task="t",
        worlds=default_worlds("test/scripted", "x/y"),
        merge=e.MergePolicy.ASK,
    )
