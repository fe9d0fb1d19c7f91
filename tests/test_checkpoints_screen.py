"""Going back: the list of checkpoints, the form of a fork, extra panes, resumed and lost runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from textual.geometry import Region
from textual.widgets import Input, Static

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.control import Fork
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import FIVE, Effort, PromptVariant, WorldId
from miyabi_tui.screens.commands import hints
from miyabi_tui.screens.dialog import LeaveQuestion
from miyabi_tui.screens.fork import ForkScreen
from miyabi_tui.screens.going_back import consequences
from miyabi_tui.screens.refusals import LOOK_AGAIN, why_not_go_back
from miyabi_tui.widgets.tests_page import tests_of as said_of_tests
from miyabi_tui.widgets.words import age, outcome
from tests import board_states as states
from tests import snapshot_support  # noqa: F401
from tests.desk import Desk, happen, press, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.pilot import Pilot

A, B, C, D, E = FIVE
ZETA = WorldId.ZETA


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    """Times of day are the reader's: here always the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def killed() -> states.Script:
    return states.far().add(e.WorldKilled(world=B, reason="killed by you"))


def failed() -> states.Script:
    return states.far().add(e.WorldFailed(world=B, title="The provider refused"))


def won() -> states.Script:
    script = states.far()
    states.scored(script, B, states.GOOD)
    chosen = e.WinnerSelected(world=B, by_person=False, override=False, reason="", commit="c0ffee1")
    return script.add(chosen, e.MergeReady(world=B, branch="main"))


@pytest.mark.anyio
async def test_keys() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2")
        for keys, step in (
            (["enter"], 9),
            (["end", "home", "down", "j", "enter"], 7),
            (["pagedown", "up", "k", "enter"], 3),
            (["down", "tab", "enter"], 8),
            (["end", "f", "enter"], 0),
            (["f", "escape", "q"], None),
        ):
            desk.control.forks.clear()
            await press(pilot, "r", *keys)
            assert desk.app.screen is desk.app.race
            assert desk.control.forks == ([] if step is None else [Fork(source=B, step=step)]), keys
        await press(pilot, "r", "f", "ctrl+c")
        assert isinstance(desk.app.screen, LeaveQuestion)
        await press(pilot, "ctrl+c")
        assert not desk.app.is_running
    assert desk.control.asked[-1] == "stop"
    assert not desk.toasts


@pytest.mark.anyio
async def test_a_killed_world_is_brought_back() -> None:
    desk = Desk(killed())
    assert await desk.play("2", "r", "down", "enter") == ["fork Beta 8"]


@pytest.mark.parametrize("state", [killed, failed, won, states.nobody])
def test_a_world_that_ended_may_go_back(state: Callable[[], states.Script]) -> None:
    run = fold(state().records)
    assert not why_not_go_back(run, run.world(B))


def merging() -> states.Script:
    return states.waiting_for_merge().add(e.PhaseChanged(phase=e.Phase.MERGING))


def early() -> states.Script:
    script = states.opened()
    script.records = [one for one in script.records if not isinstance(one.event, e.CheckpointSaved)]
    return script


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (states.merged, "Alpha is merged into miyabi/issue-270 already"),
        (states.interrupted, "The run is interrupted: go on with miyabi resume r1"),
        (states.no_winner, "No world can go back any more: the race is over"),
        (merging, "Alpha is being merged"),
        (early, "Alpha has no checkpoint yet"),
    ],
)
def test_refusals_say_why(state: Callable[[], states.Script], why: str) -> None:
    run = fold(state().records)
    assert why_not_go_back(run, run.world(A)).startswith(why)
    assert "checkpoints" not in [hint.action for hint in hints(run, run.world(A), False)]


@pytest.mark.anyio
async def test_a_refusal_opens_nothing() -> None:
    desk = Desk(states.merged())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "r")
        assert desk.app.screen is desk.app.race
        assert desk.toasts == [why_not_go_back(desk.app.state, desk.app.state.world(A))]


@pytest.mark.anyio
async def test_the_form_asks_only_for_what_is_different(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    desk = Desk(states.far())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "r", *["down"] * 5, "f")
        assert "Beta goes back to step 4; steps 5–10 stay" in desk.shown("#consequences")
        desk.app.screen.query_one(Input).value = "openai/gpt-"
        await press(pilot, "x", "tab", "right", "down", "left", "tab")
        await press(pilot, "a", "enter", "b", "tab", "right")
        assert "Zeta begins in a pane of its own, from step 4" in desk.shown("#consequences")
        await press(pilot, "ctrl+s")
        assert desk.app.screen is desk.app.race
    assert desk.control.forks == [
        Fork(
            source=B,
            step=4,
            extra=True,
            model="openai/gpt-x",
            effort=Effort.HIGH,
            prompt=PromptVariant.ALTERNATIVE_B,
            added="a\nb",
        )
    ]


@pytest.mark.anyio
async def test_a_model_that_cannot_race_stays_in_the_form() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r", "f")
        for model, why in (
            ("gpt-x", "names no provider"),
            ("nobody/gpt", "unknown provider"),
            ("openai/x", "missing"),
        ):
            desk.app.screen.query_one("#model", Input).value = model
            await press(pilot, "enter")
            assert isinstance(desk.app.screen, ForkScreen)
            assert why in desk.toasts[-1]
            assert desk.app.screen.query_one("#model", Input).value == model
    assert not desk.control.forks


@pytest.mark.anyio
async def test_nine_worlds_are_the_most() -> None:
    desk = Desk(states.crowded())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r", "f", "up", "up", "up")
        await press(pilot, "right", "ctrl+s")
        assert isinstance(desk.app.screen, ForkScreen)
        assert desk.toasts == ["All 4 extra worlds are there already."]
        assert desk.shown("#consequences") == desk.toasts[0]
        await press(pilot, "right", "ctrl+s")
    assert desk.control.forks == [Fork(source=B, step=9)]


@pytest.mark.anyio
async def test_the_list_lives_and_the_selection_stays() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r", "down")
        kept = e.StepFinished(world=B, step=10, checkpoint="a" * 40, tests="43 passed")
        await happen(desk, pilot, kept)
        rows = [desk.screen.listing.render_line(y).text for y in range(3)]
        assert "python -m pytest -q" in rows[0]
        assert rows[0].split()[0] == "10"
        assert desk.screen.listing.selected is not None
        assert desk.screen.listing.selected.step == 8
        assert "steps 9–10 stay in the archive" in desk.shown("#consequences")
        await press(pilot, "enter")
    assert desk.control.asked[1:] == ["fork Beta 8"]
    assert not desk.toasts


@pytest.mark.anyio
async def test_an_answer_that_means_something_else_by_now_is_asked_again() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r", "down")
        await happen(desk, pilot, e.WorldKilled(world=B, reason="step limit"))
        await press(pilot, "enter")
        assert desk.toasts == [LOOK_AGAIN]
        assert "Beta goes back to step 8 and lives again" in desk.shown("#consequences")
        await press(pilot, "f")
        states.scored(desk.control.script, A, states.GOOD)
        chosen = e.WinnerSelected(
            world=A, by_person=False, override=False, reason="", commit="9b0e4d1aa"
        )
        await happen(desk, pilot, *(one.event for one in desk.control.script.records[-2:]), chosen)
        await press(pilot, "ctrl+s")
        assert desk.toasts == [LOOK_AGAIN, LOOK_AGAIN]
        assert "Alpha is the winner no longer" in desk.shown("#consequences")
        await press(pilot, "ctrl+s")
    assert desk.control.asked[1:] == ["fork Beta 8"]


@pytest.mark.anyio
async def test_a_checkpoint_that_is_gone_is_not_gone_back_to() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r", "f")
        before = len(desk.control.script.records)
        states.forked(desk.control.script, B, number=4)
        desk.control.subscription.waiting += desk.control.script.records[before:]
        desk.app.race.pump()
        await press(pilot, "ctrl+s")
        assert desk.toasts == [LOOK_AGAIN]
        assert not desk.control.forks
        await press(pilot, "escape", "enter")
    assert desk.control.asked[1:] == ["fork Beta 4"]


@pytest.mark.anyio
async def test_what_cannot_be_done_any_more_is_said_in_the_list() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r")
        await happen(desk, pilot, e.RunFinished(status=e.RunStatus.INTERRUPTED, reason="stopped"))
        assert "go on with miyabi resume r1 first" in desk.shown("#consequences")
        await press(pilot, "enter", "f")
        assert len(desk.toasts) == 2
        await press(pilot, "escape")
    assert not desk.control.forks


@pytest.mark.anyio
async def test_a_mouse_is_enough() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "r")
        await pilot.click("CheckpointList", offset=(20, 3))
        assert "step 6 · " in desk.shown("#checkpoint")
        await pilot.click("#fork")
        await pilot.pause()
        await pilot.click("#effort", offset=(1, 0))
        await pilot.click("#where", offset=(25, 0))
        await pilot.click("#fork")
        await pilot.pause()
    assert desk.control.forks == [Fork(source=B, step=6, extra=True, effort=Effort.LOW)]


@pytest.mark.anyio
async def test_a_long_list_makes_only_the_rows_in_view(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def counted(seconds: float) -> str:
        made.append(seconds)
        return age(seconds)

    monkeypatch.setattr("miyabi_tui.widgets.checkpoint_list.age", counted)
    desk = Desk(states.far(500))
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2", "r")
        assert 0 < len(made) < 100
        await press(pilot, "end")
        listing = desk.screen.listing
        assert listing.virtual_size.height == 500
        assert "as the base was" in listing.render_line(listing.size.height - 1).text


@pytest.mark.anyio
async def test_what_will_happen_and_the_buttons_are_on_the_screen() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        for keys, names, sizes in (
            ("2r", ["#consequences", "#go-back", "#leave"], [(80, 24), (72, 20), (60, 16)]),
            ("", ["#consequences", "#go-back", "#fork", "#leave"], [(40, 20), (40, 10)]),
            ("f", ["#consequences", "#model", "#fork", "#leave"], [(40, 10), (60, 16)]),
        ):
            await press(pilot, *keys)
            for size in sizes:
                await pilot.resize_terminal(*size)
                await pilot.pause()
                for name in names:
                    widget = desk.app.screen.query_one(name)
                    assert widget.region.area
                    assert Region(0, 0, *size).contains_region(widget.region), (size, name)
                    shown = desk.app.screen.find_widget(widget).visible_region
                    assert shown == widget.region, (size, name)


@pytest.mark.anyio
async def test_an_extra_world_gets_a_pane_and_is_turned_to() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "r", "f", "up", "up", "up", "right", "ctrl+s")
        assert desk.control.forks == [Fork(source=B, step=9, extra=True)]
        before = len(desk.control.script.records)
        states.forked(desk.control.script, ZETA, number=9, added="use the csv module")
        desk.control.subscription.waiting += desk.control.script.records[before:]
        desk.app.race.pump()
        await pilot.pause()
        board = desk.app.race.board
        assert [pane.world for pane in board.panes] == [*FIVE, ZETA]
        assert board.focused_world is ZETA
        assert desk.app.focused is board.pane(ZETA)
        assert board.pane(ZETA).region.area
        assert "── from Beta's step 9 ──" in desk.stream(ZETA)
        assert "you say: use the csv module" in desk.stream(ZETA)
        await press(pilot, "1", "p", "6", "p")
    assert desk.control.asked[-2:] == ["pause Alpha", "pause Zeta"]


@pytest.mark.anyio
async def test_a_world_taken_back_keeps_its_stream_and_says_where_it_went_on() -> None:
    script = states.forked(states.far(), B, number=4, added="")
    desk = Desk(script)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        lines = desk.stream(B).splitlines()
        divider = next(n for n, line in enumerate(lines) if "back to step 4" in line)
        assert lines[divider].strip().startswith("── back to step 4 · another future ──")
        assert any("ls -la" in line for line in lines[:divider])
        assert "kept as" in "\n".join(lines[divider:])


@pytest.mark.anyio
async def test_a_pick_and_its_merge_are_told_once() -> None:
    script = states.choosing()
    by_hand = e.WinnerSelected(world=C, by_person=True, override=True, reason="", commit="c0ffee1")
    script.add(e.WorldPicked(world=C), by_hand)
    script.add(e.MergeStarted(world=C, branch="main", commit="c0ffee1"))
    desk = Desk(script)
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        told = desk.stream(C)
        assert told.count("picked by you") == 1
        assert "winner by your choice," in told
        assert "merging into main" in told


@pytest.mark.anyio
async def test_a_resumed_run_shows_what_was_restored_and_then_goes_on() -> None:
    script = states.resumed()
    desk = Desk(script)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()

        def head(world: WorldId) -> str:
            pane = desk.app.race.board.pane(world)
            return shown(pane.head)

        assert "resumed at step 2" in head(A)
        assert "resumed at step 9: 2 files" in head(B)
        assert "checking its worktree" in head(C)
        assert "the run goes on · 2:05:30 later" in desk.stream(C)
        assert "put back to step 9" in desk.stream(B)
        assert "as step 2 left it" in desk.stream(A)
        assert "resumed" in shown(desk.app.race.headline)
        states.step(script, A, 3)
        await happen(desk, pilot, script.records[-2].event)
        script.now += 30
        await happen(desk, pilot, e.Output(world=A, channel=e.Channel.NOTE, text=""))
        assert "thinking" in head(A)


@pytest.mark.anyio
@pytest.mark.parametrize("keys", [["ctrl+q"], ["2", "r", "f", "ctrl+c"]])
async def test_leaving_an_engine_elsewhere_asks_nothing_and_stops_nothing(keys: list[str]) -> None:
    desk = Desk(states.far(), attached=True)
    assert await desk.play(*keys) == []
    assert not desk.app.is_running


@pytest.mark.anyio
async def test_an_engine_elsewhere() -> None:
    desk = Desk(states.far(), attached=True)
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "q detach" in shown(desk.app.race.keyline)
        titles = [one.title for one in desk.app.get_system_commands(desk.app.race)]
        assert "Detach (q)" in titles
        await press(pilot, "question_mark")
        assert "the race goes on without it" in str(desk.app.screen.query_one(Static).content)
        await press(pilot, "escape", "2", "r", "f")
        desk.app.screen.query_one(Input).value = "openai/x"  # its key is there, or is not
        await press(pilot, "enter", "q")
        assert not desk.app.is_running
    assert desk.control.forks == [Fork(source=B, step=9, model="openai/x")]
    assert desk.control.asked[1:] == ["fork Beta 9"]


@pytest.mark.anyio
async def test_an_engine_that_has_gone_is_said() -> None:
    desk = Desk(states.far(), attached=True)
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        desk.control.subscription.ended = True
        desk.app.race.pump()
        await pilot.pause()
        said = shown(desk.app.race.headline)
        assert "the engine has gone · go on with miyabi resume r1" in said
        await press(pilot, "2", "p", "r")
        assert len(desk.toasts) == 2
        assert "miyabi resume r1" in desk.toasts[1]
        await press(pilot, "q")
        assert not desk.app.is_running
    assert desk.control.asked == ["start"]
    assert not desk.app.state.finished


@pytest.mark.anyio
async def test_the_form_covers_the_list_and_gives_it_back() -> None:
    desk = Desk(states.far())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "2", "r")
        listing = desk.screen.query_one(".dialog")
        await press(pilot, "f")
        assert not listing.visible
        await press(pilot, "escape")
        assert listing.visible


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "seen"), [((80, 24), "disk is full"), ((40, 12), "cannot write")])
async def test_an_outcome_goes_before_the_tag(size: tuple[int, int], seen: str) -> None:
    reason = "cannot write the journal: database or disk is full"
    desk = Desk(states.far().add(e.RunFinished(status=e.RunStatus.FAILED, reason=reason)))
    async with desk.app.run_test(size=size) as pilot:
        await pilot.pause()
        said = shown(desk.app.race.headline)
    assert seen in said
    assert "recorded" not in said


def test_an_engine_that_ended_its_run_has_not_gone() -> None:
    control = states.FakeControl(states.merged())
    app = MiyabiApp(control)
    control.subscription.ended = True
    app.settle()
    app.settle()
    assert not app.race.bridge.gone
    assert outcome(app.state)[0].startswith("Alpha won 100 · merged")


def test_consequences() -> None:
    def said(script: states.Script, fork: Fork) -> str:
        return consequences(fold(script.records), fork)

    back = Fork(source=B, step=4)
    assert said(states.far(), back) == "Beta goes back to step 4; steps 5–10 stay in the archive."
    assert said(states.far(), Fork(source=B, step=9)).endswith("; step 10 stays in the archive.")
    assert "goes back to the base; steps 1–10" in said(states.far(), Fork(source=B, step=0))
    assert "and lives again" in said(killed(), back)
    assert "Its score of 100 goes; it is scored again. Beta is the winner no longer" in said(
        won(), back
    )
    extra = Fork(source=B, step=4, extra=True)
    assert said(states.far(), extra).endswith("from step 4 of Beta; Beta goes on.")
    assert said(killed(), extra).endswith("Beta stays as it is.")
    picked = states.far().add(e.WorldPicked(world=A))
    assert "Your pick of Alpha is taken back" in said(picked, back)
    paused = states.far().add(e.WorldPaused(world=B))
    assert "Its pause ends: it runs." in said(paused, back)
    assert "pause" not in said(paused, extra)
    ended = states.far(9)
    ended.records = ended.records[:-3]  # without the step in progress
    ended.add(e.WorldKilled(world=B, reason="killed by you"))
    last = said(ended, Fork(source=B, step=9))
    assert last == "Beta lives again and goes on from step 9, as far as it had come."


def test_tests_in_few_cells() -> None:
    states_ = fold(states.far().records).world(B).checkpoints
    shown = {said_of_tests(one, short=True) for one in states_ if one.tests}
    assert shown == {("38✓ 4✗", "warn"), ("41✓ 1✗", "warn"), ("43✓", "good")}


SHOTS: dict[str, tuple[Callable[[], states.Script], list[str], tuple[int, int]]] = {
    "list": (states.far, ["2", "r", "down", "down"], (120, 40)),
    "list-small": (lambda: states.far(40), ["2", "r", "pagedown"], (80, 24)),
    "list-tiny": (won, ["2", "r", "down"], (40, 20)),
    "fork-small": (killed, ["2", "r", "f", "down", "right"], (80, 24)),
    "six-small": (lambda: states.crowded(6), ["6"], (80, 24)),
    "nine-small": (states.crowded, ["7"], (80, 24)),
    "nine": (states.crowded, ["6"], (120, 40)),
    "back": (lambda: states.forked(states.far(), B), ["2"], (120, 40)),
    "interrupted": (states.interrupted, ["2"], (80, 24)),
}


@pytest.mark.parametrize("name", SHOTS)
def test_screen(snap_compare: Callable[..., bool], name: str) -> None:
    state, keys, size = SHOTS[name]
    script = state()
    app = MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)

    async def ready(pilot: Pilot[int]) -> None:
        await press(pilot, *keys)
        await pilot.pause()

    assert snap_compare(app, run_before=ready, terminal_size=size)


def test_detached(snap_compare: Callable[..., bool]) -> None:
    script = states.far()
    control = states.FakeControl(script)
    control.attached = control.subscription.ended = True
    app = MiyabiApp(control, clock=lambda: script.now + 1)
    assert snap_compare(app, terminal_size=(80, 24))
