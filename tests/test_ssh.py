"""Over a real ssh: the race is seen and steered, and a line that drops loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import pytest

from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.processes import left_in
from tests.sshd import NoSshd, Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CTRL_C = "\x03"
CLOSED, CURSOR = b"\x1b[?1049l", b"\x1b[?25h"
PASSED = ("PATH", "VIRTUAL_ENV", "MIYABI_", "GIT_CONFIG_", "XDG_")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server of our own, whose sessions have the environment of these tests."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    env = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    with ExitStack() as stack:
        try:
            server = stack.enter_context(Sshd(folder, {**env, "LC_ALL": "C.UTF-8"}))
        except NoSshd as error:
            pytest.skip(f"no sshd of our own: {error}")
        yield server


def test_the_demo_over_ssh_is_seen_steered_and_left(sshd: Sshd, tmp_path: Path) -> None:
    with sshd.terminal("-m", "miyabi_tui", "demo", cwd=tmp_path) as terminal:
        terminal.until(lambda text: "5 Epsilon" in text and "step 1" in text)
        terminal.press("2")
        terminal.until("▸ 2 Beta")
        terminal.press("?")
        terminal.until("Freeze it at once")
        terminal.press("?")
        terminal.until(lambda text: "Freeze it at once" not in text)
        terminal.press("q")
        terminal.until("Leave the race?")
        terminal.press("y")
        assert terminal.end() == 3  # ssh ends as what it ran
        assert "the sample repository is gone" in terminal.text
        assert CURSOR in terminal.said[terminal.said.rindex(CLOSED) :]


def test_a_dropped_line_loses_no_work_and_leaves_nothing_running(
    sshd: Sshd, tmp_path: Path
) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    run = ("-m", "miyabi_tui", "run", "add() subtracts", "--issue-number", "7", "--speed", "max")
    world = ("--worlds", "alpha", "--model", f"replay/{recording}")
    with sshd.terminal(*run, *world, cwd=repo) as terminal:
        terminal.until("sleeping")
        terminal.process.kill()  # the line is gone without a word
        terminal.process.wait()
    assert left_in(repo) == []
    listed = subprocess.run(
        [sys.executable, "-m", "miyabi_tui", "runs", "--json"], check=True, capture_output=True
    )
    (row,) = msgspec.json.decode(listed.stdout)
    assert row["status"] == "interrupted"
    with sshd.terminal("-m", "miyabi_tui", "resume", row["run_id"], cwd=repo) as terminal:
        terminal.until("│ sleeping")  # the command's output once more, so the race goes on
        terminal.press(CTRL_C)
        terminal.until("Leave the race?")
        terminal.press(CTRL_C)
        assert terminal.end() == 3
        assert f"miyabi resume {row['run_id']}" in terminal.text
        assert CURSOR in terminal.said[terminal.said.rindex(CLOSED) :]
    assert left_in(repo) == []
