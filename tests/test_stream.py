"""The stream: harmless text, exact widths, bounded buffers, a place that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.events import MouseScrollDown, MouseScrollUp

from miyabi_tui.engine import events as e
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.styles.themes import DARK
from miyabi_tui.widgets.cleaner import Cleaner
from miyabi_tui.widgets.inert import one_line, overtype
from miyabi_tui.widgets.narrator import Narrator
from miyabi_tui.widgets.palette import Inks
from miyabi_tui.widgets.stream import StreamView
from miyabi_tui.widgets.stream_text import LONGEST_LINE, Line, Look, StreamText
from miyabi_tui.widgets.wrap import breaks, cells, fit

if TYPE_CHECKING:
    from textual.pilot import Pilot

INK = Inks(
    dict.fromkeys(
        [look.ink for look in Look] + [look.mark_ink for look in Look] + ["good", "bad", "text"],
        Style.null(),
    )
)
WIDE = "日本語のテスト、全角。 한국어 🎌👩‍👩‍👧 e\u0301 ✅ plain"


def stream(width: int = 20, height: int = 10, most: int = 2_000) -> StreamText:
    """An empty stream text of a fixed shape."""
    text = StreamText(most)
    text.reshape(width, INK, 0, height)
    return text


def shown(text: StreamText) -> list[str]:
    """All kept rows as plain text."""
    return [strip.text for strip in text.window(text.first, text.end - text.first)]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[H\x1b[?1049hgone", "gone"),
        ("\x1bP1$r0m\x1b\\dcs", "dcs"),
        ("\x9b31mc1", "c1"),
        ("\x1b(Bcharset", "charset"),
        ("bell\x07 nul\x00", "bell␇ nul␀"),
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("lone \ud83d surrogate", "lone \ufffd surrogate"),
        ("🇯🇵 flag ❤️", "JP flag ❤"),
        ("two\r\nlines", "two\nlines"),
    ],
)
def test_codes_are_inert(raw: str, clean: str) -> None:
    assert Cleaner().feed(raw) == clean


def test_split_codes_are_one_code() -> None:
    whole = "a\x1b[38;5;196mb\x1b]0;t\x1b\\c\r\nd"
    for cut in range(len(whole)):
        cleaner = Cleaner()
        assert cleaner.feed(whole[:cut]) + cleaner.feed(whole[cut:]) == "abc\nd"


def test_an_unending_code_does_not_swallow_the_rest() -> None:
    cleaner = Cleaner()
    fed = "".join(cleaner.feed("\x1b]0;" if n == 0 else "x" * 100) for n in range(100))
    assert len(fed) > 5_000


def test_overtype() -> None:
    assert overtype("10%", "\r20%\r30%") == "30%"
    assert overtype("abc", "\b\bX") == "aX"
    assert overtype("a", "\tb") == "a   b"
    assert one_line("a\nb\x1b[31m\tc") == "a b   c"


@pytest.mark.parametrize("width", range(2, 60))
def test_every_row_is_exactly_as_wide_as_the_pane(width: int) -> None:
    text = stream(width)
    for look in Look:
        text.line(look, WIDE * 3, ("  ✓ 0.4 s", "good"))
        text.write(look, WIDE + "\n" + "x" * 70 + "\n")
    for strip in text.window(text.first, 10_000):
        assert strip.cell_length == width
        assert sum(cells(segment.text) for segment in strip) == width


def test_breaks_are_stable_when_a_line_grows() -> None:
    line = "some words and 日本語の長い文 then averyveryverylongwordwithoutblanks  end"
    for width in (5, 9, 20):
        whole = breaks(line, width)
        for cut in range(len(line)):
            assert breaks(line[:cut], width) == whole[: len(breaks(line[:cut], width))]


def test_fit() -> None:
    assert fit("東京都", 5) == "東京…"
    assert fit("abc", 3) == "abc"
    assert fit("abc", 0) == ""


def test_pieces_and_a_whole_look_the_same() -> None:
    said = "The quick brown fox\njumps over 犬 and\n\n\n\nstops here at last\n"
    pieces, whole = stream(), stream()
    for character in said:
        pieces.write(Look.TEXT, character)
    whole.write(Look.TEXT, said)
    assert shown(pieces) == shown(whole)
    assert [row.rstrip() for row in shown(whole)].count("") == 1


def test_a_progress_bar_stays_one_line() -> None:
    text = stream(40)
    for percent in range(101):
        text.write(Look.OUTPUT, f"\r{percent:3}% {'#' * (percent // 4)}", "c")
    text.write(Look.OUTPUT, "\ndone\n", "c")
    assert [row.strip() for row in shown(text)] == [f"│ 100% {'#' * 25}", "│ done"]


def test_floods_stay_bounded() -> None:
    text = stream(most=500)
    for n in range(2_000):
        text.write(Look.OUTPUT, f"line {n}\n", "c")
    assert len(text) == 500
    assert text.end - text.first < 1_000
    assert "line 1999" in shown(text)[-1]
    endless = stream()
    endless.write(Look.OUTPUT, "x" * 1_200_000)
    assert sum(len(row) for row in shown(endless)) < 3_000 * 20
    assert len(endless) <= 1_000_000 // LONGEST_LINE + 1


def test_reshape_wraps_again_from_the_source() -> None:
    text = stream(40)
    text.write(Look.TEXT, "one two three four five six seven eight nine ten\n" * 3)
    wide = [row.split() for row in shown(text)]
    text.reshape(12, INK, 0, 5)
    assert all(len(row) == 12 for row in shown(text))
    text.reshape(40, INK, 0, 5)
    assert [row.split() for row in shown(text)] == wide


def test_what_is_written_while_hidden_is_not_lost() -> None:
    text = StreamText()
    text.write(Look.TEXT, "hidden one\nhidden ")
    text.reshape(30, INK, 0, 5)
    text.write(Look.TEXT, "two\n")
    text.reshape(0, INK, 0, 0)
    text.write(Look.TEXT, "three")
    text.reshape(30, INK, 0, 5)
    assert [row.strip() for row in shown(text)] == ["hidden one", "hidden two", "three"]


def test_only_the_tail_is_marked_as_changed() -> None:
    text = stream(30)
    text.write(Look.TEXT, "first\nsecond")
    text.take_changed()
    text.write(Look.TEXT, " more")
    assert text.take_changed() == 1
    assert text.take_changed() is None


def discard(line: Line) -> None:
    """A line counts for nothing."""
    if line.look is Look.TEXT:
        line.look = Look.DISCARDED


@pytest.mark.parametrize("width", [0, 7, 30])
def test_lines_that_are_amended_look_as_if_they_had_been_written_so(width: int) -> None:
    amended, written = stream(30), stream(30)
    for text, look in ((amended, Look.TEXT), (written, Look.DISCARDED)):
        text.line(Look.TEXT, f"before {WIDE}")
        if text is amended:
            mark = text.mark()
        text.reshape(width, INK, 0, 5)
        text.write(look, f"half a turn, {WIDE}\nand")
        text.line(Look.WARNING, "not a part of it")
        text.write(look, "more of it")
        text.hint("writing a call")
    amended.amend(mark, discard)
    written.mark()
    for text in (amended, written):
        assert (text.take_changed() or 0) <= 5
        text.line(Look.STEP, "goes on")
        if not width:
            text.reshape(9, INK, 0, 5)
    assert shown(amended) == shown(written)
    assert [one.look for one in amended._lines] == [one.look for one in written._lines]


def test_a_mark_that_a_flood_has_swept_away_stands_before_all_that_is_kept() -> None:
    text = stream(most=50)
    text.line(Look.STEP, "step 1")
    mark = text.mark()
    for n in range(700):
        text.write(Look.TEXT, f"line {n}\n")
    text.amend(mark, discard)
    assert {one.look for one in text._lines} == {Look.DISCARDED}
    assert shown(text)[-1].strip() == "line 699"
    text.amend(None, discard)
    text.reshape(20, INK, 0, 5)
    assert shown(text)[-1].strip() == "line 699"


@pytest.mark.anyio
async def test_a_reader_who_scrolled_back_sees_lines_change() -> None:
    app = StreamApp()
    async with app.run_test(size=(40, 10)) as pilot:
        mark = app.stream.text.mark()
        app.stream.text.write(Look.TEXT, "".join(f"line {n}\n" for n in range(40)))
        app.stream.flush()
        app.stream.scroll_to_start()
        await pilot.pause()
        app.stream.text.amend(mark, discard)
        app.stream.flush()
        assert app.rows()[0] == "line 0"
        assert (
            app.stream.render_lines(app.stream.size.region)[0]._segments[2].style
            is app.stream.ink["discarded"]
        )


def test_narration_of_calls() -> None:
    text = stream(60)
    narrator = Narrator(text)
    world = WorldId.ALPHA

    def tell(*events: e.AnyEvent) -> list[str]:
        narrator.tell(e.Record(1, 0.0, event) for event in events)
        return [row.strip() for row in shown(text)]

    writing = e.Output(world=world, channel=e.Channel.CALL, text='{"command": "ls', call_id="1")
    assert tell(writing) == ["▹ writing a call … 15 characters"]
    started = e.ToolStarted(world=world, step=1, call_id="1", name="bash", summary="ls")
    assert tell(started) == ["▸ bash  ls"]
    done = e.ToolFinished(
        world=world, step=1, call_id="1", name="bash", text="", is_error=False, seconds=0.44
    )
    assert tell(done) == ["▸ bash  ls  ✓ 0.4 s"]
    out = e.Output(world=world, channel=e.Channel.STDERR, text="oops\n", call_id="2")
    failed = e.ToolFinished(
        world=world,
        step=1,
        call_id="2",
        name="bash",
        text="",
        is_error=True,
        seconds=1.0,
        exit_code=1,
    )
    rows = tell(
        e.ToolStarted(world=world, step=1, call_id="2", name="bash", summary="make"), out, failed
    )
    assert rows[1:] == ["▸ bash  make", "┃ oops", "└ ✗ exit 1 · 1.0 s"]


class StreamApp(App[None]):
    """One stream on the whole screen."""

    CSS = "StreamView { height: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.stream = StreamView(WorldId.BETA)

    def compose(self) -> ComposeResult:
        """The stream."""
        yield self.stream

    def say(self, start: int, stop: int) -> None:
        """Numbered lines."""
        for n in range(start, stop):
            self.stream.text.write(Look.OUTPUT, f"line {n}\n", "c")
        self.stream.flush()

    def rows(self) -> list[str]:
        """What the view shows."""
        size = self.stream.size
        return [strip.text.strip() for strip in self.stream.render_lines(size.region)]


@pytest.mark.anyio
async def test_the_view_keeps_its_place_while_more_comes() -> None:
    app = StreamApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.say(0, 100)
        assert "│ line 99" in app.rows()
        app.stream.scroll_rows(-20)
        before = app.rows()
        app.say(100, 112)
        assert app.rows()[:-1] == before[:-1]
        assert app.rows()[-1].startswith("↓ 33 more below")
        app.say(112, 4_000)
        assert app.rows()[0] == f"│ line {app.stream.text.first}"
        app.stream.scroll_to_end()
        assert app.rows()[-1] == "│ line 3999"
        await pilot.pause()


@pytest.mark.anyio
async def test_the_view_survives_resizes() -> None:
    app = StreamApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.stream.text.write(Look.TEXT, "word " * 2_000)
        app.stream.flush()
        for width, height in ((80, 24), (12, 3), (1, 1), (200, 50), (40, 10)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            strips = app.stream.render_lines(app.stream.size.region)
            assert [strip.cell_length for strip in strips] == [width] * height
        assert app.rows()[-1].endswith("word")


@pytest.mark.anyio
async def test_a_scrolled_back_view_keeps_its_line_when_the_width_changes() -> None:
    app = StreamApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.say(0, 600)
        app.stream.scroll_rows(-300)
        first = app.rows()[0]
        await resized(pilot, 60, 10)
        assert app.rows()[0] == first
        app.stream.scroll_to_start()
        assert app.rows()[0] == "│ line 0"


@pytest.mark.anyio
async def test_the_wheel_leaves_and_finds_the_end() -> None:
    app = StreamApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.say(0, 50)
        await pilot._post_mouse_events([MouseScrollUp], app.stream)
        assert not app.stream.following
        for _ in range(2):
            await pilot._post_mouse_events([MouseScrollDown], app.stream)
        assert app.stream.following


async def resized(pilot: Pilot[None], width: int, height: int) -> None:
    """Another size, painted."""
    await pilot.resize_terminal(width, height)
    await pilot.pause()


def test_of_a_flood_only_the_end_is_looked_at() -> None:
    text = StreamText()
    text.reshape(60, INK, 0, 5)
    text.write(Look.OUTPUT, "".join(f"line {number}\n" for number in range(500_000)))
    rows = [strip.text.strip() for strip in text.window(text.first, 10_000)]
    assert rows[-1] == "│ line 499999" and rows[-2] == "│ line 499998"
    assert len(rows) <= 3_000
    text.write(Look.OUTPUT, "and on")
    assert text.window(text.end - 1, 1)[0].text.strip() == "│ and on"
