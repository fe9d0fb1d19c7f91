"""Isolation, limits, attempts to leave, heavy work and findings, as a person meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.color import Color
from textual.geometry import Region
from textual.widgets import Button, Input

from miyabi_tui import history
from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine import events as e
from miyabi_tui.engine import safety
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.terms import Isolation
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.headless import text_line
from miyabi_tui.screens.help import facts
from miyabi_tui.screens.pick import NameQuestion, PickQuestion
from miyabi_tui.widgets.words import outcome
from tests import board_states as states
from tests.desk import Desk, happen, press, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot
    from textual.strip import Strip

    from miyabi_tui.widgets.rows import ReadyRows
    from tests.snapshot_support import Album

A, B, C, D, E = FIVE
SIZES = [(80, 24), (120, 40), (200, 50), (40, 20)]


# --- isolation -----------------------------------------------------------------------------------


def isolated(isolation: Isolation) -> states.Script:
    script = states.racing()
    return script.add(e.SandboxChosen(isolation=isolation))


@pytest.mark.anyio
@pytest.mark.parametrize("isolation", [Isolation.DOCKER, Isolation.BUBBLEWRAP, Isolation.PROCESS])
async def test_every_pane_says_its_isolation(isolation: Isolation) -> None:
    desk = Desk(isolated(isolation))
    names = {Isolation.BUBBLEWRAP: ("bubblewrap", "bwrap"), Isolation.PROCESS: ("⚠ process",)}
    async with desk.app.run_test(size=(40, 20)) as pilot:
        for size in ((40, 20), (40, 40), (80, 24), (99, 24), (120, 40), (200, 50)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            for pane in desk.app.race.board.panes:
                lines = shown(pane.head).splitlines()
                if len(lines) > 1:
                    assert lines[1].endswith(names.get(isolation, ("docker",))), (size, lines[1])
                else:  # a row of the table has room for what is grave alone
                    assert ("⚠" in lines[0]) is (isolation is Isolation.PROCESS), (size, lines[0])
                assert all(one.cell_length == pane.head.size.width for one in strips(pane.head))


def strips(widget: ReadyRows) -> list[Strip]:
    return widget.render_lines(widget.size.region)


@pytest.mark.anyio
async def test_none_at_all_is_red_and_marked_also_in_a_strip_of_one_row() -> None:
    desk = Desk(states.unprotected())
    async with desk.app.run_test(size=(80, 14)) as pilot:
        await pilot.pause()
        colours = pilot.app.theme_variables
        bad, error = (Color.parse(colours[name]).rgb for name in ("ink-bad", "error"))
        assert all(abs(ours - theirs) <= 1 for ours, theirs in zip(bad, error, strict=True))
        for pane in desk.app.race.board.panes:
            assert "⚠" in shown(pane.head)
            ink = pane.head.ink["bad"]
            segments = [one for strip in strips(pane.head) for one in strip]
            assert all(one.style == ink for one in segments if "⚠" in one.text)


def test_where_commands_run_is_said_before_the_race() -> None:
    script = states.unprotected()
    chosen = next(one for one in script.records if isinstance(one.event, e.SandboxChosen))
    said = text_line(chosen, fold(script.records))
    first, docker, bubblewrap = (line.strip() for line in said.splitlines())
    assert first.endswith("isolation: process (limits by rlimits)")
    assert docker == "not docker: no daemon answers"
    assert bubblewrap == "not bubblewrap: user namespaces are switched off"
    known = facts(fold(script.records))
    assert ("isolation", "process (limits by rlimits)") in known
    assert ("", "not docker: no daemon answers") in known


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_world_over_its_limit_says_so_and_is_not_just_paused() -> None:
    desk = Desk(states.over_limit())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        pane = desk.app.race.board.pane(D)
        assert "Over its memory limit: 2.3 of 2 GB" in shown(pane.head)
        assert "stop in 48 s · a answers" in shown(pane.head)
        assert "over its memory limit: 2.3 of 2 GB" in desk.stream(D)
        moot = e.QuestionAnswered(id="limit:Delta:memory", choice="", by_person=False, world=D)
        await happen(desk, pilot, moot, e.WorldPaused(world=B))
        assert "⊗ over limit" in shown(pane.head)
        assert "over its memory limit: 2.3 of 2 GB · p to go on" in shown(pane.head)
        assert "‖ paused" in shown(desk.app.race.board.pane(B).head)
        await happen(desk, pilot, e.WorldContinued(world=D))
        assert "limit" not in shown(pane.head)


@pytest.mark.anyio
@pytest.mark.parametrize("size", SIZES)
async def test_what_is_near_its_limit_is_seen_on_every_size(size: tuple[int, int]) -> None:
    desk = Desk(states.over_limit())
    async with desk.app.run_test(size=size) as pilot:
        await press(pilot, "2")
        await pilot.pause()
        foot = desk.app.race.board.pane(B).foot
        inks = {one.text.strip(): one.style for strip in strips(foot) for one in strip}
        assert inks["498"] == inks["4.9 GB"] == foot.ink["warn"]
        await press(pilot, "4")
        await pilot.pause()
        foot = desk.app.race.board.pane(D).foot
        over = [one for strip in strips(foot) for one in strip]
        assert next(one.style for one in over if "2.4 GB" in one.text) == foot.ink["bad"]


@pytest.mark.parametrize(
    ("resource", "used", "limit", "said"),
    [
        (e.Resource.MEMORY, 2.25 * 2**30, 2 * 2**30, "over its memory limit: 2.3 of 2 GB"),
        (e.Resource.DISK, 6 * 2**30, 5 * 2**30, "over its disk limit: 6 of 5 GB"),
        (e.Resource.PROCESSES, 700, 512, "over its process limit: 700 of 512"),
        (e.Resource.TIME, 1_500, 1_500, "over its time limit: 25 of 25 minutes"),
    ],
)
def test_a_limit_in_words(resource: e.Resource, used: float, limit: float, said: str) -> None:
    exceeded = e.LimitExceeded(world=D, resource=resource, used=used, limit=limit)
    script = states.opened().add(exceeded)
    assert text_line(script.records[-1], fold(script.records)).endswith(said)


# --- attempts to leave ---------------------------------------------------------------------------


@pytest.mark.anyio
async def test_attempts_to_leave_are_told_and_counted() -> None:
    desk = Desk(states.escaped())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2")
        await pilot.pause()
        stream = desk.stream(B)
        assert "⚠ tried to write outside: cp /etc/cron.d/x — stopped" in stream
        assert "tried to change git data: .git/config was changed while Beta ran" in stream
        assert stream.rstrip().endswith("NOT stopped")
        panes = desk.app.race.board
        assert "⚠ 3 escapes  ⚠ process" in shown(panes.pane(B).head)
        assert "⚠ 1 escape  ⚠ process" in shown(panes.pane(D).head)
        assert "escape" not in shown(panes.pane(E).head)
        await pilot.resize_terminal(40, 20)
        await pilot.pause()
        assert "⚠ 3  ⚠ process" in shown(panes.pane(B).head)


def test_what_a_world_names_cannot_break_a_line() -> None:
    script = states.racing()
    states.attempt(script, B, e.Escape.READ, "cat ~/.ssh\x1b[2J\x07")
    said = text_line(script.records[-1], fold(script.records))
    assert "tried to read outside: cat ~/.ssh" in said
    assert "\x1b" not in said


def test_headless_says_what_was_not_stopped() -> None:
    script = states.escaped()
    lines = [text_line(one, fold(script.records)) for one in script.records]
    assert any("tried to reach the network: curl" in one and "— stopped" in one for one in lines)
    assert any(one.endswith("— NOT stopped") for one in lines)


# --- heavy work ----------------------------------------------------------------------------------


def slots(at_once: int, reason: str, held: bool = False) -> e.SlotsChanged:
    return e.SlotsChanged(at_once=at_once, most=4, reason=reason, held=held)


@pytest.mark.anyio
async def test_the_head_line_tells_of_heavy_work_only_when_it_is_scarce() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        head = desk.app.race.headline
        await happen(desk, pilot, slots(4, "8 cores, 2 for each world"))
        assert "slot" not in shown(head)
        await pilot.resize_terminal(200, 50)
        await pilot.pause()
        assert "4 slots" in shown(head)
        await happen(desk, pilot, slots(1, "memory 92 % (above 90 %)"))
        assert "heavy work: 1 of 4 at once, memory 92 % (above 90 %)" in shown(head)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "1 of 4 slots, memory 92 %" in shown(head)
        await happen(desk, pilot, slots(1, "memory is short: tasks stalled", held=True))
        assert "work held, memory is short" in shown(head)
        await happen(desk, pilot, states.rule(desk.control.script, D))
        assert "Stop Delta early?" in shown(head)
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert "work held" in shown(head).splitlines()[0]


def test_headless_tells_of_heavy_work_only_when_it_is_scarce() -> None:
    def said(event: e.SlotsChanged) -> str:
        script = states.racing().add(event)
        return text_line(script.records[-1], fold(script.records))

    assert said(slots(4, "8 cores, 2 for each world")) == ""
    assert said(slots(2, "CPU 97 %")).endswith("heavy work: 2 of 4 at once, CPU 97 %")
    held = said(slots(4, "memory is short", held=True))
    assert held.endswith("heavy work is held, memory is short")


# --- approvals -----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_only_who_waits_for_an_approval_shows_it() -> None:
    desk = Desk(states.approval())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        board = desk.app.race.board
        for world in FIVE:
            wants = world in (A, B, D)
            assert ("a answers" in shown(board.pane(world).head)) is wants
            assert shown(board.pane(world).edge).startswith("?") is wants
        assert "waiting for a slot (2 of 3)" in shown(board.pane(E).head)
        await happen(desk, pilot, e.WorldWaiting(world=E, reason="waiting for a slot (1 of 4)"))
        assert "waiting for a slot (1 of 4)" in shown(board.pane(E).head)
        await press(pilot, "5")
        await pilot.pause()
        assert desk.stream(E).count("waiting for a slot") == 1


# --- findings, and who takes them all the same ---------------------------------------------------


@pytest.mark.anyio
async def test_a_world_with_findings_is_taken_by_its_name_alone() -> None:
    desk = Desk(states.hostile())
    async with desk.app.run_test(size=(120, 40)) as pilot:
        await press(pilot, "3", "w")
        assert isinstance(desk.app.screen, NameQuestion)
        yes = desk.app.screen.query_one("#yes", Button)
        for keys in (["enter"], [*"alph", "enter"], [*"a", "enter"], ["tab", "y"]):
            await press(pilot, *keys)
            assert isinstance(desk.app.screen, NameQuestion), keys
            assert yes.disabled
        desk.app.screen.query_one(Input).value = ""
        await press(pilot, *" gAMMA ")
        assert not yes.disabled
        await press(pilot, "enter")
    assert desk.control.asked[-1] == "pick Gamma"


@pytest.mark.anyio
@pytest.mark.parametrize("keys", [["escape"], ["tab", "enter"], ["tab", "n"], [*"gamma", "escape"]])
async def test_nothing_is_taken_by_leaving(keys: list[str]) -> None:
    desk = Desk(states.hostile())
    assert await desk.play("3", "w", *keys) == ["diff Gamma"]
    assert not desk.toasts


@pytest.mark.anyio
@pytest.mark.parametrize("world", [A, B, E])
async def test_all_others_are_confirmed_as_before(world: WorldId) -> None:
    desk = Desk(states.hostile())
    assert (await desk.play(world.key, "w", "y"))[-1] == f"pick {world}"


@pytest.mark.anyio
async def test_each_finding_can_be_read_in_the_dialog_and_in_the_stream() -> None:
    desk = Desk(states.hostile())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "w")
        said = desk.shown(".dialog-findings")
        parts = ["3 security findings", "leaked secret, critical", "ledger/__init__.py:3"]
        parts += ["secret-key", "a key of AWS", "file-system attack, high", "ci.yml:12"]
        for part in parts:
            assert part in said
        assert "medium" not in said
        assert "it breaks tests that passed on the base" in desk.shown(".dialog-text")
        stream = desk.stream(C)
        assert "✗ may not win: leaked secret, critical" in stream
        assert "ledger/__init__.py:3 secret-key · a key of AWS" in stream
        assert "✗ may not win: it breaks tests" in stream
        assert stream.count("may not win") == 4
        head = shown(desk.app.race.board.pane(C).head)
        assert "leaked secret, critical: ledger/__init__.py" in head


@pytest.mark.anyio
@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 20), (60, 14), (40, 10)])
async def test_field_and_buttons_are_always_there_and_the_rest_scrolls(
    size: tuple[int, int],
) -> None:
    desk = Desk(states.hostile())
    async with desk.app.run_test(size=size) as pilot:
        await press(pilot, "3", "w")
        await pilot.pause()
        screen = desk.app.screen
        for name in ("#name", "#yes", "#no"):
            widget = screen.query_one(name)
            assert widget.region.area
            assert screen.find_widget(widget).visible_region == widget.region
            assert Region(0, 0, *size).contains_region(widget.region)
        box = screen.query_one(".dialog")
        await press(pilot, *["pagedown"] * 6)
        assert box.scroll_y == box.max_scroll_y
        await press(pilot, *["pageup"] * 9)
        assert box.scroll_y == 0


@pytest.mark.anyio
async def test_the_name_is_asked_for_when_findings_came_meanwhile() -> None:
    desk = Desk(states.racing())
    async with desk.app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "w")
        assert type(desk.app.screen) is PickQuestion
        states.scored(desk.control.script, C, states.HOSTILE, *states.blocked(states.HOSTILE))
        desk.control.subscription.waiting += desk.control.script.records[-2:]
        desk.app.race.pump()
        await press(pilot, "y")
        assert isinstance(desk.app.screen, NameQuestion)
        assert "pick Gamma" not in desk.control.asked


@pytest.mark.anyio
async def test_the_podium_says_what_was_overridden() -> None:
    script = states.overridden()
    desk = Desk(script)
    async with desk.app.run_test(size=(200, 50)) as pilot:
        await pilot.pause()
        assert "overridden by you: ledger/" in shown(desk.app.race.board.pane(C).head)
        assert desk.stream(C).count("overridden by you:") == 3
        said, ink = outcome(desk.app.state)
        assert said.startswith("Gamma picked by you 87, 3 findings overridden · m merges it")
        assert ink == "warn"
    won = next(one for one in script.records if isinstance(one.event, e.WinnerSelected))
    assert text_line(won, fold(script.records)).count("overridden by you: ") == 3


def test_a_past_run_shows_it_all() -> None:
    script = states.overridden()
    states.attempt(script, C, e.Escape.GIT, "git config\x1b[2J x", stopped=False)
    exceeded = e.LimitExceeded(world=A, resource=e.Resource.DISK, used=6 * 2**30, limit=5 * 2**30)
    run = fold(script.add(exceeded).records)
    run = msgspec.structs.replace(
        run,
        worlds=tuple(
            msgspec.structs.replace(one, exceeded=exceeded) if one.id is A else one
            for one in run.worlds
        ),
    )
    page = history.page(run, as_json=False)
    for line in (
        "isolation: bubblewrap (limits by rlimits: no cgroup is delegated)",
        "  not docker: no daemon answers",
        "Alpha    over its disk limit: 6 of 5 GB",
        "Gamma    tried to read outside: cat ~/.aws — stopped",
        "Gamma    tried to change git data: git config[2J x — NOT stopped",
        "overridden by you: ledger/parse.py:44 B307 use of eval",
    ):
        assert line in page.splitlines()
    body = msgspec.json.decode(history.page(run, as_json=True))
    assert body["isolation"]["isolation"] == "bubblewrap"
    assert len(body["overridden"]) == 3
    assert [one["stopped"] for one in body["escapes"]["Gamma"]] == [True, False]
    assert body["limits"]["Alpha"]["resource"] == "disk"


def test_reasons_name_the_threat_first_and_each_once() -> None:
    world = fold(states.hostile().records).world(C)
    assert safety.reasons(world)[0].startswith("leaked secret, critical: ledger/__init__.py:3")
    assert len(safety.reasons(world)) == 4


# --- pictures ------------------------------------------------------------------------------------

BOARDS: dict[str, Callable[[], states.Script]] = {
    "unprotected": states.unprotected,
    "over-limit": states.over_limit,
    "leaving": states.leaving,
    "approval": states.approval,
    "overridden": states.overridden,
}
SHOTS: dict[str, tuple[Callable[[], states.Script], list[str], tuple[int, int]]] = {
    "limit-question": (states.over_limit, ["a"], (80, 24)),
    "approval-question": (states.approval, ["a"], (80, 24)),
    "name": (states.hostile, ["3", "w", *"gamma"], (120, 40)),
    "name-tiny": (states.hostile, ["3", "w"], (40, 20)),
    "help": (states.escaped, ["question_mark"], (200, 50)),
}


def shot(script: states.Script) -> MiyabiApp:
    """The app at a fixed time."""
    return MiyabiApp(states.FakeControl(script), clock=lambda: script.now + 1)


@pytest.mark.anyio
async def test_board(album: Album) -> None:
    for name, script in BOARDS.items():
        assert await album.sizes(shot(script()), SIZES, f"{name}-{{size}}") == []


@pytest.mark.parametrize("name", SHOTS)
def test_screen(snap_compare: Callable[..., bool], name: str) -> None:
    state, keys, size = SHOTS[name]

    async def ready(pilot: Pilot[int]) -> None:
        await press(pilot, *keys)
        await pilot.app.workers.wait_for_complete()
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    assert snap_compare(shot(state()), run_before=ready, terminal_size=size)
