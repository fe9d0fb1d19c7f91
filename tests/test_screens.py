"""What keys do: every command, every question, every refusal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from textual.command import CommandList
from textual.events import Key
from textual.geometry import Region
from textual.widgets import Input

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.screens.commands import COMMANDS, hints
from miyabi_tui.screens.dialog import LeaveQuestion
from miyabi_tui.screens.diff import DiffScreen
from miyabi_tui.screens.pick import PickQuestion, against, consequences
from miyabi_tui.screens.refusals import LOOK_AGAIN
from miyabi_tui.widgets.diff_view import DiffView
from tests import board_states as states
from tests import snapshot_support  # noqa: F401
from tests.frames import take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

BIG = "".join(f"diff --git a/f{n} b/f{n}\n@@ -0,0 +1,998 @@\n" + "+x\n" * 998 for n in range(100))


class Table:
    """An app under a pilot, with its fake engine."""

    def __init__(self, script: states.Script, diff: str = states.DIFF) -> None:
        self.control = states.FakeControl(script, diff)
        self.app = MiyabiApp(self.control, clock=lambda: script.now + 1)
        self.toasts: list[str] = []
        self.app.race.notify = self._toast  # type: ignore[method-assign]

    def _toast(self, message: str, **_: Any) -> None:
        self.toasts.append(message)

    async def play(self, *keys: str) -> list[str]:
        """Press the keys; what the engine was asked, without the start."""
        async with self.app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            await press(pilot, *keys)
            assert self.control.asked[0] == "start"
            return self.control.asked[1:]


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press, and let workers and messages come to rest."""
    for key in keys:
        if pilot.app.is_running:
            await pilot.press(key)
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()


async def happen(table: Table, pilot: Pilot[int], *events: e.AnyEvent) -> None:
    """Let something happen, and the screen see it."""
    table.control.more(*events)
    table.app.race.pump()
    table.app.race.show_again()  # also what would come a moment later
    await pilot.pause()


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the app work until this is so."""
    with anyio.fail_after(20):
        while not condition():
            await pilot.pause()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("state", "keys", "asked"),
    [
        (states.racing, ["p"], ["pause Alpha"]),
        (states.racing, ["4", "p"], ["pause Delta"]),
        (states.racing, ["tab", "tab", "p"], ["pause Gamma"]),
        (states.racing, ["right", "left", "left", "p"], ["pause Epsilon"]),
        (states.mixed, ["2", "p"], ["proceed Beta"]),
        (states.racing, ["2", "k", "n"], []),
        (states.racing, ["2", "k", "enter"], []),
        (states.racing, ["2", "k", "escape"], []),
        (states.racing, ["2", "k", "y"], ["kill Beta"]),
        (states.racing, ["2", "k", "left", "enter"], ["kill Beta"]),
        (states.choosing, ["2", "w", "n"], ["diff Beta"]),
        (states.choosing, ["2", "w", "down", "y"], ["diff Beta", "pick Beta"]),
        (states.choosing, ["3", "w", "escape"], ["diff Gamma"]),
        (states.choosing, ["3", "w", "down", *"gamma", "enter"], ["diff Gamma", "pick Gamma"]),
        (states.racing, ["5", "w", "y"], ["diff Epsilon", "pick Epsilon"]),
        (states.waiting_for_merge, ["m"], ["merge"]),
        (states.racing, ["question_mark", "escape", "p"], ["pause Alpha"]),
        (states.racing, ["z", "p", "z", "escape"], ["pause Alpha"]),
        (states.racing, ["q", "n"], []),
        (states.racing, ["q", "y"], ["stop"]),
        (states.racing, ["ctrl+c"], []),
        (states.racing, ["ctrl+c", "y"], ["stop"]),
        (states.racing, ["ctrl+c", "ctrl+c"], ["stop"]),
        (states.racing, ["k", "ctrl+c", "ctrl+c"], ["stop"]),
        (states.racing, ["ctrl+q", "y"], ["stop"]),
        (states.merged, ["q"], ["stop"]),
        (states.Script, ["q"], ["stop"]),
    ],
)
async def test_keys(state: Callable[[], states.Script], keys: list[str], asked: list[str]) -> None:
    table = Table(state())
    assert await table.play(*keys) == asked
    assert not table.toasts


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("state", "keys", "why"),
    [
        (states.mixed, ["3", "p"], "Gamma has ended (killed)"),
        (states.mixed, ["3", "k"], "Gamma has ended already"),
        (states.racing, ["m"], "There is no winner yet"),
        (states.waiting_for_merge, ["w"], "Alpha is the winner already"),
        (states.merged, ["m"], "Alpha is merged into miyabi/issue-270 already"),
        (states.merged, ["2", "w"], "No winner can be picked any more"),
        (states.merged, ["p"], "Nothing to pause"),
        (states.no_winner, ["m"], "There is no safe winner"),
        (states.nobody, ["4", "w"], "Delta has no result, so it cannot win"),
        (states.Script, ["p"], "The worlds are not there yet"),
        (states.Script, ["3"], "The worlds are not there yet"),
        (lambda: states.opened(worlds=2), ["4"], "There is no world 4"),
    ],
)
async def test_refusals_say_why(
    state: Callable[[], states.Script], keys: list[str], why: str
) -> None:
    table = Table(state())
    assert await table.play(*keys) == []
    assert len(table.toasts) == 1
    assert table.toasts[0].startswith(why)


@pytest.mark.anyio
async def test_leaving_ends_the_app() -> None:
    table = Table(states.racing())
    await table.play("q", "y")
    assert not table.app.is_running
    assert table.app.state.run_id == "r1"


@pytest.mark.anyio
async def test_the_app_stays_open_after_the_end_and_folds_what_came_late() -> None:
    table = Table(states.waiting_for_merge())
    async with table.app.run_test(size=(80, 24)) as pilot:
        merged = e.Merged(world=WorldId.ALPHA, branch="miyabi/issue-270", commit="c0ffee1")
        await happen(table, pilot, merged, e.RunFinished(status=e.RunStatus.MERGED))
        assert table.app.is_running
        assert table.app.state.finished
        await pilot.press("q")
    table.control.more(e.Notice(level=e.Level.INFO, text="late"))
    assert table.app.settle().notices[-1].text == "late"


@pytest.mark.anyio
async def test_leaving_just_after_the_merge_asks_nothing() -> None:
    script = states.waiting_for_merge()
    script.add(e.Merged(world=WorldId.ALPHA, branch="miyabi/issue-270", commit="c0ffee1"))
    table = Table(script)
    assert await table.play("q") == ["stop"]
    assert not table.app.is_running


@pytest.mark.anyio
async def test_a_click_focuses_and_a_click_in_the_footer_is_its_key() -> None:
    table = Table(states.racing())
    async with table.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        await pilot.click("#pane-gamma")
        await pilot.pause()
        assert table.app.race.board.focused_world is WorldId.GAMMA
        await pilot.click("#keyline", offset=(13, 0))
        await pilot.pause()
        assert table.control.asked == ["start", "pause Gamma"]


@pytest.mark.anyio
async def test_a_key_right_after_turning_is_meant_for_the_new_world() -> None:
    table = Table(states.racing())
    async with table.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for key in ("2", "p", "5", "p", "tab", "p", "3", "4", "p"):
            table.app.post_message(Key(key, None))
        await until(pilot, lambda: len(table.control.asked) == 5)
        paused = ["pause Beta", "pause Epsilon", "pause Alpha", "pause Delta"]
        assert table.control.asked == ["start", *paused]
        assert table.app.race.board.focused_world is WorldId.DELTA
        assert table.app.focused is table.app.race.board.pane(WorldId.DELTA)


@pytest.mark.anyio
async def test_a_page_up_before_the_palette_is_laid_out_does_nothing() -> None:
    async with Table(states.racing()).app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+p")
        found = pilot.app.screen.query_one(CommandList)
        found.highlighted = 1
        found._index_to_line.clear()
        await pilot.press("pageup", "pagedown", "escape")
        assert pilot.app.is_running


@pytest.mark.anyio
async def test_the_palette_has_every_command() -> None:
    table = Table(states.racing())
    async with table.app.run_test() as pilot:
        titles = [one.title for one in table.app.get_system_commands(table.app.race)]
        assert len(titles) == len(COMMANDS) + 1
        await pilot.press("ctrl+p", *"pause")
        found = table.app.screen.query_one(CommandList)
        await until(pilot, lambda: found.highlighted is not None)
        await pilot.press("enter")
        await until(pilot, lambda: len(table.control.asked) > 1)
        assert table.control.asked == ["start", "pause Alpha"]


@pytest.mark.anyio
async def test_a_big_diff_and_an_empty_one_and_none() -> None:
    async def opened(diff: str) -> AsyncIterator[tuple[Pilot[int], DiffView]]:
        table = Table(states.racing(), diff)
        async with table.app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            await press(pilot, "d")
            assert isinstance(table.app.screen, DiffScreen)
            yield pilot, table.app.screen.query_one(DiffView)

    async for pilot, view in opened(BIG):
        assert view.virtual_size.height == 100_099
        await press(pilot, "end")
        assert view.scroll_offset.y == 100_099 - view.size.height
        await press(pilot, "home", "f")
        assert view.scroll_offset.y == 1_001
    async for _, view in opened(""):
        assert "nothing changed yet" in view.render_line(0).text


@pytest.mark.anyio
async def test_a_diff_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(states.racing())

    def fail(world: WorldId) -> str:
        raise OSError("git is not there")

    monkeypatch.setattr(table.control, "diff", fail)
    async with table.app.run_test() as pilot:
        await pilot.pause()
        await press(pilot, "d")
        assert "git is not there" in table.app.screen.query_one(DiffView).render_line(0).text


@pytest.mark.anyio
async def test_every_size_and_theme_is_painted() -> None:
    table = Table(states.mixed())
    async with table.app.run_test(size=(120, 40)) as pilot:
        for theme in ("miyabi-light", "nord", "ansi-dark", "miyabi-dark"):
            table.app.theme = theme
            for width, height in ((1, 1), (10, 5), (40, 8), (80, 24), (130, 20), (300, 80)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                assert table.app.export_screenshot()


def test_consequences() -> None:
    run = fold(states.choosing().records)
    said = " ".join(consequences(run, run.world(WorldId.GAMMA)))
    assert "may not win" in said
    assert "recorded as an override" in said
    assert "Delta ends now" in said
    assert against(run, run.world(WorldId.ALPHA)) == ""
    assert "no score (at work)" in against(run, run.world(WorldId.DELTA))


def test_the_footer_offers_only_what_would_do_something() -> None:
    def offered(script: states.Script, world: WorldId) -> list[str]:
        run = fold(script.records)
        return [hint.action for hint in hints(run, run.world(world), False)]

    assert "merge" not in offered(states.racing(), WorldId.ALPHA)
    assert offered(states.waiting_for_merge(), WorldId.ALPHA)[0] == "merge"
    assert "kill" not in offered(states.merged(), WorldId.BETA)
    assert hints(fold([]), None, False)[-1].action == "leave"
    assert offered(states.nobody(), WorldId.ALPHA)[0] == "pick"
    assert "pick" not in offered(states.nobody(), WorldId.DELTA)


def shot(script: states.Script) -> MiyabiApp:
    """The app at a fixed time."""
    return MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)


async def settled(pilot: Pilot[int]) -> None:
    """Workers and messages at rest."""
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


SHOTS: dict[str, tuple[Callable[[], states.Script], list[str], tuple[int, int]]] = {
    "pick": (states.choosing, ["3", "w"], (120, 40)),
    "pick-small": (states.choosing, ["2", "w"], (80, 24)),
    "diff": (states.choosing, ["2", "d"], (80, 24)),
    "help": (states.racing, ["question_mark"], (80, 24)),
    "kill": (states.racing, ["4", "k"], (80, 24)),
    "quit": (states.racing, ["q"], (80, 24)),
    "quit-nobody": (states.nobody, ["q"], (40, 10)),
    "refusal": (states.merged, ["p"], (80, 24)),
}


@pytest.mark.parametrize("name", SHOTS)
def test_screen(snap_compare: Callable[..., bool], name: str) -> None:
    state, keys, size = SHOTS[name]

    async def ready(pilot: Pilot[int]) -> None:
        await press(pilot, *keys)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await settled(pilot)

    assert snap_compare(shot(state()), run_before=ready, terminal_size=size)


@pytest.mark.anyio
async def test_a_question_that_time_has_answered_is_not_carried_out() -> None:
    table = Table(states.racing())
    async with table.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "2", "k")
        failed = e.WorldFailed(world=WorldId.BETA, title="The provider refused")
        await happen(table, pilot, failed)
        await press(pilot, "y")
        assert table.control.asked == ["start"]
        assert table.toasts == ["Beta has ended already (failed)."]


@pytest.mark.anyio
async def test_a_question_asks_anew_when_the_race_has_gone_on() -> None:
    table = Table(states.racing())
    async with table.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await press(pilot, "2", "w")
        await happen(table, pilot, e.EvaluationStarted(world=WorldId.BETA))
        await press(pilot, "y")
        assert isinstance(table.app.screen, PickQuestion)
        assert "pick Beta" not in table.control.asked
        await press(pilot, "y")
        assert "pick Beta" in table.control.asked
        await press(pilot, "q")
        won = e.WinnerSelected(
            world=WorldId.BETA, by_person=True, override=False, reason="", commit="c0ffee1"
        )
        await happen(table, pilot, won)
        await press(pilot, "y")
        assert isinstance(table.app.screen, LeaveQuestion)
        assert table.toasts == [LOOK_AGAIN, LOOK_AGAIN]
        await press(pilot, "y")
        assert table.control.asked[-1] == "stop"


@pytest.mark.anyio
async def test_warnings_after_the_start_are_toasts() -> None:
    script = states.racing().add(e.Notice(level=e.Level.WARNING, text="at the start"))
    table = Table(script)
    async with table.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await happen(
            table,
            pilot,
            e.Notice(level=e.Level.INFO, text="by the way"),
            e.Notice(level=e.Level.WARNING, text="Delta cannot win"),
        )
        assert table.toasts == ["Delta cannot win"]


@pytest.mark.anyio
@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 16), (40, 10), (30, 8)])
@pytest.mark.parametrize("keys", [("5", "k"), ("5", "w"), ("q",)], ids="-".join)
async def test_the_buttons_are_on_the_screen(size: tuple[int, int], keys: tuple[str]) -> None:
    table = Table(states.racing())
    async with table.app.run_test(size=size) as pilot:
        await pilot.pause()
        await press(pilot, *keys)
        shown = [table.app.screen.query_one(name) for name in ("#yes", "#no", ".dialog-title")]
        for widget in shown:
            assert widget.region.area
            assert Region(0, 0, *size).contains_region(widget.region)
            assert table.app.screen.find_widget(widget).visible_region == widget.region
        assert not shown[0].region.overlaps(shown[1].region)
        assert shown[1].region.width >= len("n  let it live") or keys[-1] != "k"


def test_a_tie_says_what_decided() -> None:
    script = states.choosing()
    states.scored(script, WorldId.DELTA, msgspec.structs.replace(states.GOOD, lines_added=90))
    run = fold(script.records)
    assert "and changes fewer lines (" in against(run, run.world(WorldId.DELTA))
    assert "Alpha may win, with" in against(run, run.world(WorldId.GAMMA))


@pytest.mark.anyio
async def test_a_machine_that_stands_still_for_a_moment_loses_no_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = iter(range(1_000_000))
    monkeypatch.setattr(
        "textual._time.get_time", lambda: time.monotonic() + 0.01 * next(lost)
    )  # between any two looks at the clock more passes than Textual waits after a resize
    table = Table(states.racing())
    async with table.app.run_test(size=(120, 40)) as pilot:
        for size in ((60, 16), (200, 50)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(take(table.app, "").text) == size[1]
