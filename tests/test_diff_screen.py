"""The diff on the whole screen: what a reader sees and presses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.app import MiyabiApp
from miyabi_tui.engine.worlds import FIVE, WorldId
from miyabi_tui.screens.diff import DiffScreen
from miyabi_tui.widgets.diff_text import ADDED, DELETED, FILE, HUNK, META, NO_END, SAME, parse
from miyabi_tui.widgets.visible import visible
from tests import board_states as states
from tests.diffs import ALPHA, BETA, GAMMA, ODDITIES, Worlds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

    from miyabi_tui.widgets.diff_view import DiffView

SIZES = [(60, 16), (80, 24), (120, 40), (200, 50)]
A, B, C, D, E = FIVE


def app(diffs: dict[WorldId, str] | None = None, theme: str = "miyabi-dark") -> MiyabiApp:
    control = Worlds(states.choosing(), diffs or {A: ALPHA, B: BETA, C: GAMMA})
    made = MiyabiApp(control, clock=lambda: control.script.now + 1)
    made.theme = theme
    return made


async def settled(pilot: Pilot[int]) -> None:
    """Until everything was read and highlighted."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def pressing(*keys: str) -> Callable[[Pilot[int]], Awaitable[None]]:
    async def run(pilot: Pilot[int]) -> None:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)

    return run


def test_diff(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app(), run_before=pressing("d"), terminal_size=(120, 40))


@pytest.mark.parametrize("keys", [("3", "d"), ("3", "d", "W", "v")])
def test_oddities(snap_compare: Callable[..., bool], keys: tuple[str, ...]) -> None:
    made = app({A: ALPHA, B: BETA, C: ODDITIES})
    assert snap_compare(made, run_before=pressing(*keys), terminal_size=(120, 40))


# --- what the keys do -----------------------------------------------------------------------------


def view_of(pilot: Pilot[int]) -> DiffView:
    assert isinstance(pilot.app.screen, DiffScreen)
    return pilot.app.screen.view


def rows(pilot: Pilot[int]) -> list[str]:
    view = view_of(pilot)
    return [strip.text.rstrip() for strip in view.render_lines(view.size.region)]


@pytest.mark.anyio
async def test_hunk_by_hunk_and_file_by_file() -> None:
    async with app().run_test(size=(80, 16)) as pilot:
        await pressing("d")(pilot)
        view = view_of(pilot)
        assert view.hunk is not None
        assert view.current == 0
        await pressing("n")(pilot)
        assert "line 40  def rows" in rows(pilot)[0]
        assert rows(pilot)[1].startswith("▎")
        await pressing("right_square_bracket")(pilot)
        assert (view.current, view.file and view.file.path) == (2, "tests/test_parse.py")
        await pressing("n", "N")(pilot)
        assert view.current == 1
        await pressing("f")(pilot)
        assert view.file is not None
        assert view.file.path == "tests/test_parse.py"
        await pressing("b")(pilot)
        assert rows(pilot)[0].startswith(" ledger/parse.py")
        await pressing("end", "home")(pilot)
        assert view.current == 0


@pytest.mark.anyio
async def test_side_by_side_wrapped_and_back_keep_the_place() -> None:
    made = app({A: states.DIFF, B: "", C: ODDITIES})
    async with made.run_test(size=(100, 11)) as pilot:
        await pressing("3", "d", "T", "n", "n")(pilot)
        view = view_of(pilot)
        there = rows(pilot)[0]
        await pressing("v")(pilot)
        assert view.is_split
        assert rows(pilot)[0] == there
        await pressing("v", "W")(pilot)
        assert rows(pilot)[0] == there
        await pressing("space")(pilot)
        assert any(row.lstrip("▎ ").startswith("word") for row in rows(pilot))
        for width, height in ((30, 8), (1, 1), (200, 50), (100, 11)):
            await pilot.resize_terminal(width, height)
            for strip in view.render_lines(view.size.region):
                assert strip.cell_length == view.columns


@pytest.mark.anyio
async def test_a_hunk_is_copied_as_a_patch() -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await pressing("d", "n", "y")(pilot)
        copied = pilot.app.clipboard
        assert copied.startswith("diff --git a/ledger/parse.py b/ledger/parse.py\nindex ")
        assert copied.count("@@ -") == 1
        assert "-    for part in line.split" in copied
        assert parse(copied).summary() == "1 file · +6 −4"


@pytest.mark.anyio
async def test_the_tree_says_who_else_touches_a_file_and_a_click_goes_there() -> None:
    async with app().run_test(size=(120, 30)) as pilot:
        await pressing("d")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, DiffScreen)
        told = [strip.text for strip in screen.tree_.render_lines(screen.tree_.size.region)]
        assert "≡23 +8 −4" in told[1]
        assert "≡" not in told[3]
        await pilot.click(screen.tree_, offset=(6, 3))
        await settled(pilot)
        assert screen.view.file is not None
        assert screen.view.file.path == "tests/test_parse.py"


@pytest.mark.anyio
async def test_a_diff_of_200_000_lines_opens_and_scrolls_at_once() -> None:
    from tests.diffs import long_diff

    made = app({A: long_diff(200_000, 20)})
    async with made.run_test(size=(120, 40)) as pilot:
        await pressing("d")(pilot)
        view = view_of(pilot)
        assert view.virtual_size.height > 199_000
        before = time.perf_counter()
        for y in range(0, 190_000, 9_500):
            view.scroll_to(y=y, animate=False, force=True)
            view.render_lines(view.size.region)
        assert (time.perf_counter() - before) / 20 < 0.1  # a page; it takes 3 ms where it is quiet
        await settled(pilot)
        assert any("compute(" in row for row in rows(pilot))


@pytest.mark.anyio
async def test_read_again_stays_where_it_was() -> None:
    made = app()
    async with made.run_test(size=(80, 16)) as pilot:
        await pressing("d", "n", "r")(pilot)
        assert "line 40  def rows" in rows(pilot)[0]
        assert isinstance(made._control, Worlds)
        made._control.diffs = {A: ""}
        await pressing("r")(pilot)
        assert rows(pilot)[0] == " nothing changed yet"


# --- taken apart ----------------------------------------------------------------------------------


def test_inside_a_hunk_only_the_mark_counts() -> None:
    diff = parse(
        "diff --git a/q.sql b/q.sql\n--- a/q.sql\n+++ b/q.sql\n@@ -1,3 +1,2 @@ select\n"
        "--- a comment\n-++ x\n+++ y\n z\x0cdiff \n\\ No newline at end of file\n"
        "diff --git a/r b/r\nnew file mode 100644\n@@ -0,0 +1 @@\n+diff \n"
    )
    assert list(diff.kinds[:4]) == [FILE, META, META, HUNK]
    assert list(diff.kinds[4:9]) == [DELETED, DELETED, ADDED, SAME, NO_END]
    assert list(diff.kinds[9:]) == [FILE, META, HUNK, ADDED]
    assert diff.summary() == "2 files · +2 −2"


def test_what_happened_to_a_file_in_words() -> None:
    said = {one.path: one.words for one in parse(ODDITIES).files}
    assert said == {
        "docs/logo.png": "binary, not shown",
        "new/name.py": "renamed from old/name.py",
        "run.sh": "now executable",
        'tab\there "x".txt': "deleted",
        "wide.txt": "",
        "empty": "new file",
    }


def test_what_could_be_obeyed_is_a_sign() -> None:
    assert visible("\x1b[31mred\x07") == "␛[31mred␇"
    assert visible("a\tb\t列\tc") == "a   b   列  c"
    assert visible("\u202eabc\u200b") == "‹202E›abc‹200B›"
    assert visible("👩\u200d💻 🇯🇵 plain") == "👩💻 JP plain"
