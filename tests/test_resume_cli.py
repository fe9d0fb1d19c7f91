"""Leaving and coming back as a user does it: q, signals, the offer at start-up, `miyabi resume`."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from miyabi_tui import cli
from miyabi_tui.engine.worlds import WorldId
from tests import racing
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

ALPHA = WorldId.ALPHA


class Project:
    """A repository, and the command as it is typed there."""

    def __init__(self, folder: Path) -> None:
        self.repo = racing.make_project(folder / "project")
        self._go = folder / "go"
        wait = f"echo waiting; while [ ! -e {self._go} ]; do sleep 0.02; done"
        turns: racing.Turns = [
            [("write", {"path": "calc/ops.py", "content": racing.RIGHT})],
            [("bash", {"command": wait})],
            [("finish", {"summary": "Done."})],
        ]
        self.recording = racing.record(folder / "turns", {ALPHA: turns})

    @property
    def new(self) -> list[str]:
        """A new run."""
        model = f"replay/{self.recording}"
        return ["run", "add() subtracts", "--worlds", "alpha", "--model", model, "--speed", "max"]

    def type(self, *args: str, columns: int = 120) -> Terminal:
        """The command in a terminal."""
        return Terminal("-m", "miyabi_tui", *args, cwd=self.repo, columns=columns)

    def go(self) -> None:
        """Let the command that waits come to its end."""
        self._go.touch()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    one = Project(tmp_path)
    monkeypatch.chdir(one.repo)
    return one


def interrupted(project: Project) -> str:
    """A run that was left with q; its id, as the last line names it."""
    with project.type(*project.new) as terminal:
        terminal.until("waiting")
        terminal.press("q")
        terminal.until("Leave the race?")
        terminal.press("y")
        assert terminal.end() == 3
        found = re.search(r"nothing is lost; go on with: miyabi resume (\w{8})", terminal.text)
        assert found, terminal.text
    return found[1]


def test_left_with_q_and_gone_on_with_on_the_screen(project: Project) -> None:
    run = interrupted(project)
    with project.type("resume") as terminal:
        shown = terminal.until("goes on")
        assert "resumed" in shown
        assert "editing" in shown or "writing calc/ops.py" in shown  # what was there before
        terminal.until("waiting")
        project.go()
        terminal.until("won")
        terminal.press("m")
        terminal.until("merged into miyabi/issue-add-subtracts")
        terminal.press("q")
        assert terminal.end() == 0
    with project.type("resume", run) as terminal:
        assert terminal.end() == 2
        assert "is merged already" in terminal.text


def test_another_run_offers_the_interrupted_one(project: Project) -> None:
    run = interrupted(project)
    with project.type(*project.new) as terminal:
        terminal.until(f"Run {run}")
        terminal.until("[Y/n]")  # the same issue: most likely this is meant
        terminal.press("\r")
        terminal.until("goes on")
        terminal.press("\x03")
        terminal.press("\x03")
        assert terminal.end() == 3
    other = ["something else", *project.new[2:]]
    with project.type("run", *other) as terminal:
        terminal.until("[y/N]")
        terminal.press("\r")
        terminal.until("waiting")
        terminal.press("q")
        terminal.until("Leave the race?")
        terminal.press("y")
        assert terminal.end() == 3


@pytest.mark.parametrize(("title", "asked"), [("another thing", False), ("add() subtracts", True)])
def test_the_start_screen_had_the_interrupted_run_so_another_race_just_begins(
    project: Project, title: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(project)
    monkeypatch.setenv("MIYABI_MODEL", f"replay/{project.recording}")
    with project.type() as terminal:
        terminal.until("Interrupted")
        terminal.press("n")
        terminal.until("A new race")
        terminal.press(title)
        terminal.until(title)
        terminal.press("\x13")
        terminal.until("[Y/n]" if asked else "waiting")
        assert ("Go on with it" in terminal.text) is asked
        if asked:
            terminal.press("\x03")
        else:
            terminal.press("q")
            terminal.until("Leave the race?")
            terminal.press("y")
        assert terminal.end() == 3


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_neither_of_them(project: Project, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = interrupted(project)
    with project.type(*project.new) as terminal:
        terminal.until("[Y/n]")
        terminal.press(key)
        assert terminal.end() == 3
        assert "Traceback" not in terminal.text
        assert terminal.screen.cursor.x == 0  # the shell's prompt has a line of its own
    assert cli.main(["runs", "--json"]) == 0
    assert [one["run_id"] for one in json.loads(capsys.readouterr().out)] == [run]


def test_headless_the_offer_is_a_line_and_resume_goes_on(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with project.type(*project.new, "--headless") as terminal:
        terminal.until("echo waiting")
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.end() == 3
        assert "go on with: miyabi resume" in terminal.text
    project.go()
    empty = racing.record(project.recording.parent / "empty", {ALPHA: racing.NOTHING})
    args = [*project.new, "--json"]
    args[args.index("--model") + 1] = f"replay/{empty}"
    assert cli.main(args) == 1
    assert "was interrupted" in capsys.readouterr().err

    assert cli.main(["resume", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["type"] == "run_resumed"  # what was told already is not told again
    assert lines[-1]["status"] == "selected"


def test_nothing_to_resume(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["resume"]) == 2
    assert "no run of" in capsys.readouterr().err
    assert cli.main(["resume", "abcd"]) == 2
    assert "there is no run 'abcd'" in capsys.readouterr().err
