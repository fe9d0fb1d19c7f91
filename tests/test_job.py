"""ctrl+z, fg and bg, as a shell does them: a real bash in a real terminal, and miyabi its job."""

from __future__ import annotations

import shlex
import signal
import sys
import termios
from typing import TYPE_CHECKING

import psutil
import pytest

from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

CTRL_Z, CTRL_L = "\x1a", "\x0c"
BASH = "import os; os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])"
PROMPT = "%%>"
GIVEN_BACK = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?2004l")
TICKS: racing.Turns = [
    [("bash", {"command": "while :; do echo -n x >> ticks; echo tick; sleep 0.05; done"})]
]


class Shell(Terminal):
    """bash, with a prompt that can be waited for."""

    def prompt(self) -> str:
        """Read until it waits for a command; the screen."""
        return self.until(lambda text: text.rstrip().rpartition("\n")[2].rstrip() == PROMPT)

    def job(self) -> psutil.Process:
        """miyabi, which it has started."""
        (found,) = psutil.Process(self.process.pid).children()
        return found


def size(ticks: list[Path]) -> int:
    """How often the commands of the worlds have worked."""
    return sum(one.stat().st_size for one in ticks)


def test_a_job_of_a_shell(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: TICKS, WorldId.BETA: TICKS})
    words = ("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7")
    more = ("--speed", "max", "--worlds", "alpha,beta", "--model", f"replay/{recording}")
    command = shlex.join([sys.executable, *words, *more])
    with Shell("-c", BASH, cwd=repo, columns=140, PS1=f"{PROMPT} ") as terminal:
        terminal.prompt()
        before = termios.tcgetattr(terminal._master)
        terminal.press(f"{command}\r")
        tree = repo / ".miyabi"
        terminal.until(lambda _: size([*tree.rglob("ticks")]) > 4, poll=True)

        # ctrl+z: the terminal as it was, nothing typed into the shell, and all stands still
        start = len(terminal.said)
        terminal.press(CTRL_Z)
        text = terminal.prompt()
        assert "miyabi and its worlds stand still" in text and "Stopped" in text
        assert all(code in terminal.said[start:] for code in GIVEN_BACK)
        assert termios.tcgetattr(terminal._master) == before
        ticks = [*tree.rglob("ticks")]
        stood = size(ticks)
        assert stood

        # fg, in a terminal of another size: painted anew, and the worlds go on
        terminal.resize(100, 30)
        terminal.press("echo $((40 + 2))\r")
        terminal.until("\n42")
        assert size(ticks) == stood
        terminal.press("fg\r")
        terminal.until(lambda text: "? help" in text and "stand still" not in text)
        terminal.until(lambda _: size(ticks) > stood, poll=True)

        # something else has written over the screen
        terminal.screen.erase_in_display(2)
        terminal.press(CTRL_L)
        terminal.until(lambda text: "1 Alpha" in text and "#7" in text and "? help" in text)

        # stopped and let go on by somebody else, who has used the terminal meanwhile
        job = terminal.job()
        job.send_signal(signal.SIGSTOP)
        terminal.until(PROMPT)
        terminal.screen.erase_in_display(2)  # what is seen from here on is painted anew
        terminal.press("\x15fg\r")  # ctrl+u: an answer to miyabi may have come to the shell
        terminal.until(lambda text: "2 Beta" in text and "? help" in text)
        job.send_signal(signal.SIGTSTP)
        assert "stand still" in terminal.prompt()
        assert termios.tcgetattr(terminal._master) == before

        # bg: the race goes on without its screen, which does not touch the shell's terminal
        stood = size(ticks)
        terminal.press("bg\r")
        terminal.until(lambda _: size(ticks) > stood, poll=True)
        terminal.prompt()
        terminal.press("fg\r")
        terminal.until(lambda text: "1 Alpha" in text and "? help" in text)

        # a job that is ended while it is stopped ends its run in order
        terminal.press(CTRL_Z)
        terminal.prompt()
        terminal.press("kill %1\r")
        terminal.until("go on with: miyabi resume")
        terminal.press("wait; echo $((40 + 3))\r")
        terminal.until("\n43")
        terminal.press("exit\r")
        terminal.end()
    assert not psutil.pid_exists(job.pid)


@pytest.mark.parametrize("how", ["--headless", "--linear"])
def test_lines_stop_with_their_worlds(tmp_path: Path, how: str) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: TICKS})
    words = ("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7", how)
    more = ("--speed", "max", "--worlds", "alpha", "--model", f"replay/{recording}")
    command = shlex.join([sys.executable, *words, *more])
    with Shell("-c", BASH, cwd=repo, columns=140, PS1=f"{PROMPT} ") as terminal:
        terminal.prompt()
        terminal.press(f"{command}\r")
        tree = repo / ".miyabi"
        terminal.until(lambda _: size([*tree.rglob("ticks")]) > 4, poll=True)
        terminal.press(CTRL_Z)
        terminal.until("miyabi and its worlds stand still; fg or bg goes on")
        assert "Stopped" in terminal.prompt()
        ticks = [*tree.rglob("ticks")]
        stood = size(ticks)
        terminal.press("echo $((40 + 2))\r")
        terminal.until("\n42")
        assert size(ticks) == stood
        terminal.press("fg\r")
        terminal.until(lambda _: size(ticks) > stood, poll=True)
        terminal.press("\x03")
        terminal.until("go on with: miyabi resume")
        terminal.prompt()
        terminal.press("exit\r")
        terminal.end()


def test_without_a_shell_nothing_stops(tmp_path: Path) -> None:
    """Nobody could bring it back."""
    with Terminal("-m", "miyabi_tui", "demo", "--speed", "max", cwd=tmp_path) as terminal:
        terminal.until("step 1")
        terminal.press(CTRL_Z)
        terminal.until(lambda _: b"stand still" in terminal.said)
        terminal.until(lambda text: "step 1" in text and "? help" in text)
