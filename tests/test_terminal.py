"""The demo and a run in a real terminal: started, keys pressed, the screen read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import psutil

from miyabi_tui import ending
from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.processes import left_in
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

WORLDS = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon")
CTRL_C = "\x03"


def test_the_demo_from_start_to_merge(tmp_path: Path, lean: Path) -> None:
    """Begun in a small terminal, which becomes a large one."""
    with Terminal(
        *("-m", "miyabi_tui", "demo", "--speed", "max"),
        cwd=tmp_path,
        columns=80,
        rows=24,
        python=str(lean),
    ) as terminal:
        first = terminal.until(lambda text: all(f in text for f in ("quit", *WORLDS)))
        assert "recorded" in first
        terminal.until("42 of 45 tests pass")
        terminal.resize(200, 50)
        terminal.until("merged into miyabi/issue-270", timeout=80)  # measured one after another
        terminal.press("1", "d")
        terminal.until("3 files · +44 −7")
        terminal.press("d")
        terminal.until("may not win")
        terminal.press("?")
        terminal.until("Freeze it at once")
        terminal.press("?")
        terminal.until(lambda text: "Freeze it at once" not in text)
        terminal.press("q")
        assert terminal.end() == 0
        assert "Alpha is merged into miyabi/issue-270" in terminal.text
        assert "nothing was billed" in terminal.text


def run_args(recording: Path) -> tuple[str, ...]:
    return (
        *("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7", "--speed", "max"),
        *("--worlds", "alpha,beta", "--model", f"replay/{recording}"),
    )


def test_pause_kill_and_pick_by_keys(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(
        tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS, WorldId.BETA: racing.SLEEPS}
    )
    with Terminal(*run_args(recording), cwd=repo) as terminal:
        terminal.until(lambda text: text.count("sleeping") >= 2)
        terminal.press("1", "p")
        terminal.until("paused")
        terminal.press("p")
        terminal.until(lambda text: "paused" not in text.splitlines()[2])
        terminal.press("k")
        terminal.until("Kill Alpha")
        terminal.press("y")
        terminal.until("killed")
        terminal.press("2", "w")
        terminal.until("Beta")
        terminal.press("y")
        terminal.until("merge Beta")
        terminal.press("m")
        terminal.until("merged into miyabi/issue-7")
        terminal.press("q")
        assert terminal.end() == 0
    assert racing.git(repo, "show", "miyabi/issue-7:calc/ops.py") == racing.RIGHT.strip()


def test_ctrl_c_twice_leaves_at_once_and_nothing_behind(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("sleeping")
        terminal.press(CTRL_C)
        terminal.until("Leave the race?")
        terminal.press(CTRL_C)
        assert terminal.end() == 3
        assert "interrupted" in terminal.text
    assert_no_process_in(repo)


def test_a_closed_terminal_ends_the_run_and_all_it_started(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("sleeping")
        terminal.hang_up()
        terminal.process.wait(40)
    assert_no_process_in(repo)


def test_after_a_kill_the_terminal_is_usable(tmp_path: Path) -> None:
    with Terminal("-m", "miyabi_tui", "demo", cwd=tmp_path) as terminal:
        terminal.until("1 Alpha")
        assert not termios.tcgetattr(terminal._master)[3] & termios.ECHO
        terminal.process.send_signal(signal.SIGKILL)
        terminal.until("miyabi has been killed")
        assert b"\x1b[?1049l\x1b[?25h" in terminal.said
        local = termios.tcgetattr(terminal._master)[3]
        assert local & termios.ECHO and local & termios.ICANON


def assert_no_process_in(repo: Path) -> None:
    assert left_in(repo) == []


STUBBORN: racing.Turns = [
    [("bash", {"command": "trap '' TERM; echo slee''ping; while :; do sleep 0.1; done"})]
]  # the word comes from the command itself, not from the line that names it


def test_a_second_signal_ends_at_once_with_all_processes_and_a_sane_terminal(
    tmp_path: Path,
) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: STUBBORN})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("sleeping")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.until("ending")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 3
    assert_no_process_in(repo)


def test_two_signals_at_once_leave_a_sane_terminal_and_a_last_line(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: STUBBORN})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("sleeping")
        terminal.process.send_signal(signal.SIGHUP)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 3
        assert "nothing is lost; go on with: miyabi resume" in terminal.text
        assert terminal.said.rindex(b"\x1b[?1049h") < terminal.said.rindex(ending.SANE.rstrip())
    assert_no_process_in(repo)


def test_a_demo_that_is_ended_at_once_promises_and_leaves_nothing(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Terminal("-m", "miyabi_tui", "demo", cwd=tmp_path, TMPDIR=str(scratch)) as terminal:
        terminal.until("step 1")
        assert list(scratch.glob("miyabi-tmp-demo-*"))
        terminal.process.send_signal(signal.SIGHUP)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == 3
        assert "resume" not in terminal.text
    assert not list(scratch.glob("miyabi-tmp-demo-*"))


def test_a_terminal_that_does_not_read_holds_up_neither_the_engine_nor_its_end(
    tmp_path: Path,
) -> None:
    repo = racing.make_project(tmp_path / "project")
    flood: racing.Turns = [
        [("bash", {"command": "echo sleeping; while :; do seq 1000; sleep 0.01; done"})]
    ]
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: flood})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("running seq")  # and from here on nobody reads
        terminal.process.send_signal(signal.SIGTERM)
        for child in psutil.Process(terminal.process.pid).children(recursive=True):
            child.wait(20)
        assert terminal.end() == 3
    assert_no_process_in(repo)


def test_a_terminal_that_reads_nothing_holds_up_no_race(tmp_path: Path) -> None:
    """As after ctrl+s, or with the lid closed: it then shows what has come meanwhile."""
    repo = racing.make_project(tmp_path / "project")
    go = tmp_path / "go"
    turns: racing.Turns = [
        [("bash", {"command": f"echo wai''ting; while [ ! -e {go} ]; do sleep 0.02; done"})],
        [("bash", {"command": "seq 100000"})],
        [("write", {"path": "calc/ops.py", "content": racing.RIGHT})],
        [("finish", {"summary": "Done."})],
    ]
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: turns})
    with Terminal(*run_args(recording), "--worlds", "alpha", cwd=repo) as terminal:
        terminal.until("waiting")
        go.touch()
        while not ready_to_merge(repo):  # read by nobody until then
            assert terminal.process.poll() is None
        terminal.until("merge Alpha")
        terminal.press("?")
        terminal.until("Freeze it at once")
        terminal.press("?", "m")
        terminal.until("merged into miyabi/issue-7")
        terminal.press("q")
        assert terminal.end() == 0


def ready_to_merge(repo: Path) -> bool:
    """Whether the journal has the winner of the race."""
    said = subprocess.run(
        [sys.executable, "-m", "miyabi_tui", "show", "--json"],
        capture_output=True, text=True, cwd=repo, check=True,
    )  # fmt: skip
    return bool(json.loads(said.stdout)["winner"])
