"""The agent's loop with a scripted model, in virtual time."""

from __future__ import annotations

import anyio
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.agents.codegen import Attempt
from miyabi_tui.engine.agents.gate import Gate
from miyabi_tui.engine.agents.prompting import CORRECTION
from miyabi_tui.engine.errors import BudgetSpent, ConnectionLost, StreamBroken
from miyabi_tui.engine.models.base import AssistantMessage, ToolMessage, Usage, UserMessage
from miyabi_tui.engine.terms import Limits
from miyabi_tui.engine.worlds import WorldId
from tests.office import BROKEN, FINISH, MINUTE, Office, ScriptedModel, bash, calls
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return VIRTUAL


async def test_parallel_calls_are_all_answered_in_order() -> None:
    office = Office(ScriptedModel(calls(bash("a"), BROKEN, bash("b")), calls(FINISH)))
    assert await office.work() == Attempt(e.Ending.FINISHED, "done")
    assert office.toolbox.ran == ["a", "b"]
    answers = office.model.asked[1].messages[2:]
    assert [type(answer) for answer in answers] == [ToolMessage] * 3
    assert [getattr(answer, "call_id", "") for answer in answers] == ["c1", "c2", "c3"]
    assert office.told(2)[0::2] == ["ran a", "ran b"]
    assert "not valid JSON" in office.told(2)[1]


async def test_the_conversation_only_grows() -> None:
    office = Office(ScriptedModel(calls(bash("a")), AssistantMessage("hm"), calls(FINISH)))
    await office.work()
    first, second, third = (turn.messages for turn in office.model.asked)
    assert first == (UserMessage("the issue"),)
    assert second[: len(first)] == first
    assert third == (*second, AssistantMessage("hm"), UserMessage(CORRECTION))


async def test_calls_after_finish_are_not_run() -> None:
    office = Office(ScriptedModel(calls(bash("a"), FINISH, bash("b"), BROKEN)))
    assert await office.work() == Attempt(e.Ending.FINISHED, "done")
    assert office.toolbox.ran == ["a"]


@pytest.mark.parametrize("bad", [AssistantMessage("no call"), calls(BROKEN), calls(("x", "{}"))])
async def test_three_malformed_turns_in_a_row_end_it(bad: AssistantMessage) -> None:
    office = Office(ScriptedModel(bad))
    assert await office.work() == Attempt(e.Ending.MALFORMED)
    assert len(office.model.asked) == 3
    corrected = office.of(e.Corrected)
    call_id = bad.tool_calls[0].id if bad.tool_calls else ""
    assert [event.call_id for event in corrected] == [call_id] * 3


async def test_a_valid_turn_in_between_resets_the_count() -> None:
    bad, good = calls(BROKEN), calls(bash("a"))
    office = Office(ScriptedModel(bad, bad, good, bad, bad, calls(FINISH)))
    assert (await office.work()).ending is e.Ending.FINISHED


async def test_a_finish_beside_a_malformed_call_counts() -> None:
    office = Office(ScriptedModel(calls(BROKEN, FINISH)))
    assert (await office.work()).ending is e.Ending.FINISHED


# --- limits ---------------------------------------------------------------------------------------


async def test_the_step_limit() -> None:
    office = Office(ScriptedModel(calls(bash("a"))), Limits(steps=4, seconds=1e6, cost_usd=100))
    assert await office.work() == Attempt(e.Ending.STEP_LIMIT)
    assert len(office.model.asked) == len(office.of(e.StepFinished)) == 4


async def test_a_spent_budget_ends_the_work_and_keeps_its_result() -> None:
    said = "the budget of Alpha of $1.00 is spent"
    office = Office(ScriptedModel(calls(bash("a")), BudgetSpent(said)))
    assert await office.work() == Attempt(e.Ending.COST_LIMIT, said)
    assert office.toolbox.ran == ["a"]


async def test_what_the_person_says_joins_with_the_next_turn() -> None:
    office = Office(ScriptedModel(calls(bash("a")), calls(bash("b")), calls(FINISH)))
    async with anyio.create_task_group() as group:
        group.start_soon(office.work)
        await anyio.sleep(MINUTE / 2)  # the first turn streams
        office.agent.tell("Look at the parser.")
        office.agent.tell("And at its tests.")
    said = ("Look at the parser.", "And at its tests.")
    assert [event.told for event in office.of(e.StepStarted)] == [(), said, ()]
    assert tuple(office.told(2)[-2:]) == said
    assert not office.agent.listens


async def test_an_agent_that_is_told_something_in_its_last_turn_goes_on() -> None:
    office = Office(ScriptedModel(calls(FINISH), calls(bash("b")), calls(FINISH)))
    async with anyio.create_task_group() as group:
        group.start_soon(office.work)
        await anyio.sleep(MINUTE / 2)
        office.agent.tell("One more thing.")
    assert office.told(2)[-1] == "One more thing."
    assert office.toolbox.ran == ["b"]


async def test_the_time_limit_is_checked_before_each_call() -> None:
    """A turn takes a minute and a command ten: after the second command 21 minutes are gone."""
    model = ScriptedModel(calls(bash("a"), bash("b"), bash("c")))
    office = Office(model, Limits(seconds=15 * MINUTE))
    assert await office.work() == Attempt(e.Ending.TIME_LIMIT)
    assert office.toolbox.ran == ["a", "b"]
    assert len(model.asked) == 1


async def test_a_call_that_outlasts_the_time_limit_is_ended() -> None:
    office = Office(ScriptedModel(calls(bash("a"), FINISH)), Limits(seconds=5 * MINUTE))
    begun = anyio.current_time()
    assert await office.work() == Attempt(e.Ending.TIME_LIMIT)
    assert anyio.current_time() - begun == 5 * MINUTE


async def test_pauses_are_no_work() -> None:
    office = Office(ScriptedModel(calls(bash("a"))), Limits(seconds=12 * MINUTE, cost_usd=100))
    async with anyio.create_task_group() as group:
        group.start_soon(office.work)
        await anyio.sleep(5 * MINUTE)
        office.gate.close()
        await anyio.sleep(600 * MINUTE)
        office.gate.open()
    # The command ended at 11 minutes; a second turn began when the gate was opened at 605.
    assert office.model.asked_at == [0, 605 * MINUTE]
    assert office.toolbox.ran == ["a", "a"]


# --- pause ----------------------------------------------------------------------------------------


async def test_a_pause_holds_the_next_call_and_the_next_turn() -> None:
    office = Office(ScriptedModel(calls(bash("a"), bash("b")), calls(FINISH)))
    async with anyio.create_task_group() as group:
        group.start_soon(office.work)
        await anyio.sleep(2 * MINUTE)  # a runs
        office.gate.close()
        await anyio.sleep(100 * MINUTE)
        assert office.toolbox.ran == ["a"]
        office.gate.open()
        await anyio.sleep(1 * MINUTE)
        assert office.toolbox.ran == ["a", "b"]
        office.gate.close()
        await anyio.sleep(100 * MINUTE)
        assert len(office.model.asked) == 1
        office.gate.open()
        await anyio.sleep(MINUTE / 2)
        assert len(office.model.asked) == 2


async def test_the_gate_counts_work_only() -> None:
    gate = Gate()
    await anyio.sleep(10)
    gate.close()
    gate.close()
    await anyio.sleep(100)
    assert (gate.is_open, gate.worked) == (False, 10)
    gate.open()
    gate.open()
    await anyio.sleep(5)
    assert (gate.is_open, gate.worked) == (True, 15)


async def test_a_gate_closed_again_at_once_lets_nobody_slip_through() -> None:
    gate, through = Gate(), anyio.Event()
    gate.close()

    async def wait() -> None:
        await gate.passed()
        through.set()

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(1)
        gate.open()
        gate.close()
        await anyio.sleep(1)
        assert not through.is_set()
        gate.open()


# --- failures and events --------------------------------------------------------------------------


async def test_a_stream_without_its_last_event_is_broken() -> None:
    office = Office(ScriptedModel(None))
    with pytest.raises(StreamBroken, match="test/scripted ended its answer without"):
        await office.work()
    assert office.of(e.TurnFinished) == []


async def test_a_failure_of_the_model_passes_through_and_the_stream_is_closed() -> None:
    office = Office(ScriptedModel(ConnectionLost("gone")))
    with pytest.raises(ConnectionLost):
        await office.work()
    assert office.model.closed == 1


async def test_a_cancelled_turn_closes_its_stream() -> None:
    office = Office(ScriptedModel(calls(FINISH)))
    with anyio.move_on_after(MINUTE / 2):
        await office.work()
    assert office.model.closed == 1


async def test_events_come_in_order() -> None:
    office = Office(ScriptedModel(calls(bash("a")), calls(FINISH)))
    await office.work()
    step = ["StepStarted", *["Output"] * 4, "TurnFinished", "ToolStarted"]
    assert [type(event).__name__ for event in office.events] == [
        "WorldStarted",
        *(*step, "Output", "ToolFinished", "StepFinished"),
        *(*step, "ToolFinished", "StepFinished"),
    ]
    assert {getattr(event, "world", None) for event in office.events} == {WorldId.ALPHA}
    outputs = office.of(e.Output)[:5]
    assert [(one.channel.value, one.text, one.call_id) for one in outputs] == [
        ("reasoning", "hm", ""),
        ("text", "let ", ""),
        ("text", "me", ""),
        ("call", "{", "c1"),
        ("stdout", "running a", "c1"),
    ]
    turn = office.of(e.TurnFinished)[0]
    assert (turn.step, turn.usage, turn.cost_usd, turn.seconds) == (1, Usage(10, 5), 0.25, MINUTE)
    tool = office.of(e.ToolFinished)[0]
    assert (tool.name, tool.text, tool.exit_code, tool.seconds) == ("bash", "ran a", 0, 600)
    end = office.of(e.StepFinished)[0]
    assert (end.lines_added, end.lines_deleted, end.files_changed) == (3, 1, 1)
