"""Reading a world: tabs, folds, search, following, and a past of any length in bounded memory."""

from __future__ import annotations

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import StoreError
from miyabi_tui.engine.models.base import Sampling
from miyabi_tui.screens.checkpoints import CheckpointScreen
from miyabi_tui.widgets.cost_page import Waits
from miyabi_tui.widgets.stream_blocks import MOST_CHARACTERS, MOST_LINES, Blocks
from miyabi_tui.widgets.stream_lines import Look
from miyabi_tui.widgets.stream_markdown import marked
from miyabi_tui.widgets.stream_reader import StreamReader
from miyabi_tui.widgets.stream_window import PAGE, StreamTeller, Window
from miyabi_tui.widgets.zoom_tabs import Tab
from tests import board_states as states
from tests.desk import Desk, happen, press
from tests.zoomed import ANSWER, LISTING, reading, rows, settled, view, zoom

pytestmark = pytest.mark.anyio
A, B = states.A, states.B
SIZE = (100, 40)


def reader(desk: Desk) -> StreamReader:
    found = view(desk).body.target
    assert isinstance(found, StreamReader)
    return found


def text(desk: Desk) -> str:
    return "\n".join(rows(desk))


def out(what: str) -> e.Output:
    return e.Output(world=A, channel=e.Channel.STDOUT, text=what, call_id="x")


def long_run(lines: int, each: int = 5) -> states.Script:
    """A world that has printed so many numbered lines, a few in each record."""
    script = states.opened()
    sent = Sampling(states.MODEL, 0.3)
    for step, start in enumerate(range(0, lines, 200), 1):
        script.add(e.StepStarted(world=A, step=step, sampling=sent))
        key = f"c{step}"
        called = e.ToolStarted(world=A, step=step, call_id=key, name="bash", summary=f"run {step}")
        script.add(called)
        for at in range(start, min(lines, start + 200), each):
            said = "".join(f"line {n:07} of it\n" for n in range(at, at + each))
            script.add(e.Output(world=A, channel=e.Channel.STDOUT, text=said, call_id=key))
    return script


# --- tabs ----------------------------------------------------------------------------------------


async def test_the_tabs_are_a_key_or_a_click_away_and_the_keys_of_the_race_still_work() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        for tab in [*list(Tab)[1:], Tab.STREAM]:
            await press(pilot, "full_stop")
            await settled(pilot)
            assert view(desk).tab is tab
            assert desk.app.focused is view(desk).body.target
            await press(pilot, "p")
        await press(pilot, "comma")
        assert view(desk).tab is Tab.LOG
        await press(pilot, "2")
        await settled(pilot)
        assert (view(desk).world, view(desk).tab) == (B, Tab.LOG)
        await pilot.click("ZoomTabs", offset=(2, 0))
        assert view(desk).tab is Tab.STREAM
        await press(pilot, "p", "escape")
        assert desk.app.focused is desk.app.race.board.pane(B)
        assert desk.app.race.board.pane(B).reading is None
        await press(pilot, "enter")
        assert view(desk).world is B
    assert desk.control.asked[1:].count("pause Alpha") == 7
    assert "pause Beta" in desk.control.asked


async def test_the_same_world_again_keeps_the_keys_where_they_are() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "1", "slash", "x")
        assert reader(desk).found.query == "x"


async def test_what_happens_is_seen_at_once_and_once() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        await happen(desk, pilot, e.Output(world=A, channel=e.Channel.TEXT, text="Done so far.\n"))
        await happen(desk, pilot, e.Output(world=B, channel=e.Channel.TEXT, text="Of Beta."))
        assert text(desk).count("Done so far.") == 1
        assert "Of Beta." not in text(desk)
        assert text(desk).count("keep the public name") == 1


async def test_a_journal_that_cannot_be_read_is_said() -> None:
    desk = Desk(reading())

    def broken(**_: object) -> list[e.Record]:
        raise StoreError("the journal is damaged", "\x1b[31mpage 7")

    desk.control.records = broken  # type: ignore[method-assign]
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        assert "the journal cannot be read" in text(desk)
        assert "\x1b" not in text(desk)
        await happen(desk, pilot, e.Output(world=A, channel=e.Channel.TEXT, text="It goes on.\n"))
        assert "It goes on." in text(desk)


# --- folding -------------------------------------------------------------------------------------


async def test_long_output_shows_its_ends_and_opens_and_folds() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        assert "… 108 lines · enter opens" in text(desk)
        assert "test_001" in text(desk)
        assert "test_120" in text(desk)
        await press(pilot, "enter")
        assert "enter opens" not in text(desk)
        assert reader(desk).sheet.end - reader(desk).sheet.first > 120
        await press(pilot, "space")
        assert "▸ bash  python -m pytest -v  ✓ 0.4 s  120 lines" in text(desk)
        await press(pilot, "space")
        assert "… 108 lines · enter opens" in text(desk)


async def test_a_folded_call_says_how_it_ended_and_opens_to_what_the_model_read() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "minus")
        assert "✗ exit 1 · 0.4 s  3 lines" in text(desk)
        await press(pilot, *["left_square_bracket"] * 3, "enter")
        assert "▾ read  ledger/parse.py" in text(desk)
        assert "def split_row(line):" in text(desk)
        await press(pilot, "plus", "g")
        assert "1 failed, 41 passed" in text(desk)


async def test_a_click_folds_and_opens() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        at = next(n for n, row in enumerate(rows(desk)) if "enter opens" in row)
        await pilot.click(StreamReader, offset=(5, at))
        assert "enter opens" not in text(desk)
        await press(pilot, "f")
        at = next(n for n, row in enumerate(rows(desk)) if "test_119" in row)
        await pilot.click(StreamReader, offset=(5, at))
        await press(pilot, "enter")
        assert "120 lines" in text(desk)


# --- searching -----------------------------------------------------------------------------------


async def test_search_is_incremental_counts_and_opens_what_hides_a_match() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "slash", *"TEST_05")
        count = view(desk).body.query_one("#search-count")
        assert "nothing found" in str(count.content)
        await press(pilot, *["backspace"] * 7, *"test_05", "enter")
        assert "10 of 10" in str(count.content)
        assert "test_059" in text(desk)
        await press(pilot, "n")
        assert "1 of 10" in str(count.content)
        await press(pilot, "N", "N")
        assert "9 of 10" in str(count.content)
        assert any(row.startswith("›") and "test_058" in row for row in rows(desk))
        await press(pilot, "escape")
        assert not reader(desk).found.query
        assert view(desk).tab is Tab.STREAM
        await press(pilot, "escape")
        assert not desk.app.race.board.zoomed


async def test_a_search_goes_on_in_the_journal() -> None:
    desk = Desk(long_run(20_000))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "slash", *"line 0000777", "enter", "N")
        for _ in range(20):
            await settled(pilot)
            if not reader(desk).hunting:
                break
        assert "line 0000777" in text(desk)


# --- the past ------------------------------------------------------------------------------------


async def test_scrolling_back_reaches_the_first_line_and_comes_back_without_a_gap() -> None:
    desk = Desk(long_run(9_000))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "plus")
        read = reader(desk)
        await press(pilot, "minus")
        seen: set[str] = set()
        for _ in range(200):
            seen.update(row for row in rows(desk) if "run " in row)
            await press(pilot, "pageup")
            await settled(pilot)
            if read.window.whole and read._top == read.sheet.first:
                break
        seen.update(row for row in rows(desk) if "run " in row)
        assert len({one.split("run ")[1].split()[0] for one in seen}) == 45
        await press(pilot, "G")
        await settled(pilot)
        assert read.following
        assert read.window.attached


async def test_new_output_never_moves_the_view_and_is_counted() -> None:
    desk = Desk(long_run(400))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "enter", "pageup", "pageup")
        before = rows(desk)[:-1]
        await happen(desk, pilot, out("more\n" * 30))
        assert rows(desk)[:-1] == before
        assert "more below" in rows(desk)[-1]
        await press(pilot, "f")
        assert reader(desk).following
        assert "more" in text(desk)


async def test_the_very_first_is_one_key_away_and_the_newest_too() -> None:
    desk = Desk(long_run(20_000))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "g")
        await settled(pilot)
        assert "on world-Alpha-issue-270-main" in text(desk)
        assert not reader(desk).window.attached
        await happen(desk, pilot, out("the newest of all\n"))
        assert "then 1 new" in rows(desk)[-1]
        await press(pilot, "G")
        await settled(pilot)
        assert "the newest of all" in text(desk)


async def test_from_the_first_line_on_pages_follow_each_other() -> None:
    desk = Desk(long_run(9_000))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "minus", "g")
        seen: list[str] = []
        for _ in range(100):
            await settled(pilot)
            seen += [row.split("run ")[1].split()[0] for row in rows(desk) if "run " in row]
            if reader(desk).following:
                break
            await press(pilot, "pagedown")
        assert reader(desk).following
        assert list(dict.fromkeys(seen)) == [str(n) for n in range(1, 46)]


def test_a_window_stays_small_whatever_comes() -> None:
    window = Window(StreamTeller)
    window.begin([], whole=True, up_to=0)
    records = long_run(60_000).records
    for start in range(0, len(records), 50):
        window.live(records[start : start + 50])
        window.trim(reading_first=False)
    blocks = window.blocks
    assert blocks.count < MOST_LINES * 1.2
    assert blocks.characters < MOST_CHARACTERS * 1.2
    assert blocks.count == sum(len(block.lines) for block in blocks.blocks)
    assert blocks.characters == sum(block.size for block in blocks.blocks)
    assert window.attached
    assert not window.whole


def test_a_call_that_never_ends_stays_small_too() -> None:
    window = Window(StreamTeller)
    window.begin([], whole=True, up_to=0)
    for n in range(1, 4_000):
        window.live([e.Record(n, 0.0, out("x" * 900 + "\n" + "y\n" * 20))])
        window.trim(reading_first=False)
    assert window.blocks.count < MOST_LINES * 1.2
    assert window.blocks.characters < MOST_CHARACTERS * 1.3
    assert len(window.blocks.blocks) > 2


def test_a_window_slides_back_and_on_over_the_same_text() -> None:
    records = [one for one in long_run(30_000).records if e.world_of(one.event) is A]
    window = Window(StreamTeller)
    window.begin(records[-PAGE:], whole=False, up_to=records[-1].seq)
    while not window.whole:
        older = [one for one in records if one.seq < window.oldest][-PAGE:]
        window.older(older, whole=len(older) < PAGE)
        window.trim(reading_first=True)
    assert not window.attached
    while not window.attached:
        newer = [one for one in records if one.seq > window.newest][:PAGE]
        window.newer(newer, newer[-1].seq)
        window.trim(reading_first=False)
    lines = [one.text for block in window.blocks.blocks for one in block.lines]
    numbers = [one for one in lines if one.startswith("line ")]
    assert numbers[-1] == "line 0029999 of it"
    first = int(numbers[0].split()[1])
    assert numbers == [f"line {n:07} of it" for n in range(first, 30_000)]


# --- words and inks ------------------------------------------------------------------------------


def test_every_character_of_a_message_is_kept_and_code_has_its_inks() -> None:
    lines = ANSWER.split("\n")
    made = marked(lines)
    assert len(made) == len(lines)
    for line, parts in zip(lines, made, strict=True):
        assert all(0 <= one.start < one.stop <= len(line) for one in parts)
    code = lines.index("def split_row(line: str) -> list[str]:")
    assert {one.ink for one in made[code]} >= {"keyword", "named"}
    assert made[0][0].ink == "named"


@pytest.mark.parametrize(
    "hostile",
    [
        "```" + "a" * 300,
        "```python\n" + "(" * 4_000,
        "`" * 5_000,
        "**" * 2_000,
        "> " * 2_000,
        "```\n",
    ],
)
def test_hostile_markdown_is_only_text(hostile: str) -> None:
    lines = hostile.split("\n")
    assert len(marked(lines)) == len(lines)


async def test_escape_codes_and_markup_stay_text_in_every_tab() -> None:
    desk = Desk(states.hostile())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        for world in "12345":
            await press(pilot, world)
            await settled(pilot)
            for _ in Tab:
                assert "\x1b" not in text(desk)
                await press(pilot, "full_stop")
                await settled(pilot)


async def test_what_befell_the_whole_run_is_told_too() -> None:
    desk = Desk(states.resumed())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot)
        assert "the run goes on" in text(desk)
        await press(pilot, "comma")
        await settled(pilot)
        assert "the run goes on" in text(desk)


async def test_a_checkpoint_is_chosen_and_its_dialog_is_a_key_away() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, *["comma"] * 2)
        assert view(desk).tab is Tab.CHECKPOINTS
        await press(pilot, "down", "down")
        chosen = view(desk).body.listing.selected
        assert (chosen.step, chosen.doing) == (1, "ledger/parse.py; python -m pytest -q")
        await press(pilot, "enter")
        assert isinstance(desk.app.screen, CheckpointScreen)


def test_waits_are_added_up_by_what_was_waited_for() -> None:
    waits = Waits()
    said = (
        "rate limit of x, 9 s",
        "rate limit of x, 4 s",
        "",
        "waiting for a slot (2 of 2)",
        "waiting for a slot (1 of 2)",
        "",
        "rate limit of x",
    )
    records = [
        e.Record(n, 10.0 * n, e.WorldWaiting(world=A, reason=one)) for n, one in enumerate(said, 1)
    ]
    waits.take(records)
    waits.take(records)
    assert waits.shown(80.0) == [
        ("rate limit of x", 2, 30.0, True),
        ("waiting for a slot", 1, 20.0, False),
    ]


def test_what_a_call_streamed_is_not_told_twice() -> None:
    blocks = Blocks()
    blocks.line(Look.CALL, "bash  ls")
    blocks.write(Look.OUTPUT, "a\nb\n")
    blocks.answer("a\nb\n")
    assert [one.text for one in blocks.blocks[0].lines] == ["bash  ls", "a", "b"]


async def test_the_log_has_every_event_with_its_time() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=(120, 60)) as pilot:
        await zoom(pilot, *["comma"])
        assert view(desk).tab is Tab.LOG
        log = text(desk)
        assert "its worktree is being made" in log
        assert "step 3 done" in log
        assert LISTING[:30] not in log
        await happen(desk, pilot, e.WorldPaused(world=A))
        assert "! paused" in rows(desk)[-1] or "! paused" in text(desk)


async def test_the_diff_is_read_again_when_a_step_has_changed_something() -> None:
    desk = Desk(reading())
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "full_stop")
        assert desk.control.asked.count("diff Alpha") == 1
        changed = e.StepFinished(
            world=A, step=4, lines_added=30, lines_deleted=3, files_changed=3, checkpoint="f" * 40
        )
        await happen(desk, pilot, changed)
        await settled(pilot)
        assert desk.control.asked.count("diff Alpha") == 2


async def test_resizing_keeps_the_place() -> None:
    desk = Desk(long_run(400))
    async with desk.app.run_test(size=SIZE) as pilot:
        await zoom(pilot, "enter", "pageup", "pageup")
        top = rows(desk)[0]
        for size in ((60, 16), (200, 50), (40, 14), (100, 40)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert rows(desk)[0] == top
