"""The whole cockpit in a real terminal: every key everywhere, a hostile flood, storms of sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.screens.commands import COMMANDS
from tests import racing
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

FOOTER = "? help  q quit"
ASIDE = ("edit", "shell")  # what is typed then is the program's
QUICK = '[commands]\nbuild = "true"\ntest = "true"\nlint = "true"\n'
ESC = "\x1b[27u"  # escape as a key that no other can follow
UTF8: dict[str, Any] = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
RUN = ("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7", "--speed", "max")
PLACES = {"board": "", "zoom": "z", "diff": "d", "compare": "c", "time line": "t", "issue": "i"}
TYPED = {"question_mark": "?", "exclamation_mark": "!", "f1": "\x1bOP"}


def fenced(terminal: Terminal) -> None:
    """All that was pressed has been done, and has led back to the board, where digits turn."""
    terminal.press("2")
    terminal.until(lambda text: "▸ 2 Beta" in text and FOOTER in text and "z back" not in text)
    terminal.press("1")
    terminal.until("▸ 1 Alpha")


def every_key(terminal: Terminal, place: str, without: tuple[str, ...]) -> None:
    """Press each key of the table in a place, and leave by escape whatever it opens."""
    for command in COMMANDS:
        if command.action in without:
            continue
        for key in command.keys.split(","):
            terminal.press(place, TYPED.get(key, key), ESC, ESC, ESC)
    fenced(terminal)


def test_every_key_in_every_place(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    (repo / "miyabi.toml").write_text(QUICK)
    turns = dict.fromkeys((WorldId.ALPHA, WorldId.BETA), racing.SLEEPS)
    recording = racing.record(tmp_path / "turns", turns)
    args = (*RUN, "--worlds", "alpha,beta", "--model", f"replay/{recording}")
    env = {**UTF8, "SHELL": "/bin/true", "EDITOR": "true"}
    with Terminal(*args, cwd=repo, columns=80, rows=24, **env) as terminal:
        terminal.until(lambda text: text.count("sleeping") >= 2)
        for place in (*PLACES.values(), "?"):
            every_key(terminal, place, ASIDE)
        terminal.press("1", "w", "y")
        terminal.until("★ winner")
        terminal.press("m")
        terminal.until("merged into miyabi/issue-7")
        every_key(terminal, "b", ("leave", *ASIDE))
        for key, what in (("o", "Back from true"), ("!", "Back from the shell")):
            terminal.press(key)
            terminal.until(what)
        terminal.press("q")
        assert terminal.end() == 0
        assert "Alpha is merged" in terminal.text
        assert b"Traceback" not in terminal.said
