"""How the screen looks in real terminals: what they answer, what they lack, what is given back."""

from __future__ import annotations

import re
import termios
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

DEMO = ("-m", "miyabi_tui", "demo", "--speed", "max")
UTF8: dict[str, Any] = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
QUESTION = b"\x1b]11;?"
LIGHT = "\x1b]11;rgb:fafa/fafa/fafa\x1b\\\x1b[?62;22c"
LIGHT_GROUND, DARK_GROUND = b"48;2;251;251;250", b"48;2;16;18;21"
SGR = re.compile(rb"\x1b\[([\d;]*)m")
COLOURS = {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}


def asked(terminal: Terminal) -> None:
    """Read until the program asks the terminal for its background."""
    terminal.until(lambda _: QUESTION in terminal.said)


def settings(terminal: Terminal) -> list[object]:
    """Echo, line mode and signals."""
    found = termios.tcgetattr(terminal._master)
    return [found[0] & termios.ICRNL, found[3] & (termios.ECHO | termios.ICANON | termios.ISIG)]


def test_the_first_frame_is_light_on_a_light_terminal_and_no_key_is_lost(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, **UTF8) as terminal:
        before = settings(terminal)
        asked(terminal)
        terminal.press("?", LIGHT)
        terminal.until("focused world")  # the help, which the key opened
        assert LIGHT_GROUND in terminal.said
        assert DARK_GROUND not in terminal.said
        assert "fafa" not in terminal.text
        assert b"\x1b[?2031h" in terminal.said
        terminal.press("q", "q", "y")
        terminal.end()
        assert b"\x1b[?2031l" in terminal.said
        assert settings(terminal) == before


def test_a_late_answer_turns_the_screen_light_and_types_nothing(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, **UTF8) as terminal:
        terminal.until("? help")
        assert DARK_GROUND in terminal.said
        start = len(terminal.said)
        terminal.press(LIGHT)
        terminal.until(lambda _: LIGHT_GROUND in terminal.said[start:])
        assert "fafa" not in terminal.text
        start = len(terminal.said)
        terminal.press("\x1b[?997;1n")  # the person has turned the terminal dark
        terminal.until(lambda _: DARK_GROUND in terminal.said[start:])


def test_a_terminal_that_never_answers_costs_no_time(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, **UTF8) as terminal:
        asked(terminal)
        at = time.monotonic()
        terminal.until("? help")
        silent = time.monotonic() - at
    with Terminal(*DEMO, "--theme", "dark", cwd=tmp_path, **UTF8) as terminal:
        terminal.until("? help")
        assert QUESTION not in terminal.said
    assert silent < 10  # of which at most 0.2 s are waiting; the rest is the start of everything


def test_no_color_means_none_at_all(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, NO_COLOR="1", **UTF8) as terminal:
        terminal.until("? help")
        terminal.press("?")
        terminal.until("focused world")
        terminal.press("?")
        terminal.until(lambda text: text.count("1 Alpha") == 2)  # in the bar, and focused
        said = {
            int(one) for found in SGR.findall(terminal.said) for one in found.split(b";") if one
        }
        assert said & COLOURS == set()
        assert {1, 7} < said  # bold and reversed


def test_sixteen_colours_are_the_terminals_own(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, TERM="xterm", COLORTERM="", **UTF8) as terminal:
        terminal.until("1 Alpha")
        assert not re.search(rb"[34]8;[25];", terminal.said)
        assert re.search(rb"\x1b\[(?:\d+;)*96(?:;\d+)*m", terminal.said)


def test_ascii_where_the_locale_has_nothing_else(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, LANG="C", LC_ALL="C") as terminal:
        terminal.until("? help")
        terminal.press("?")
        terminal.until("focused world")
        assert terminal.said.isascii()


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, TERM="dumb", **UTF8) as terminal:
        terminal.until("step 1")
        assert b"miyabi: TERM is dumb: lines, no screen" in terminal.said
        assert terminal.said.count(b"TERM is dumb") == 1
        assert b"\x1b" not in terminal.said
        terminal.process.terminate()
        assert terminal.end() == 3


@pytest.mark.parametrize("theme", ["contrast", "light"])
def test_the_flag_decides(tmp_path: Path, theme: str) -> None:
    ground = {"contrast": b"48;2;0;0;0", "light": LIGHT_GROUND}[theme]
    with Terminal(*DEMO, "--theme", theme, cwd=tmp_path, **UTF8) as terminal:
        terminal.until("? help")
        assert ground in terminal.said
        assert DARK_GROUND not in terminal.said


def test_the_terminal_is_whole_after_a_crash_of_the_start(tmp_path: Path) -> None:
    with Terminal(*DEMO, cwd=tmp_path, TEXTUAL_DRIVER="nowhere:Nothing", **UTF8) as terminal:
        before = settings(terminal)
        terminal.end()
        assert QUESTION in terminal.said
        assert settings(terminal) == before
