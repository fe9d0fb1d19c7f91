"""The thinned output paints the same picture, in far fewer bytes."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color
from rich.style import Style

from miyabi_tui.sparing import Sparing
from miyabi_tui.thin import Thinner

COLUMNS, ROWS = 24, 6


def picture(data: str) -> list[list[tuple[object, ...]]]:
    """What a terminal shows: text, colours and looks of each cell."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(data)
    return [[tuple(screen.buffer[y][x]) for x in range(COLUMNS)] for y in range(ROWS)]


STYLES = st.builds(
    Style,
    color=st.sampled_from([None, Color.from_rgb(1, 2, 3), Color.parse("red"), Color.from_ansi(99)]),
    bgcolor=st.sampled_from([None, Color.from_rgb(9, 8, 7), Color.from_rgb(1, 1, 1)]),
    bold=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    strike=st.booleans(),
    reverse=st.booleans(),
)
PIECES = st.tuples(
    st.integers(1, ROWS - 1),
    st.integers(1, 10),
    st.lists(st.tuples(st.text("ab ", max_size=9), STYLES), max_size=3),
)


def written(pieces: list[tuple[int, int, list[tuple[str, Style]]]]) -> list[str]:
    """As Textual writes: each run at its place, every segment in full, then the next line."""
    frames = []
    for y, x, run in pieces:
        text = "".join(style.render(part) for part, style in run if part)
        room = COLUMNS - x
        if sum(len(part) for part, _ in run) <= room:
            frames.append(f"\x1b[{y};{x}H{text}\x1b[{y};{x}H\n\x1b[{y};1H")
    return frames


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8), st.booleans())
def test_the_picture_is_the_same(
    pieces: list[tuple[int, int, list[tuple[str, Style]]]], erases: bool
) -> None:
    frames = written(pieces)
    thinner = Thinner(erases=erases)
    assert picture("".join(map(thinner.thin, frames))) == picture("".join(frames))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=6), max_size=4), st.booleans())
def test_the_picture_is_the_same_on_a_slow_line(
    frames: list[list[tuple[int, int, list[tuple[str, Style]]]]], erases: bool
) -> None:
    """Also where pieces lie one over the other, in two frames or come again."""
    full = ["".join(written(_apart(pieces))) for pieces in frames for _ in (1, 2)]
    sparing = Sparing(Thinner(erases=erases))
    spared = "".join(sparing.spare(one, slow=True) for one in full)
    assert picture(spared) == picture("".join(full))


def _apart(
    pieces: list[tuple[int, int, list[tuple[str, Style]]]],
) -> list[tuple[int, int, list[tuple[str, Style]]]]:
    """One piece for each row: within a frame Textual never writes over its own."""
    return list({y: (y, x, run) for y, x, run in pieces}.values())


def test_a_picture_that_stands_is_not_painted_again() -> None:
    styles = [Style.parse(one) for one in ("#aab2bf on #101215", "bold #62b6e8 on #101215")]
    frame = (
        "".join(
            f"\x1b[{y};1H{styles[0].render('some ')}{styles[1].render('text')}\x1b[{y};12H\n"
            for y in range(1, 20)
        )
        + "\x1b[1;1H"
    )
    sparing = Sparing(Thinner())
    first = sparing.spare(frame, slow=True)
    assert 2 <= first.count("38;2") <= 4  # each pen once, but for the last row's
    assert len(sparing.spare(frame, slow=True)) < 30
    assert len(sparing.spare(frame, slow=False)) > 500  # a quick line heals what others spoilt
    sparing.forget()
    assert len(sparing.spare(frame, slow=True)) >= len(first) - 30


def test_a_row_in_one_colour_says_it_once() -> None:
    style = Style.parse("#aab2bf on #101215")
    full = "".join(
        f"\x1b[{y};2H{style.render('some text here')}{style.render(' ' * 9)}" for y in (1, 2, 3)
    )
    thin = Thinner().thin(full)
    assert thin.count("\x1b[38") == 1 and thin.count("\x1b[9X") == 2
    assert len(thin) < len(full) / 2.5


def test_what_is_no_paint_passes_as_it_is() -> None:
    data = "\x1b[?1049h\x1b[?25l\x1b]52;c;YQ==\x07\x1b[>1u\x1b7text\x1b8"
    assert Thinner().thin(data) == data


def test_a_forgotten_pen_is_said_again() -> None:
    thinner = Thinner()
    red = Style.parse("red").render("x")
    first = thinner.thin(red)
    assert "31" not in thinner.thin(red)
    assert thinner.forget() == "\x1b[0m"
    assert thinner.thin(red) == first


@pytest.mark.parametrize("codes", ["38", "38;2;1", "59", "10"])
def test_codes_that_are_not_known_are_said_as_they_are(codes: str) -> None:
    thinner = Thinner()
    shown = thinner.thin(f"\x1b[{codes}mx") + thinner.thin("\x1b[0my")
    assert f"\x1b[{codes}m" in shown
    assert re.search(r"\x1b\[0(;\d+)*my$", shown)
