"""When a running world is not worth going on with: the rules, on what the fold has seen of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from miyabi_tui.engine import events as e
from miyabi_tui.engine.costs import termination as t
from miyabi_tui.engine.fold import apply
from miyabi_tui.engine.models.base import AssistantMessage, ToolCall, Usage
from miyabi_tui.engine.progress import Progress, advance, failure, resumed
from miyabi_tui.engine.scoring.junit import Outcome, TestReport
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.score import Evidence, score
from miyabi_tui.engine.state import RunState, WorldState
from miyabi_tui.engine.terms import Termination
from miyabi_tui.engine.worlds import FIVE, WorldId, default_worlds

A, B, C, D, E = FIVE
START = 1_700_000_000.0
MINUTE = 60.0


class Tape:
    """A run's events, one after another, folded as they come."""

    def __init__(self) -> None:
        self.now = START
        self.state = RunState()
        self.step = 0
        self.add(
            e.RunStarted(
                run_id="r",
                issue=e.Issue("issue-7", "title", "text", 7),
                repo="/repo",
                base_ref="main",
                base_commit="base",
                target="main",
                task="task",
                worlds=default_worlds("m/m", "m/m"),
                merge=e.MergePolicy.ASK,
            ),
            *(e.WorldStarted(world=one, system="", messages=()) for one in FIVE),
        )

    def add(self, *events: e.AnyEvent, after: float = 0.0) -> None:
        self.now += after
        for event in events:
            self.state = apply(self.state, e.Record(self.state.seq + 1, self.now, event))

    @property
    def world(self) -> WorldState:
        return self.state.world(A)

    def says(self, rule: t.Rule, after: float = 0.0) -> str:
        """What a rule says of Alpha, some seconds later."""
        return rule.violated(self.state, self.world, self.now + after)

    def did(self, *, lines: int | None = None, tests: str = "") -> None:
        """A step is over; `lines` are in its diff now."""
        self.step += 1
        now = self.world.lines_added if lines is None else lines
        self.add(e.StepFinished(world=A, step=self.step, lines_added=now, tests=tests))

    def sampled(self, passed: int, known: int, *failures: str, builds: bool = True) -> None:
        self.add(
            e.TestsSampled(
                world=A,
                step=self.step,
                builds=builds,
                passed=passed,
                known=known,
                seconds=1.0,
                failures=failures,
            )
        )

    def base(self, passed: int, known: int, measured: Measurement | None = None) -> None:
        self.add(
            e.BaseMeasured(
                seconds=1.0,
                tests_passed=passed,
                tests_known=known,
                lint_findings=0,
                security_findings=0,
                measurement=measured,
            )
        )

    def asks(self, *calls: tuple[str, str], cost: float | None = 0.0, world: WorldId = A) -> None:
        """A turn with these tools and arguments, at a price."""
        asked = tuple(ToolCall(f"c{n}", *call) for n, call in enumerate(calls))
        self.add(
            e.TurnFinished(
                world=world,
                step=self.step + 1,
                message=AssistantMessage(tool_calls=asked),
                usage=Usage(1, 1),
                cost_usd=cost,
                stop_reason="tool_calls",
                seconds=1.0,
            )
        )

    def runs(self, text: str, code: int = 1, *, name: str = "bash", arguments: str = "{}") -> None:
        """A tool is asked for, begins and answers."""
        self.asks((name, arguments))
        step = self.step + 1
        self.add(
            e.ToolStarted(world=A, step=step, call_id="c0", name=name, summary=f"{name} it"),
            e.ToolFinished(
                world=A,
                step=step,
                call_id="c0",
                name=name,
                text=text,
                is_error=code != 0,
                seconds=1.0,
                exit_code=code,
            ),
        )

    def scored(self, world: WorldId, cost: float | None) -> None:
        self.asks(cost=cost, world=world)
        self.add(
            e.WorldScored(
                world=world,
                score=score(Evidence()),
                evidence=Evidence(),
                ineligible=(),
                commit="c",
                seconds=1.0,
            )
        )


@pytest.fixture
def tape() -> Tape:
    return Tape()


# --- TestFailureTimeout, CompilationFailureTimeout ------------------------------------------------

TESTS = t.TestFailureTimeout(10 * MINUTE, 0.5)
BUILD = t.CompilationFailureTimeout(5 * MINUTE)


def test_tests_below_the_rate_for_too_long(tape: Tape) -> None:
    tape.did(lines=5)
    tape.sampled(4, 10, "t.py::test_a")
    assert tape.says(TESTS, after=599) == ""
    assert tape.says(TESTS, after=600) == "4 of 10 tests pass: below 50% for 10 min"


def test_the_time_begins_anew_once_enough_pass(tape: Tape) -> None:
    tape.did(lines=5)
    tape.sampled(4, 10, "a")
    tape.now += 9 * MINUTE
    tape.sampled(5, 10, "a")
    tape.now += 2 * MINUTE
    tape.sampled(3, 10, "a")
    assert tape.says(TESTS, after=9 * MINUTE) == ""
    assert tape.says(TESTS, after=10 * MINUTE) == "3 of 10 tests pass: below 50% for 10 min"


def test_the_bound_is_the_bases_own_rate_where_that_is_lower(tape: Tape) -> None:
    tape.base(3, 10)
    tape.did(lines=5)
    tape.sampled(3, 10, "a")
    assert tape.says(TESTS, after=30 * MINUTE) == ""
    tape.sampled(2, 10, "a", "b")
    assert tape.says(TESTS, after=30 * MINUTE) == "2 of 10 tests pass: below 30% for 30 min"


def test_the_agents_own_runs_count_until_its_world_is_sampled(tape: Tape) -> None:
    tape.did(lines=5, tests="1 passed, 4 failed")
    assert tape.says(TESTS, after=11 * MINUTE) == "1 of 5 tests pass: below 50% for 11 min"
    tape.sampled(95, 100, "a")
    assert tape.says(TESTS, after=11 * MINUTE) == ""
    tape.did(tests="4 failed")  # one file of them, while it works test first
    assert tape.says(TESTS, after=30 * MINUTE) == ""


def test_what_was_edited_after_the_last_look_may_have_mended_it(tape: Tape) -> None:
    tape.did(lines=5)
    tape.sampled(0, 0, "calc.py:3 invalid syntax", builds=False)
    tape.now += MINUTE
    tape.did(lines=6)
    assert tape.says(BUILD, after=20 * MINUTE) == ""
    tape.now += 5 * MINUTE
    tape.sampled(0, 0, "calc.py:3 invalid syntax", builds=False)
    assert tape.says(BUILD) == "it has not built for 6 min: calc.py:3 invalid syntax"


def test_a_build_that_fails_on_the_base_is_nobodys_fault(tape: Tape) -> None:
    tape.did(lines=5)
    tape.sampled(0, 0, "boom", builds=False)
    assert tape.says(BUILD, after=5 * MINUTE) == "it has not built for 5 min: boom"
    tape.base(0, 0, Measurement(build_failures=("boom",)))
    assert tape.says(BUILD, after=5 * MINUTE) == ""


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (e.WorldPaused(world=A), e.WorldContinued(world=A)),
        (e.WorldWaiting(world=A, reason="rate limit"), e.WorldWaiting(world=A, reason="")),
    ],
)
def test_time_that_it_stood_still_does_not_count(
    tape: Tape, begin: e.AnyEvent, end: e.AnyEvent
) -> None:
    tape.did(lines=5)
    tape.sampled(0, 0, "boom", builds=False)
    tape.add(begin, after=4 * MINUTE)
    assert tape.says(BUILD, after=60 * MINUTE) == ""
    tape.add(end, after=60 * MINUTE)
    assert tape.says(BUILD, after=59) == ""
    assert tape.says(BUILD, after=60)


def test_a_pause_during_a_wait_is_not_counted_twice(tape: Tape) -> None:
    tape.did(lines=5)
    tape.sampled(0, 0, "boom", builds=False)
    tape.add(e.WorldWaiting(world=A, reason="breaker open"))
    tape.add(e.WorldPaused(world=A), after=MINUTE)
    tape.asks(("read", "{}"))  # the wait is over, the pause is not
    tape.add(e.WorldContinued(world=A), after=MINUTE)
    assert tape.says(BUILD, after=4 * MINUTE) == ""
    assert tape.says(BUILD, after=5 * MINUTE)


def test_the_time_nobody_drove_the_run_does_not_count() -> None:
    broken = e.TestsSampled(world=A, step=1, builds=False, passed=0, known=0, seconds=1.0)
    working = advance(Progress(), broken, START)
    later = resumed(working, 3_600.0, START + 3_700)
    assert later.lasting(later.builds, 1.0, START + 3_700) == 100.0
    waiting = advance(working, e.WorldWaiting(world=A, reason="a person"), START + 40)
    later = resumed(waiting, 3_600.0, START + 3_700)
    assert later.lasting(later.builds, 1.0, START + 3_700) == 40.0
    assert later.lasting(later.builds, 1.0, START + 3_710) == 50.0


# --- the others -----------------------------------------------------------------------------------


def test_the_issues_cost_is_that_of_all_its_worlds(tape: Tape) -> None:
    rule = t.PerIssueCostExceeded(1.0)
    tape.asks(cost=0.6)
    tape.asks(cost=0.4, world=B)
    assert tape.says(rule) == ""
    tape.add(e.TurnMetered(world=C, step=1, usage=Usage(1, 1), cost_usd=0.25))
    assert tape.says(rule) == "the issue has cost $1.25, more than $1.00"
    assert rule.whole_run


FAILED = "{dots}\nE  assert {shown} == 5\nFAILED t.py::test_a - assert 4 == 5\n1 failed in {s}s"
REPEATED = t.RepeatedFailurePattern(3)


def test_the_same_failing_test_again_and_again(tape: Tape) -> None:
    for n in range(3):
        assert tape.says(REPEATED) == ""
        tape.runs(FAILED.format(dots="." * n, shown=n, s=f"0.{n}"))
        tape.runs("found\n[exit code 0]", 0)
        tape.runs("[exit code 1]")  # say, grep: no failure
    assert tape.says(REPEATED) == (
        "the same failure 3 times in a row: FAILED t.py::test_a - assert 4 == 5"
    )


def test_another_failure_or_a_success_ends_the_row(tape: Tape) -> None:
    for _ in range(2):
        tape.runs(FAILED.format(dots="", shown=1, s=1))
        tape.runs("bash: line 1: foo: command not found\n[exit code 127]")
        assert tape.says(t.RepeatedFailurePattern(2)) == ""
    tape.runs(FAILED.format(dots="", shown=1, s=1))
    tape.did(lines=5, tests="7 passed")
    tape.runs(FAILED.format(dots="", shown=1, s=1))
    assert tape.says(t.RepeatedFailurePattern(2)) == ""


def test_tests_that_are_red_on_the_base_are_no_failure_of_a_world(tape: Tape) -> None:
    outcomes = {"t.py::test_a": Outcome.FAILED, "t.py::test_b": Outcome.PASSED}
    tape.base(1, 2, Measurement(tests=TestReport(outcomes)))
    for _ in range(3):
        tape.runs(FAILED.format(dots="", shown=1, s=1))
        tape.sampled(1, 2, "t.py::test_a")
    assert tape.says(REPEATED) == ""
    for _ in range(3):
        tape.sampled(0, 2, "t.py::test_a", "t.py::test_b")
    assert tape.says(REPEATED) == "the same failure 3 times in a row: t.py::test_b"


def test_an_edit_that_cannot_be_made_is_a_failure(tape: Tape) -> None:
    for path in ("a.py", "b.py", "b.py", "b.py"):
        assert tape.says(REPEATED) == ""
        tape.runs(f"Error: the text to replace is not in {path}", name="edit")
    assert tape.says(REPEATED).endswith("is not in b.py")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[exit code 1]", ()),
        ("ok 1 - a\nnot ok 2 - b\n", ("not ok 2 - b",)),
        ("--- FAIL: TestX (0.02s)\nFAIL\n", ("--- FAIL: TestX (#)",)),
        ("a.c:12:3: error: expected ';'", ("a.c##: error: expected ';'",)),
        ("Traceback\nKeyError: 'x' at 0x7f1b", ("KeyError: 'x' at #",)),
    ],
)
def test_what_is_compared_of_a_failure(text: str, found: tuple[str, ...]) -> None:
    assert failure(text) == found


def test_no_edit_for_many_steps(tape: Tape) -> None:
    rule = t.NoEdit(3)
    tape.did(lines=5)
    for _ in range(2):
        tape.did()
    assert tape.says(rule) == ""
    tape.runs("Replaced 1 time in a.py.", 0, name="edit")  # as many lines as before
    tape.did()
    tape.did(lines=9)  # by a command
    for _ in range(3):
        assert tape.says(rule) == ""
        tape.did()
    assert tape.says(rule) == "no edit in its last 3 steps"


def test_the_same_action_three_times_running(tape: Tape) -> None:
    rule = t.SameAction(3)
    for new in ("1", "2", "3"):  # one file, other text: that is work
        tape.runs("ok", 0, name="edit", arguments=f'{{"path": "a.py", "new": "{new}"}}')
    tape.runs("", 0, arguments='{"command": "make"}')
    tape.runs("", 0, arguments='{"command": "ls"}')
    for _ in range(2):
        tape.runs("", 0, arguments='{"command": "make"}')
    assert tape.says(rule) == ""
    tape.runs("", 0, arguments='{"command": "make"}')
    assert tape.says(rule) == "the same action 3 times running: bash it"


def test_what_is_done_once_more_after_a_resume_is_no_repetition() -> None:
    progress = Progress()
    make = e.ToolStarted(world=A, step=1, call_id="c", name="bash", summary="make")
    for _ in range(2):
        progress = advance(progress, make, START)
    progress = advance(resumed(progress, 5.0, START), make, START)
    assert progress.action.times == 2
    assert advance(progress, make, START).action.times == 3


MEDIAN = t.CostAboveMedian(2.5)


def test_far_dearer_than_the_scored_worlds(tape: Tape) -> None:
    tape.asks(cost=0.5)
    tape.scored(B, 0.1)
    assert tape.says(MEDIAN) == ""  # one may just have been hasty
    tape.scored(C, 0.3)
    assert tape.says(MEDIAN) == ""
    tape.asks(cost=0.01)
    assert (
        tape.says(MEDIAN) == "it has cost $0.51, 2.5 times the median of the scored worlds ($0.20)"
    )


def test_neither_the_cache_nor_an_unknown_price_makes_a_median(tape: Tape) -> None:
    tape.asks(cost=0.5)
    tape.scored(B, 0.1)
    tape.scored(D, None)
    turn = e.TurnFinished(
        world=E,
        step=1,
        message=AssistantMessage(),
        usage=Usage(),
        cost_usd=0.0,
        stop_reason="",
        seconds=0.0,
        cached=True,
    )
    tape.add(turn)
    tape.scored(E, 0.0)
    assert tape.says(MEDIAN) == ""


def test_cents_are_no_reason(tape: Tape) -> None:
    tape.scored(B, 0.001)
    tape.scored(C, 0.001)
    tape.asks(cost=0.04)
    assert tape.says(MEDIAN) == ""


def test_a_world_that_is_taken_back_begins_with_a_clean_sheet(tape: Tape) -> None:
    tape.scored(B, 0.1)
    tape.scored(C, 0.1)
    tape.asks(cost=0.5)
    tape.did(lines=5)
    tape.sampled(0, 0, builds=False)
    for _ in range(12):
        tape.did()
    back = e.WorldForked(
        world=A, source=A, step=1, checkpoint="c", config=tape.world.config, system=""
    )
    tape.add(back)
    assert not any(tape.says(rule, after=MINUTE) for rule in t.rules(Termination()))


# --- which rules there are ------------------------------------------------------------------------


def test_the_rules_by_their_required_names() -> None:
    names = [rule.name for rule in t.rules(Termination(issue_cost_usd=4.0))]
    assert names == [
        "TestFailureTimeout",
        "CompilationFailureTimeout",
        "PerIssueCostExceeded",
        "RepeatedFailurePattern",
        "NoEdit",
        "SameAction",
        "CostAboveMedian",
    ]


@pytest.mark.parametrize(
    ("terms", "without"),
    [
        (Termination(test_failure_seconds=0), "TestFailureTimeout"),
        (Termination(compilation_failure_seconds=0), "CompilationFailureTimeout"),
        (Termination(repeated_failures=0), "RepeatedFailurePattern"),
        (Termination(steps_without_edit=0), "NoEdit"),
        (Termination(repeated_actions=0), "SameAction"),
        (Termination(cost_factor=0), "CostAboveMedian"),
    ],
)
def test_a_zero_switches_a_rule_off(terms: Termination, without: str) -> None:
    every = [rule.name for rule in t.rules(Termination())]
    assert [rule.name for rule in t.rules(terms)] == [one for one in every if one != without]
    assert without in every


def test_all_of_it_can_be_switched_off() -> None:
    assert t.rules(Termination(enabled=False)) == ()


def test_output_costs_the_fold_nothing() -> None:
    progress = Progress()
    output = e.Output(world=A, channel=e.Channel.TEXT, text="word ")
    assert advance(progress, output, START) is progress


def test_what_is_worth_keeping(tape: Tape) -> None:
    def worth() -> bool:
        return t.worth_keeping(tape.state, replace(tape.world, files_changed=1))

    tape.base(8, 10)
    assert not worth()
    tape.sampled(8, 10, "a", "b")
    assert worth() and not t.worth_keeping(tape.state, tape.world)
    tape.sampled(7, 10, "a", "b", "c")
    assert not worth()
    tape.sampled(0, 0, "boom", builds=False)
    assert not worth()
