"""What waits, what is asked and what it costs: panes, head line, footer, bell and dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events
from textual.geometry import Region
from textual.widgets import Input

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.models.base import Sampling, Usage
from miyabi_tui.engine.terms import Strategy
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens.answer import NOT_A_NUMBER, AnswerScreen, dollars_of
from miyabi_tui.screens.asking import NOTHING
from miyabi_tui.screens.commands import hints
from miyabi_tui.screens.help import facts
from miyabi_tui.widgets import asking
from miyabi_tui.widgets.words import PaneView, sign, why
from miyabi_tui.widgets.wrap import cells
from tests import board_states as states
from tests import snapshot_support  # noqa: F401
from tests.desk import Desk, gone, happen, press, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

A, B, C, D, E = FIVE


def settled(
    question: e.QuestionAsked, choice: str, *, by_person: bool = False
) -> e.QuestionAnswered:
    """A question is settled."""
    return e.QuestionAnswered(
        id=question.id, choice=choice, by_person=by_person, world=question.world
    )


# --- waiting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "seconds", "said"),
    [
        ("anthropic: rate limit", 12.0, "anthropic: rate limit, 12 s"),
        ("rate limit", 11.2, "rate limit, 12 s"),
        ("openai: breaker open", 130.0, "openai: breaker open, 2:10"),
        ("retry 2 of 3", 4.0, "retry 2 of 3 in 4 s"),
        ("attempt 2 of 3: The line broke", 4.0, "attempt 2 of 3 in 4 s: The line broke"),
        ("rate limit", -3.0, "rate limit"),
        ("budget: waits for your word", None, "budget: waits for your word"),
        ("rate\nlimit\x1b[31m", 7_300.0, "rate limit, 2 h"),
        ("", 5.0, ""),
    ],
)
def test_a_wait_says_why_and_for_how_long(reason: str, seconds: float | None, said: str) -> None:
    until = None if seconds is None else 100.0 + seconds
    assert asking.waiting(reason, until, 100.0) == said


@pytest.mark.parametrize(
    ("text", "room", "said"),
    [
        ("anthropic: rate limit, 12 s", 40, "anthropic: rate limit, 12 s"),
        ("anthropic: rate limit, 12 s", 20, "rate limit, 12 s"),
        ("attempt 2 of 3 in 4 s: The line broke", 30, "attempt 2 of 3 in 4 s"),
        ("budget: waits for your word · a answers", 36, "budget: waits for your word · a"),
        ("budget: waits for your word · a answers", 28, "budget: waits for your word"),
    ],
)
def test_a_wait_in_few_cells_keeps_what_matters(text: str, room: int, said: str) -> None:
    assert asking.fitting(text, room) == said


@pytest.mark.anyio
async def test_panes_count_down_why_their_worlds_wait() -> None:
    script = states.waiting()
    desk = Desk(script)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()

        def head(world: WorldId) -> str:
            return shown(desk.app.race.board.pane(world).head)

        assert "◷ waiting" in head(C)
        assert "anthropic: rate limit, 12 s" in head(C)
        assert "attempt 2 of 3 in 4 s" in head(B)
        assert "openai: breaker open, 41 s" in head(E)
        assert "openai: breaker open, 41 s · 503 overloaded" in shown(desk.app.race.headline)
        script.now += 7
        desk.app.race.pump()
        assert "rate limit, 5 s" in head(C)
        assert "breaker open, 34 s" in shown(desk.app.race.headline)
        script.now += 60
        desk.app.race.pump()
        await happen(desk, pilot, e.WorldWaiting(world=C, reason=""))
        assert "● running" in head(C)  # it was silent for a reason
        closed = e.BreakerChanged(provider="openai", state=e.BreakerState.CLOSED)
        await happen(desk, pilot, closed)
        assert "41 of 42 tests pass" in shown(desk.app.race.headline)


# --- money ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_meter_runs_and_settles() -> None:
    script = states.opened(recorded=False)
    states.step(script, A, 1, cost=0.0300)
    desk = Desk(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        pane = desk.app.race.board.pane(A)
        assert "$0.0300" in shown(pane.foot)
        metered = e.TurnMetered(
            world=A, step=2, usage=Usage(900, 100, estimated=True), cost_usd=0.0112
        )
        await happen(desk, pilot, metered)
        assert "≈$0.0412" in shown(pane.foot)
        assert "≈4.3k tokens" in shown(pane.foot)
        assert "≈$0.0412 of $5.00" in shown(desk.app.race.headline)
        states.step(script, A, 2, cost=0.0115, usage=Usage(1_000, 120))
        await happen(desk, pilot, script.records[-1].event)
        assert "≈" not in shown(pane.foot)
        assert "$0.0415" in shown(pane.foot)
        discarded = e.TurnDiscarded(
            world=A, step=3, cause="cut", usage=Usage(10, 5, estimated=True), cost_usd=0.001
        )
        await happen(desk, pilot, discarded)
        assert "≈$0.0425" in shown(pane.foot)  # no bill will ever come


@pytest.mark.parametrize(
    ("cost", "said", "ink"),
    [
        (1.2, " of $5.00", "dim"),
        (4.0, " of $5.00 (80 %)", "warn"),
        (4.999, " of $5.00 (99 %)", "warn"),
        (5.02, " of $5.00 (100 %)", "bad"),
    ],
)
def test_the_budget_warns(cost: float, said: str, ink: str) -> None:
    script = states.opened(recorded=False)
    states.step(script, A, 1, cost=cost)
    found = asking.budget(fold(script.records))
    assert found is not None
    assert (str(found), found.ink) == (said, ink)


def test_what_earlier_runs_of_the_issue_spent_counts() -> None:
    script = states.opened(recorded=False)
    script.add(e.BudgetWarned(scope=e.Scope.ISSUE, spent_usd=4.1, limit_usd=5.0))
    script.add(e.BudgetWarned(scope=e.Scope.MONTH, spent_usd=812.5, limit_usd=1000.0))
    run = fold(script.records)
    assert str(asking.budget(run)) == " of $5.00 (82 %)"
    assert asking.warnings(run) == ["$812.50 of the month's $1,000.00 spent"]
    script.add(e.BudgetRaised(scope=e.Scope.ISSUE, limit_usd=12.0))
    assert str(asking.budget(fold(script.records))) == " of $12.00"
    assert asking.budget(fold(states.racing().records)) is None  # nothing is billed
    assert asking.budget(fold([])) is None


@pytest.mark.anyio
async def test_what_the_cache_and_the_samples_say() -> None:
    desk = Desk(states.waiting())
    async with desk.app.run_test(size=(600, 50)) as pilot:
        await pilot.pause()
        foot = desk.app.race.board.pane(A).foot
        assert "tests 41/44" in shown(foot)
        assert "3 turns, 1 from the cache" in shown(foot)
        told = desk.stream(A)
        assert "step 3 · ↺ from the cache · 4.1k in" in told
        assert "41 of 44 tests pass · sampled at step 2" in told
        broken = e.TestsSampled(world=A, step=3, builds=False, passed=0, known=44, seconds=1.0)
        await happen(desk, pilot, broken)
        assert "does not build" in shown(foot)
        await press(pilot, "question_mark")
        said = " ".join(desk.shown("#help-more").split())
        assert "medium: 3 files named, 140 words, `race condition` is said" in said
        assert "$5.00 for the issue, $1,000.00 for the month, $1.00 for each world" in said


def test_the_task_and_what_is_tried() -> None:
    script = states.hard(states.opened())
    tried = e.FallbackTried(
        strategy=Strategy.SWITCH_MODEL, reason="0 of 5 succeeded", worlds=(A, B)
    )
    run = fold(script.add(tried).records)
    assert asking.complexity(run, 1) == "medium: 3 files named"
    assert asking.fallback(run) == "again, with another model: 0 of 5 succeeded"
    named = dict(facts(run))
    assert named["spent"] == "$0.0000, nothing is billed"
    assert not named["budgets"]
    by_hand = e.ComplexityEstimated(level=e.Complexity.SIMPLE, reasons=(), by_person=True)
    assert asking.complexity(fold(script.add(by_hand).records)) == "simple: as you said"


# --- a question is seen --------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_question_is_seen_on_every_size() -> None:
    desk = Desk(states.asked())
    async with desk.app.run_test(size=(200, 50)) as pilot:
        race = desk.app.race
        pane = race.board.pane(B)
        for size in ((200, 50), (120, 40), (80, 24), (60, 16), (40, 20), (40, 10)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "? asks you" in shown(race.headline).splitlines()[0], size
            assert "stop in 48 s · a answers" in shown(race.headline).splitlines()[1], size
            assert shown(race.keyline).split()[:2] == ["a", "answer"], size
            if pane.region.area:
                assert "? asks you" in shown(pane.head), size
                assert "stop in 48 s · a" in shown(pane.head), size
                assert shown(pane.edge)[0] == "?", size
        assert "?" not in shown(race.board.pane(A).edge)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        desk.control.script.now += 10
        race.pump()
        assert "stop in 38 s · a" in shown(pane.head)


@pytest.mark.anyio
async def test_a_question_about_the_run_marks_every_pane() -> None:
    desk = Desk(states.spent())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for pane in desk.app.race.board.panes:
            assert shown(pane.edge)[0] == "?"
            assert "asks you" not in shown(pane.head)
        assert "budget: waits for your word · a" in shown(desk.app.race.board.pane(A).head)
        said = shown(desk.app.race.headline)
        assert (
            "The next turn may pass the budget of issue #270, $5.00 · waits for you · a answers"
            in said
        )
        assert "of $5.00 (100 %)" in said
        await happen(desk, pilot, settled(states.over_budget(), ""))
        assert shown(desk.app.race.board.pane(A).edge)[0] != "?"


@pytest.mark.anyio
async def test_a_wide_question_never_breaks_a_row() -> None:
    script = states.crowded()
    title = "Betaは同じことを何度も繰り返している 🎌 そして何も変わらない"
    asked = states.rule(script)
    script.add(states.question(asked.kind, title, "日本語" * 99, key="w", world=B))
    desk = Desk(script)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        for size in ((120, 40), (80, 24), (11, 5), (1, 1)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for widget in (desk.app.race.headline, desk.app.race.board.pane(B).head):
                for strip in widget.render_lines(widget.size.region):
                    assert sum(cells(one.text) for one in strip) == widget.size.width
        await press(pilot, "a")
        assert desk.app.export_screenshot()


@pytest.mark.anyio
async def test_the_bell_rings_once_for_each_question() -> None:
    script = states.waiting()
    desk = Desk(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert desk.bells == 0
        first = states.rule(script)
        await happen(desk, pilot, first)
        await happen(desk, pilot, e.WorldPaused(world=B))
        assert desk.bells == 1
        await press(pilot, "2", "k")  # a dialog hides the board: a toast besides the bell
        await happen(desk, pilot, states.over_budget())
        assert desk.bells == 2
        assert desk.toasts == [
            "The next turn may pass the budget of issue #270, $5.00 · answer with a"
        ]
        moot = states.rule(script, D)
        await happen(desk, pilot, moot, settled(moot, ""))
        assert desk.bells == 2


@pytest.mark.anyio
async def test_a_replay_rings_no_bell() -> None:
    script = states.asked()
    script.now += 60
    desk = Desk(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert desk.app.state.questions
        assert desk.bells == 0


# --- the dialog ----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_keys_answer_a_rule() -> None:
    desk = Desk(states.asked())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for keys, choice in (
            (["a", "x"], "stop"),
            (["4", "a", "l"], "let run"),
            (["a", "down", "down", "enter"], "keep"),
            (["a", "s", "a", "5", "e"], "keep"),
            (["a", "escape"], ""),
            (["a", "enter"], ""),
        ):
            desk.control.asked.clear()
            await press(pilot, *keys)
            assert desk.app.screen is desk.app.race, keys
            assert desk.control.asked == ([f"answer rule-Beta: {choice}"] if choice else []), keys
    assert not desk.toasts


@pytest.mark.anyio
async def test_keys_raise_a_budget() -> None:
    desk = Desk(states.spent())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for keys, answer in (
            (["r"], "raise 10.0"),
            (["8", "r"], "raise 8.0"),
            ([*"7.5", "enter"], "raise 7.5"),
            (["8", "s"], "stop"),
            (["tab", "tab", "backspace", "f"], "finish"),
        ):
            desk.control.asked.clear()
            await press(pilot, "a", *keys)
            assert desk.control.asked == [f"answer budget-issue: {answer}"], keys


@pytest.mark.anyio
async def test_an_amount_that_comes_in_one_burst_is_taken_whole() -> None:
    desk = Desk(states.spent())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        for key, character in (("1", "1"), ("7", "7"), ("full_stop", "."), ("5", "5")):
            desk.app.post_message(events.Key(key, character))
        desk.app.post_message(events.Key("enter", "\r"))
        await pilot.pause()
    assert desk.control.asked[1:] == ["answer budget-issue: raise 17.5"]


@pytest.mark.anyio
async def test_an_amount_that_is_none_is_not_sent() -> None:
    desk = Desk(states.spent())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a", "3", "r")
        assert desk.shown("#problem") == "It must be $5.10 at least."
        await press(pilot, "backspace", *"7..", "enter")
        assert desk.shown("#problem") == NOT_A_NUMBER
        assert desk.app.screen.query_one("#problem").display
        await press(pilot, "backspace", "5")
        assert not desk.app.screen.query_one("#problem").display
        assert desk.app.screen.query_one(Input).value == "7.5"
        assert desk.control.asked == ["start"]
        await press(pilot, "enter")
    assert desk.control.asked[1:] == ["answer budget-issue: raise 7.5"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("7", 7.0),
        (" $ 7.5 ", 7.5),
        ("1,200.50", 1200.5),
        ("10,50", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_amounts(text: str, amount: float | None) -> None:
    assert dollars_of(text) == amount


@pytest.mark.anyio
async def test_the_dialog_counts_down_and_says_how_many_there_are() -> None:
    script = states.asked()
    script.add(states.rule(script, D, seconds=31))
    desk = Desk(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        assert desk.shown(".dialog-title") == "Stop Delta early?  (1 of 2)"
        assert desk.shown("#due") == "Without an answer: stop in 30 s."
        script.now += 12
        await happen(desk, pilot)
        assert desk.shown("#due") == "Without an answer: stop in 18 s."
        await press(pilot, "escape", "2", "a")
        assert "Stop Beta early?" in desk.shown(".dialog-title")
        await happen(desk, pilot, states.over_budget())
        await press(pilot, "escape", "1", "a")
        title = "The next turn may pass the budget of issue #270, $5.00  (1 of 3)"
        assert desk.shown(".dialog-title") == title
        assert desk.shown("#due") == "It waits for your answer."
        assert "3 questions · " in shown(desk.app.race.headline)


@pytest.mark.anyio
async def test_a_dialog_closes_when_its_question_is_settled() -> None:
    script = states.asked()
    desk = Desk(script)
    question = states.rule(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        for choice, by_person, said in (
            ("keep", True, "keep: answered elsewhere"),
            ("stop", False, "stop: nobody answered in time"),
            ("", False, "of no matter any more"),
        ):
            desk.toasts.clear()
            await press(pilot, "a")
            assert desk.app.screen.query("#due")
            await happen(desk, pilot, settled(question, choice, by_person=by_person))
            await gone(pilot, "#due")
            assert desk.toasts == [f"Stop Beta early? · {said}"]
            await press(pilot, "a")
            assert desk.toasts[1:] == [NOTHING]
            await happen(desk, pilot, question)
    assert desk.control.asked == ["start"]


@pytest.mark.anyio
async def test_somebody_was_quicker() -> None:
    script = states.asked()
    desk = Desk(script)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a", "l")
        await happen(desk, pilot, settled(states.rule(script), "stop", by_person=True))
        assert desk.toasts == ["Stop Beta early? · stop: answered elsewhere"]
        await happen(desk, pilot, states.rule(script))
        await press(pilot, "a", "l")
        await happen(desk, pilot, settled(states.rule(script), "let run", by_person=True))
        assert len(desk.toasts) == 1


@pytest.mark.anyio
async def test_a_mouse_is_enough() -> None:
    desk = Desk(states.asked())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for target, offset in (
            ("#pane-beta PaneHead", (5, 1)),
            ("#headline", (5, 1)),
            ("#keyline", (2, 0)),
        ):
            await pilot.click(target, offset=offset)
            await pilot.pause()
            assert isinstance(desk.app.screen, AnswerScreen), target
            await pilot.click("#leave")
        await pilot.click("#pane-alpha PaneHead", offset=(5, 2))
        await press(pilot, "a")
        await pilot.click(desk.app.screen.query(".option")[1], offset=(6, 0))
        await pilot.pause()
    assert desk.control.asked[1:] == ["answer rule-Beta: keep"]


@pytest.mark.anyio
async def test_the_choices_are_on_the_screen() -> None:
    desk = Desk(states.spent())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "a")
        for size in ((80, 24), (40, 20), (40, 10)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for widget in desk.app.screen.query(".option, #due, #leave, #amount"):
                assert widget.region.area
                assert Region(0, 0, *size).contains_region(widget.region), (size, widget)


def test_the_footer_offers_what_can_be_done() -> None:
    def offered(script: states.Script) -> list[str]:
        run = fold(script.records)
        return [hint.action for hint in hints(run, run.world(A), False)]

    assert offered(states.asked())[0] == "answer"
    assert "answer" not in offered(states.waiting())
    assert {"tell", "tell_all"} <= set(offered(states.waiting()))
    assert not {"tell", "tell_all", "answer"} & set(offered(states.merged()))


def test_stalled_is_not_failed() -> None:
    run = fold(states.asked().records)
    waits = PaneView(run.world(C), quiet=500, waits="rate limit, 12 s")
    assert (sign(waits).words, sign(waits).ink) == ("waiting", "warn")
    assert why(waits) == ("rate limit, 12 s", "warn")
    asks = PaneView(run.world(B), asked=asking.asked(run, B, 0.0))
    assert str(sign(asks)) == " ? asks you "


# --- the stream ----------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("live", [True, False])
async def test_a_turn_that_broke_off_is_struck_live_and_later(live: bool) -> None:
    script = states.waiting()
    split = next(
        n for n, one in enumerate(script.records) if isinstance(one.event, e.TurnDiscarded)
    )
    desk = Desk(script)
    if live:
        desk.control.subscription.waiting = script.records[:split]
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        if live:
            desk.control.subscription.waiting = script.records[split:]
            desk.app.race.pump()
        text = desk.app.race.board.pane(B).stream.text
        struck = [
            row.text.strip()
            for row in text.window(text.first, 10_000)
            if any(one.style is not None and one.style.strike for one in row)
        ]
        assert struck[0] == "Quotes may hold 改行 as well."
        assert " ".join(struck[1:]) == "I would replace the whole parser by a table of states and"
        after = desk.stream(B).split(struck[-1])[1].split("\n")
        assert after[1].strip().startswith("── discarded, asked again ──")
        assert "the stream broke in the middle" in after[2]
        assert "On with it." not in struck


@pytest.mark.anyio
async def test_a_failed_call_that_had_streamed_nothing_discards_nothing() -> None:
    script = states.opened()
    states.step(script, A, 1, text="Whole.")
    script.add(e.StepStarted(world=A, step=2, sampling=Sampling(states.MODEL)))
    refused = e.TurnDiscarded(
        world=A, step=2, cause="429 slow down", usage=Usage(), cost_usd=0.0, again=True
    )
    desk = Desk(script.add(refused))
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        told = desk.stream(A)
        assert "no answer, asked again" in told
        assert "429 slow down\n" in f"{told}\n"
        text = desk.app.race.board.pane(A).stream.text
        assert not any(one.style and one.style.strike for row in text.window(0, 99) for one in row)


@pytest.mark.anyio
async def test_a_question_and_its_answer_are_told() -> None:
    script = states.asked()
    raised = e.BudgetRaised(scope=e.Scope.WORLD, limit_usd=2.0, world=B)
    script.add(settled(states.rule(script), "let run", by_person=True), raised)
    script.add(e.FallbackTried(strategy=Strategy.SKIP, reason="0 of 5", worlds=(B,)))
    desk = Desk(script)
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        told = desk.stream(B)
        assert "? Stop Beta early?\n Its last 3 calls were all" in told
        assert "a, then: x stop, e keep, l let run" in told
        assert "• you: let run" in told
        assert "you raise its budget to $2.00" in told
        assert "given up · 0 of 5" in told


SHOTS: dict[str, tuple[Callable[[], states.Script], list[str], tuple[int, int]]] = {
    "rule": (states.asked, ["a", "tab"], (80, 24)),
    "raise-tiny": (states.spent, ["a", "tab", "tab"], (40, 20)),
}


@pytest.mark.parametrize("name", SHOTS)
def test_screen(snap_compare: Callable[..., bool], name: str) -> None:
    state, keys, size = SHOTS[name]
    script = state()
    app = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)

    async def ready(pilot: Pilot[int]) -> None:
        await press(pilot, *keys)
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    assert snap_compare(app, run_before=ready, terminal_size=size)
