"""The demo in a real tmux: keys, sizes, colours, clients that come and go, the pane after it."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from miyabi_tui.engine.worlds import FIVE
from tests import racing
from tests.tmux import NoTmux, Tmux

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MIYABI = (sys.executable, "-m", "miyabi_tui")
FOOTER = "? help  q quit"
SLOW = "0.05"  # of the demo's own pace: it is at work for as long as anybody looks
SIZES = ((120, 40), (60, 16), (40, 12), (20, 6), (200, 50), (80, 24))
TERMS = ("tmux-256color", "screen-256color")
AT_REST = ("running echo sleeping", "cpu 0%", "+1 −1")  # what a pane says of a world that sleeps
MODES = ("alternate_on", "cursor_flag", "mouse_any_flag")


@pytest.fixture(params=TERMS)
def tmux(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Tmux]:
    """A server whose panes say that they are this terminal; its own server is gone afterwards."""
    folder = tmp_path / "tmux"
    folder.mkdir()
    env = {"MIYABI_STATE_DIR": str(tmp_path / "state"), "MIYABI_ISOLATION": "process"}
    try:
        server = Tmux(folder, term=request.param, columns=80, rows=24, **env)
    except NoTmux as error:
        pytest.skip(str(error))
    with server:
        server.prompt()
        yield server


def type_line(tmux: Tmux, *words: str) -> None:
    """Have bash run a command."""
    tmux.press("-l", shlex.join(words))
    tmux.press("Enter")


def _all_stand(text: str, *signs: str) -> bool:
    return all(text.count(one) >= len(FIVE) for one in signs)


def standing_race(tmux: Tmux, folder: Path) -> None:
    """A race of five in which nothing moves but clocks: each sleeps in a command, and is paused."""
    repo = racing.make_project(folder / "project")
    recording = racing.record(folder / "turns", dict.fromkeys(FIVE, racing.SLEEPS))
    words = ("run", "add() subtracts", "--issue-number", "270", "--speed", "max")
    type_line(tmux, "cd", str(repo))
    type_line(tmux, *MIYABI, *words, "--model", f"replay/{recording}")
    tmux.until(lambda text: "tests pass" in text and _all_stand(text, *AT_REST))
    for number, world in enumerate(FIVE, start=1):
        tmux.press(str(number))
        tmux.until(f"▸ {number} {world[:3]}")
        tmux.press("p")
        tmux.until(lambda text, many=number: text.count("paused") >= many)  # type: ignore[misc]


def whole(text: str, columns: int, rows: int) -> bool:
    """Whether the picture is of this size: head line, footer, and no row runs over the edge."""
    lines = text.splitlines()
    return (
        len(lines) == rows
        and max(cell_len(line.rstrip()) for line in lines) <= columns
        and lines[0].startswith(" #270")
        and lines[-1].rstrip().endswith(FOOTER)
    )


def still(text: str) -> str:
    """The picture without what goes on by itself: clocks, gauges, and the room they take."""
    calm = re.sub(r" +", " ", re.sub(r"[▁-█]+", "", re.sub(r"[\d.:]+", "0", text)))
    return "\n".join(line.rstrip() for line in calm.splitlines())


def painted_anew(tmux: Tmux, columns: int, rows: int) -> str:
    """The picture after somebody else has blanked the pane: its title says when that is so."""
    tty, title = tmux.told("pane_tty", "pane_title")
    blank = "blank" if title != "blank" else "again"
    with open(tty, "wb", buffering=0) as pane:
        pane.write(f"\x1b[0m\x1b[2J\x1b]2;{blank}\x07".encode())
    while tmux.told("pane_title") != [blank]:
        tmux.look_again()
    tmux.press("C-l")
    return still(tmux.until(lambda text: whole(text, columns, rows)))


def right(tmux: Tmux, columns: int, rows: int) -> str:
    """What the pane has to show at a size, once all has come to it: painted twice, and the same."""
    tmux.resize(columns, rows)
    tmux.until(lambda text: whole(text, columns, rows))
    last = painted_anew(tmux, columns, rows)
    while (again := painted_anew(tmux, columns, rows)) != last:
        last = again
    return again


def test_the_demo_in_a_pane(tmux: Tmux) -> None:
    type_line(tmux, *MIYABI, "demo", "--speed", SLOW)
    tmux.until(lambda text: all(one in text for one in (*FIVE, "thinking", FOOTER)))
    assert tmux.told(*MODES) == ["1", "0", "1"]
    assert "38;5;" in tmux.pens and "38;2;" not in tmux.pens

    tmux.press("2")
    tmux.until("▸ 2 Bet")
    tmux.press("z")
    tmux.until(lambda text: "▸Stream" in text and "z back" in text and "Beta" in text)
    tmux.press("Tab")
    tmux.until(lambda text: "▸ 3 Gam" in text and "▸Stream" in text)
    tmux.press("Escape")
    tmux.until(lambda text: "▸Stream" not in text and "z zoom" in text)
    tmux.press("?")
    tmux.until("Freeze it at once")
    tmux.press("Escape")
    tmux.until(lambda text: "Freeze it at once" not in text and whole(text, 80, 24))

    tmux.press("q", "y")
    text = tmux.prompt()
    assert "miyabi resume" in text or "nothing was billed" in text
    assert "▌" not in text
    assert tmux.told(*MODES) == ["0", "1", "0"]
    tmux.press("-l", "echo $((40 + 2))")
    tmux.press("Enter")
    tmux.until("\n42")


@pytest.mark.parametrize("tmux", TERMS[:1], indirect=True)
def test_windows_change_and_clients_come_and_go(tmux: Tmux, tmp_path: Path) -> None:
    """What stands after a change is what is painted from nothing at that size, for everybody."""
    standing_race(tmux, tmp_path)
    known = {size: right(tmux, *size) for size in SIZES}
    for size in (*SIZES, *reversed(SIZES), (80, 24)):
        tmux.resize(*size)
        tmux.until(lambda text, size=size: still(text) == known[size])  # type: ignore[misc]

    # clients of other sizes: two that detach, and one whose terminal is just gone
    for size, leaves in ((SIZES[0], True), (SIZES[-1], False), (SIZES[1], True)):
        with tmux.client(*size) as client:
            client.until(lambda text, size=size: still(text) == known[size])  # type: ignore[misc]
            if leaves:
                client.press("\x02", "d")
                assert client.end() == 0
            else:
                client.hang_up()
        tmux.until(lambda text, size=size: still(text) == known[size])  # type: ignore[misc]
    tmux.press("q", "y")
    tmux.prompt()
