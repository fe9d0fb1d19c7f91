"""The first picture: where it stands, where it must not, and that it always goes away."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pyte
import pytest

from miyabi_tui import splash
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

OPENED, CLOSED, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
CTRL_C = "\x03"


def ended(terminal: Terminal) -> int:
    """The program's exit code, after which the terminal is as it was."""
    code = terminal.end()
    assert terminal.said.count(OPENED) == terminal.said.count(CLOSED)
    assert CURSOR in terminal.said[terminal.said.rindex(CLOSED) :]
    return code


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("demo", True),
        ("demo --speed 4 --no-mouse", True),
        ("run fix --worlds=alpha", True),
        ("resume 1a2b", True),
        ("replay --at 7", True),
        ("attach", True),
        ("runs", False),
        ("doctor", False),
        ("--version", False),
        ("demo --help", False),
        ("demo --head", False),  # as argparse shortens it
        ("demo --json", False),
        ("demo --export-svg=pictures", False),
        ("run - --repo here", False),  # it reads what is typed
        ("run fix --detach", False),
        ("attach --linear", False),
        ("nonsense", False),
    ],
)
def test_it_is_for_commands_with_a_screen(words: str, shown: bool) -> None:
    assert splash._has_screen(words.split()) is shown


def test_without_words_it_is_for_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not splash._has_screen([])
    (tmp_path / ".git").mkdir()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert splash._has_screen([])


@pytest.mark.parametrize(("columns", "rows"), [(200, 50), (80, 24), (60, 16), (30, 8), (20, 3)])
def test_it_stands_in_the_middle_and_fits(columns: int, rows: int) -> None:
    screen = pyte.Screen(columns, rows)
    picture = splash.drawn(splash.DOING["demo"], columns, rows)
    pyte.Stream(screen).feed(picture)
    painted = [line for line in screen.display if line.strip()]
    assert picture.isascii() and splash.NAME in painted[0]
    assert len(painted) == (3 if columns >= 60 else 1)
    for line in painted:
        left, right = len(line) - len(line.lstrip()), len(line) - len(line.rstrip())
        assert abs(left - right) <= 1


def test_the_app_takes_its_screen_over_and_gives_it_back_once(tmp_path: Path) -> None:
    with Terminal("-m", "miyabi_tui", "demo", cwd=tmp_path) as terminal:
        terminal.until("quit")
        assert terminal.said.startswith(OPENED)
        assert b"a recorded race on a sample project ..." in terminal.said
        assert splash.NAME not in terminal.text
        terminal.press("q", "y")
        assert ended(terminal) == 3
        assert terminal.said.count(OPENED) == 1


def test_what_is_wrong_is_said_on_the_screen_that_stays(tmp_path: Path) -> None:
    for words, wrong in {
        ("run",): b"the issue is empty",
        ("demo", "--speed", "fast"): b"neither a positive number nor max",
        ("resume", "none"): b"miyabi: ",
    }.items():
        with Terminal("-m", "miyabi_tui", *words, cwd=tmp_path) as terminal:
            assert ended(terminal) == 2
            assert wrong in terminal.said[terminal.said.rindex(CLOSED) :]


def test_ctrl_c_during_the_imports_gives_the_terminal_back(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("import time\ntime.sleep(100)")
    with Terminal("-m", "miyabi_tui", "demo", cwd=tmp_path, PYTHONPATH=str(tmp_path)) as terminal:
        terminal.until(splash.NAME)
        terminal.press(CTRL_C)
        assert ended(terminal) == 3


@pytest.mark.parametrize(("words", "term"), [("demo --headless", "xterm"), ("demo", "dumb")])
def test_lines_begin_without_it(tmp_path: Path, words: str, term: str) -> None:
    arguments = ("-m", "miyabi_tui", *words.split(), "--speed", "max")
    with Terminal(*arguments, cwd=tmp_path, TERM=term) as terminal:
        terminal.until("Alpha")
        assert OPENED not in terminal.said


def test_it_needs_only_what_python_has_loaded(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import miyabi_tui.entry; print(*sorted("
    code += "set(sys.modules) - before))"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert found.stdout.split() == [
        "__future__",
        "gc",  # of Python itself, without a file
        "miyabi_tui",
        "miyabi_tui.entry",
        "miyabi_tui.splash",
    ]
