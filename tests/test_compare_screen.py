"""Worlds side by side: scores, files, and the diff between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.repo.worktrees import difference
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens.compare import CompareScreen
from miyabi_tui.screens.diff import DiffScreen
from miyabi_tui.widgets.diff_text import parse
from miyabi_tui.widgets.overlap import touched
from tests import board_states as states
from tests.diffs import ALPHA, BETA, GAMMA, Worlds
from tests.test_diff_screen import pressing, settled
from tests.test_worktrees import manager

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tests.repositories import Repository

    Make = Callable[..., Repository]

SIZES = [(60, 16), (80, 24), (120, 40), (200, 50)]
A, B, C, D, E = FIVE
DIFFS = {A: ALPHA, B: BETA, C: GAMMA, D: states.DIFF}


def app(script: states.Script | None = None, theme: str = "miyabi-dark") -> MiyabiApp:
    control = Worlds(script or states.choosing(), DIFFS)
    made = MiyabiApp(control, clock=lambda: control.script.now + 1)
    made.theme = theme
    return made


def test_compare(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app(), run_before=pressing("c"), terminal_size=(120, 40))


def test_two_worlds_and_a_clash(snap_compare: Callable[..., bool]) -> None:
    keys = ("c", "v", "end", "up", "up", "up")
    assert snap_compare(app(), run_before=pressing(*keys), terminal_size=(120, 40))


def test_nine_worlds_in_a_narrow_terminal(snap_compare: Callable[..., bool]) -> None:
    made = app(states.crowded())
    assert snap_compare(made, run_before=pressing("c", "right"), terminal_size=(80, 24))


def table(pilot: Pilot[int]) -> list[str]:
    screen = pilot.app.screen
    assert isinstance(screen, CompareScreen)
    view = screen._table
    return [strip.text.rstrip() for strip in view.render_lines(view.size.region)]


@pytest.mark.anyio
async def test_files_by_world_and_who_gets_in_whose_way() -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        await pressing("c")(pilot)
        told = {row.split()[0]: row for row in table(pilot) if row.strip()}
        assert "▲" in told["score"]
        assert told["README.md"].split() == ["README.md", "·", "+3", "−1", "·", "·", "·"]
        assert told["ledger/parse.py"].count("≠") == 4
        assert "≠" not in told["setup.sh"]


@pytest.mark.anyio
async def test_the_diff_between_two_chosen_worlds() -> None:
    made = app()
    async with made.run_test(size=(120, 40)) as pilot:
        await pressing("c", "4", "2", "end", "up", "up", "enter")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, DiffScreen)
        assert isinstance(made._control, Worlds)
        assert made._control.asked[-1] == "between Delta Beta"
        await pressing("escape", "x", "enter")(pilot)
        assert made._control.asked[-1] == "between Beta Delta"
        await pressing("escape", "escape")(pilot)
        assert pilot.app.screen is made.race


@pytest.mark.anyio
async def test_a_world_that_cannot_be_read_hides_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    made = app()
    assert isinstance(made._control, Worlds)
    whole = made._control.diff

    def fail(world: WorldId) -> str:
        if world is B:
            raise OSError("git is not there")
        return whole(world)

    monkeypatch.setattr(made._control, "diff", fail)
    async with made.run_test(size=(120, 40)) as pilot:
        await pressing("c")(pilot)
        rows = table(pilot)
        assert any(row.strip().startswith("files") and "unread" in row for row in rows)
        assert any(row.strip().startswith("setup.sh") for row in rows)


@pytest.mark.anyio
async def test_one_world_has_nobody_to_be_compared_with() -> None:
    made = app(states.opened(worlds=1))
    said: list[str] = []
    made.notify = lambda message, **_: said.append(message)  # type: ignore[method-assign]
    async with made.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("c")
        assert pilot.app.screen is made.race
    assert said == ["There is only one world: nothing to compare it with."]


def patch(path: str, hunk: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{hunk}"


def test_only_the_same_lines_are_a_clash() -> None:
    first = parse(patch("a", "@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"))
    beside = parse(patch("a", "@@ -1,3 +1,3 @@\n one\n two\n-three\n+THREE\n"))
    same = parse(patch("a", "@@ -2,1 +2,0 @@\n-two\n"))
    after = parse(patch("a", "@@ -3,0 +4,1 @@\n+four\n"))
    (one,) = touched({A: first, B: beside, C: same, D: after})
    assert one.clashes == (A, C)
    assert one.where == "line 2"


@pytest.mark.anyio
async def test_the_content_of_two_worktrees_is_set_against_each_other(repository: Make) -> None:
    repo = repository({"a.txt": "one\ntwo\n", "long.txt": "line\n" * 20})
    five = manager(repo)
    first, second = await five.spawn_world(A), await five.spawn_world(B)
    (first.path / "a.txt").write_text("one\nTWO\n")
    (second.path / "a.txt").write_text("one\nzwei\n")
    (second.path / "long.txt").rename(second.path / "longer.txt")
    (second.path / "new.txt").write_text("untracked\n")
    diff = parse(await anyio.to_thread.run_sync(difference, first, second))
    words = {one.path: one.words for one in diff.files}
    assert words == {
        "a.txt": "",
        "longer.txt": "renamed from long.txt",
        "new.txt": "new file",
    }
    assert "-TWO" in diff.lines
    assert "+zwei" in diff.lines
    assert await anyio.to_thread.run_sync(difference, first, first) == ""
