"""What a terminal can show, by its variables and by what it answers; and that no key is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui import config
from miyabi_tui.driver import HearingParser, TerminalAnswered
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.opening import screen_of
from miyabi_tui.screen_settings import Screen
from miyabi_tui.terminal_ground import Answer, Ear, colour
from miyabi_tui.terminal_kind import dark, look, no_screen
from tests import board_states as states
from tests.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.terminal_kind import RGB

LIGHT, DARK = "\x1b]11;rgb:fafa/fafa/fafa\x1b\\", "\x1b]11;rgb:10/12/15\x07"
HERE = "\x1b[?62;22c"
XTERM = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}


@pytest.mark.parametrize(
    ("env", "colours"),
    [
        ({}, "256"),
        ({"COLORTERM": "truecolor"}, "true"),
        ({"COLORTERM": "24bit"}, "true"),
        ({"TERM": "xterm-kitty"}, "true"),
        ({"TERM": "alacritty"}, "true"),
        ({"TERM_PROGRAM": "WezTerm"}, "true"),
        ({"TERM_PROGRAM": "WezTerm", "TMUX": "x"}, "256"),
        ({"WT_SESSION": "1"}, "true"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "dumb"}, "none"),
        ({"TERM": ""}, "none"),
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "none"),
        ({"NO_COLOR": "", "COLORTERM": "truecolor"}, "true"),
    ],
)
def test_how_many_colours(env: dict[str, str], colours: str) -> None:
    found = look(Screen(), XTERM | env)
    assert found.colours == colours
    assert found.why["colours"]


def test_the_mouse_is_left_to_what_would_eat_escape_for_it() -> None:
    """GNU screen holds an escape back while a program has the mouse; tmux does not."""
    assert look(Screen(), XTERM).mouse
    assert not look(Screen(mouse=False), XTERM).mouse
    assert not look(Screen(), XTERM | {"STY": "1.here"}).mouse
    assert look(Screen(), XTERM | {"STY": "1.here", "TMUX": "x"}).mouse


def test_no_color_is_above_a_file_and_below_ones_own_variable() -> None:
    env = XTERM | {"NO_COLOR": "1"}
    assert look(Screen(colours="256"), env).colours == "none"
    assert look(Screen(colours="256"), env | {"MIYABI_COLOURS": "256"}).colours == "256"


@pytest.mark.parametrize(
    ("screen", "env", "ground", "theme", "why"),
    [
        ("auto", {}, (250, 250, 250), "light", "#fafafa"),
        ("auto", {}, (0, 43, 54), "dark", "#002b36"),
        ("auto", {"COLORFGBG": "0;15"}, None, "light", "COLORFGBG"),
        ("auto", {"COLORFGBG": "15;default;0"}, None, "dark", "COLORFGBG"),
        ("auto", {"COLORFGBG": "15;default"}, None, "dark", "does not tell"),
        ("auto", {"COLORFGBG": "0;15"}, (0, 0, 0), "dark", "#000000"),
        ("contrast", {}, (250, 250, 250), "contrast", "set"),
        ("light", {}, (0, 0, 0), "light", "set"),
    ],
)
def test_which_theme(
    screen: str, env: dict[str, str], ground: RGB | None, theme: str, why: str
) -> None:
    found = look(Screen(theme=screen), XTERM | env, ground)  # type: ignore[arg-type]
    assert (found.theme, found.follows) == (theme, screen == "auto")
    assert why in found.why["theme"]


@pytest.mark.parametrize(
    ("env", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "ja_JP.utf8"}, True),
        ({"LANG": "C"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, False),
        ({}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, False),
    ],
)
def test_unicode_or_ascii(env: dict[str, str], unicode: bool) -> None:
    assert look(Screen(), env).unicode is unicode
    assert not look(Screen(unicode="ascii"), env).unicode


def test_no_screen_on_a_dumb_terminal() -> None:
    assert no_screen({"TERM": "dumb"}) == "TERM is dumb: lines, no screen"
    assert no_screen({"TERM": "xterm"}) == ""


def test_settings_and_their_environment(tmp_path: Path) -> None:
    (tmp_path / "miyabi.toml").write_text('[screen]\ntheme = "light"\nmotion = "reduced"\n')
    (tmp_path / "deep").mkdir()
    found = screen_of(str(tmp_path / "deep"), env={"MIYABI_COLOURS": "16", "MIYABI_MOUSE": "off"})
    assert found == Screen(theme="light", motion="reduced", colours="16", mouse=False)
    assert screen_of(str(tmp_path), "contrast", {}).theme == "contrast"
    assert look(found, XTERM).calm
    with pytest.raises(UsageError, match="MIYABI_THEME is 'pink'"):
        screen_of(str(tmp_path), env={"MIYABI_THEME": "pink"})
    (tmp_path / "miyabi.toml").write_text('[screen]\ntheme = "pink"\n')
    with pytest.raises(UsageError, match="theme") as caught:
        config.load(tmp_path, {})
    assert "auto, dark, light, contrast" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "rgb"),
    [
        ("rgb:fafa/fafa/fafa", (250, 250, 250)),
        ("rgb:10/12/15", (16, 18, 21)),
        ("rgba:ffff/0000/8080/ffff", (255, 0, 128)),
        ("#fdf6e3", (253, 246, 227)),
        ("rgb:f/0/8", (255, 0, 136)),
        ("?", None),
        ("#zzzzzz", None),
    ],
)
def test_colours_that_terminals_tell(text: str, rgb: RGB | None) -> None:
    assert colour(text) == rgb


def test_dark_and_light() -> None:
    assert [dark(one) for one in ((0, 0, 0), (88, 88, 88), (253, 246, 227))] == [True, True, False]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([LIGHT, DARK, HERE, "a", "\x1b[A", "\x1b", "é", "q", "\x1b[M", "]"])),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_answers_are_heard_in_pieces_and_keys_are_kept(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    ear, heard, kept, start = Ear(), [], "", 0
    for cut in [*sorted(cuts), len(text)]:
        rest, answers = ear.hear(text[start:cut])
        kept, start = kept + rest, max(start, cut)
        heard += answers
    kept += ear.let_go()
    whole, at_once = Ear().hear(text)
    assert [one for one in parts if one in (LIGHT, DARK, HERE)] == [
        {(250, 250, 250): LIGHT, (16, 18, 21): DARK, None: HERE}[one.ground] for one in heard
    ]
    assert heard == at_once
    assert kept == "".join(one for one in parts if one not in (LIGHT, DARK, HERE))
    assert kept.startswith(whole)


def keys(parser: HearingParser, *pieces: str) -> list[str]:
    """What the app gets of what the terminal sends."""
    return [
        f"<{one.answer.ground or one.answer.dark}>"
        if isinstance(one, TerminalAnswered)
        else str(getattr(one, "key", type(one).__name__))
        for piece in pieces
        for one in (parser.feed(piece) if piece else parser.tick())
    ]


def test_an_answer_is_never_a_key() -> None:
    assert keys(HearingParser(), f"q{LIGHT}p{HERE}", "\x1b[?997;1n") == [
        *("<(250, 250, 250)>", "<None>", "q", "p", "<True>")
    ]
    assert keys(HearingParser(), LIGHT[:9], f"{LIGHT[9:]}x") == ["<(250, 250, 250)>", "x"]
    assert keys(HearingParser(), "\x1b[", "A") == ["up"]


def test_what_was_typed_before_the_screen_comes_first() -> None:
    assert keys(HearingParser(typed="k\x1b[B"), "", "y") == ["k", "down", "y"]


def test_a_lone_escape_is_a_key_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("miyabi_tui.driver.time.monotonic", lambda: now[0])
    parser = HearingParser()
    assert keys(parser, "\x1b", "") == []
    now[0] += 0.06
    found = keys(parser, "")
    time.sleep(0.11)  # Textual's own wait for what may follow
    assert [*found, *keys(parser, "")] == ["escape"]


@pytest.mark.anyio
async def test_a_late_answer_turns_the_theme_unless_one_was_chosen() -> None:
    desk = Desk(states.racing())
    desk.app.look = look(Screen(), XTERM)
    async with desk.app.run_test() as pilot:
        desk.app.post_message(TerminalAnswered(Answer(ground=(250, 250, 250))))
        await pilot.pause()
        assert desk.app.theme == "miyabi-light"
        desk.app.post_message(TerminalAnswered(Answer(dark=True)))
        await pilot.pause()
        assert desk.app.theme == "miyabi-dark"
        desk.app.theme = "miyabi-contrast"
        desk.app.post_message(TerminalAnswered(Answer(dark=False)))
        await pilot.pause()
        assert desk.app.theme == "miyabi-contrast"
