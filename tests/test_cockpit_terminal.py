"""The whole cockpit in a real terminal: every key everywhere, a hostile flood, storms of sizes."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import psutil

from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.screens.commands import COMMANDS
from tests import racing
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

FOOTER = "? help  q quit"
# What is typed then is the program's, or is searched for.
ASIDE = ("edit", "shell", "search")
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


# What a terminal would obey: clearing, clipboard, links, titles, pictures, ends of pastes, C1
# codes, and what overwrites, has no width, turns text around, or is no text at all.
HOSTILE = (
    *(b"\x1b[2J\x1b[H", b"\x1b]52;c;aGE=\x07", b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\"),
    *(b"\x1b]0;hacked\x07", b"\x1bP0;0;0q#0;2;0;0;0~~\x1b\\", b"\x1b_Gf=100;AAAA\x1b\\"),
    *(
        b"\x1b[?1049l",
        b"\x1b[201~",
        b"\x1bc",
        b"\x1b[6n",
        b"\x9b31m",
        "\x9b31m\x9d0;x\x9c".encode(),
    ),
    *(
        b"\r 10% \r 20%",
        b"abc\b\b\b",
        b"\0\0",
        b"\xff\xfe\xc3",
        "\u202e\u200f👩\u200d👩 日本 e\u0301".encode(),
    ),
    *(b"\n", b"words "),
)
FLOOD = "for i in $(seq 90); do cat hostile; done; head -c 10000000 hostile | tr -d '\\n'"
OURS = re.compile(
    rb"\x1b(?:\[[0-9;]*[mHX]|\[\?[0-9]+[hl]|\[8[hl]|\[6n|\[\?[0-9]+\$p|\[>[0-9]+u|\[<u|\[c"
    rb"|\]11;\?\x1b\\|\]22;[a-z-]*\x07)"
)


def whole(text: str) -> bool:
    """Whether the first lines and the last stand where they belong, from edge to edge."""
    first, second, third, *_, last = text.splitlines()
    return (
        first.startswith(" #7")
        and second.rstrip().endswith("nothing is billed")
        and third.startswith("▸ 1 Alpha")
        and FOOTER in last
    )


def test_a_flood_is_only_text(tmp_path: Path) -> None:
    """100 MB from one world, while the other goes on."""
    repo = racing.make_project(tmp_path / "project")
    (repo / "miyabi.toml").write_text(QUICK)
    chosen = random.Random(7)
    (repo / "hostile").write_bytes(b"".join(chosen.choices(HOSTILE, k=130_000))[:1_000_000])
    racing.git(repo, "add", "-A")
    racing.git(repo, "commit", "-q", "-m", "hostile")
    wide = "while :; do echo '日本語 👩\u200d👩\u200d👧 🇯🇵 e\u0301 words'; sleep 0.05; done"
    turns: dict[WorldId, racing.Turns] = {
        WorldId.ALPHA: [
            [("bash", {"command": FLOOD})],
            [("bash", {"command": "echo after the flo''od; exec sleep 600"})],
        ],
        WorldId.BETA: [[("bash", {"command": wide})]],
    }
    recording = racing.record(tmp_path / "turns", turns)
    args = (*RUN, "--worlds", "alpha,beta", "--model", f"replay/{recording}")
    with Terminal(*args, cwd=repo, columns=80, rows=24, **UTF8) as terminal:
        terminal.until("after the flood")
        terminal.press("p")
        terminal.until("‖")
        assert psutil.Process(terminal.process.pid).memory_info().rss < 300_000_000
        assert "hacked" not in terminal.screen.title
        assert b"\x1b" not in OURS.sub(b"", terminal.said)
        assert not re.search("[\x80-\x9f\u202e\u200f]", terminal.said.decode())
        terminal.process.terminate()
        assert terminal.end() == 3


def test_a_storm_of_sizes_leaves_no_trace(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    args = (*RUN, "--worlds", "alpha", "--model", f"replay/{recording}")
    chosen = random.Random(7)
    with Terminal(*args, cwd=repo, columns=80, rows=24, **UTF8) as terminal:
        terminal.until("sleeping")
        for _ in range(40):
            terminal.resize(chosen.randint(20, 300), chosen.randint(5, 90))
        terminal.resize(80, 24)
        terminal.until(whole)
