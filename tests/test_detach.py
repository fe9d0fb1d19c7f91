"""Leaving and coming back: runs in the background, through the real commands."""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest

from miyabi_tui import background, cli, paths
from miyabi_tui.engine.engine import Engine
from miyabi_tui.engine.link import wire
from miyabi_tui.engine.link.client import RemoteControl
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.store.lock import is_driven
from miyabi_tui.engine.worlds import WorldId
from tests import processes, racing
from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-never-to-be-seen"


class Project:
    """A repository, a recording for its worlds, and what was started in it."""

    def __init__(self, folder: Path) -> None:
        self.repo = racing.make_project(folder / "project")
        self.recording = folder / "turns"
        self.pids: list[int] = []

    def detach(self, capfd: pytest.CaptureFixture[str], turns: racing.Turns) -> str:
        """`miyabi run --detach` with one world; the run's id."""
        racing.record(self.recording, {WorldId.ALPHA: turns})
        model = f"replay/{self.recording}"
        flags = ("--issue-number", "7", "--speed", "max", "--worlds", "alpha", "--model", model)
        assert cli.main(["run", "add() subtracts", *flags, "--detach", "--json"]) == 0
        said = msgspec.json.decode(capfd.readouterr().out)
        self.pids.append(said["pid"])
        return str(said["run_id"])

    def attach(self, *args: str) -> Terminal:
        """`miyabi attach` in a terminal of its own."""
        return Terminal("-m", "miyabi_tui", "attach", *args, cwd=self.repo)

    def nothing_runs(self) -> bool:
        """Whether no process is left in the repository's worktrees."""
        return not processes.left_in(self.repo / ".miyabi")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    one = Project(tmp_path)
    monkeypatch.chdir(one.repo)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield one
    for pid in one.pids:
        if processes.alive(pid):
            os.kill(pid, signal.SIGTERM)
        anyio.run(processes.until_gone, pid)


def test_no_end_of_a_screen_ends_the_run_and_stop_does(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    run = project.detach(capfd, racing.SLEEPS)
    pid = project.pids[0]
    assert KEY not in Path(f"/proc/{pid}/cmdline").read_text()
    assert os.getsid(pid) == pid != os.getsid(0)

    with project.attach() as left:
        left.until("sleeping")
        left.press("q")
        assert left.end() == 0
        assert f"run {run} goes on: miyabi attach {run}" in left.text
    with project.attach(run) as dropped, project.attach(run[:4]) as killed:
        dropped.until("sleeping")
        killed.until("sleeping")
        dropped.hang_up()
        killed.process.kill()
        killed.process.wait()
        dropped.process.wait(20)
    os.kill(pid, signal.SIGHUP)
    with project.attach() as again:
        again.until("sleeping")
        again.press("1", "p")
        again.until("paused")

        assert cli.main(["stop", run]) == 3
        assert "interrupted: stopped" in capfd.readouterr().out
        again.until("interrupted")
        again.press("q")
        assert again.end() == 3
    anyio.run(processes.until_gone, pid)
    assert project.nothing_runs()
    state = paths.state_dir()
    assert not any(KEY.encode() in one.read_bytes() for one in state.rglob("*") if one.is_file())
    assert [list((state / one).iterdir()) for one in ("logs", "links", "locks")] == [[], [], []]


def test_whoever_attaches_merges_and_gets_the_run_s_exit_code(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    run = project.detach(capfd, racing.FIX)
    with project.attach(run) as terminal:
        terminal.until("merge Alpha")
        assert cli.main(["merge", run]) == 2
        assert f"act on it there: miyabi attach {run}" in capfd.readouterr().err
        terminal.press("m")
        terminal.until("merged into miyabi/issue-7")
        terminal.press("q")
        assert terminal.end() == 0
    assert cli.main(["attach", run]) == 2
    assert f"run {run} is over: merged" in capfd.readouterr().err
    assert racing.git(project.repo, "show", "miyabi/issue-7:calc/ops.py") == racing.RIGHT.strip()


def test_an_engine_that_is_killed_leaves_its_watchers_with_the_truth(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    run, other = project.detach(capfd, racing.SLEEPS), project.detach(capfd, racing.SLEEPS)
    assert cli.main(["attach"]) == 2
    said = capfd.readouterr().err
    assert "2 runs are going on" in said
    assert run in said
    assert other in said
    with Terminal(
        *("-m", "miyabi_tui", "attach", run, "--headless"), cwd=project.repo, columns=200
    ) as lines:
        lines.until("sleeping")
        os.kill(project.pids[0], signal.SIGKILL)
        assert lines.end() == 3
        assert f"its engine has gone: miyabi resume {run}" in lines.text
    os.kill(project.pids[1], signal.SIGTERM)
    anyio.run(processes.until_gone, project.pids[1])
    assert cli.main(["attach", other]) == 2
    assert "it was interrupted" in capfd.readouterr().err
    assert project.nothing_runs()


def test_what_is_wrong_is_said_before_anything_begins(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["run", "x", "--detach", "--model", "replay/nowhere"]) == 2
    assert "no recording" in capfd.readouterr().err
    assert cli.main(["attach"]) == 2
    assert "no run is going on" in capfd.readouterr().err

    racing.record(project.recording, {WorldId.ALPHA: racing.SLEEPS})
    flags = ("--worlds", "alpha", "--model", f"replay/{project.recording}", "--detach")
    monkeypatch.setenv("MIYABI_STATE_DIR", "/proc/nowhere")
    assert cli.main(["run", "x", *flags]) == 1
    assert "cannot start the engine" in capfd.readouterr().err
    assert project.nothing_runs()


def test_an_engine_that_dies_as_it_begins_is_told_with_its_last_words(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (paths.state_dir() / "locks").parent.mkdir()
    (paths.state_dir() / "locks").write_text("in the way")
    racing.record(project.recording, {WorldId.ALPHA: racing.SLEEPS})
    flags = ("--worlds", "alpha", "--model", f"replay/{project.recording}", "--detach")
    assert cli.main(["run", "x", *flags]) == 1
    assert "the run could not begin: cannot lock run" in capfd.readouterr().err
    monkeypatch.setattr(background, "MODULE", "miyabi_tui.nowhere")
    assert cli.main(["run", "x", *flags]) == 1
    assert "No module named miyabi_tui.nowhere (see " in capfd.readouterr().err
    assert project.nothing_runs()


def test_an_engine_of_another_version_is_stopped_all_the_same(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.detach(capfd, racing.SLEEPS)
    older = functools.partial(wire.Hello, program="0.0.1")
    monkeypatch.setattr(wire, "Hello", older)
    assert cli.main(["attach", run]) == 2
    assert "they cannot speak to each other" in capfd.readouterr().err
    assert cli.main(["stop", run]) == 3
    assert "interrupted: stopped" in capfd.readouterr().out
    assert project.nothing_runs()


def test_a_request_is_the_same_after_its_way_to_the_engine(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    recording = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    request = racing.request_for(repo, recording, interactive=True, notices=("one",))
    odd = msgspec.structs.replace(request, repo=Path(os.fsdecode(b"/no\xfftext/\n")))
    assert background.decode(background.encode(request)) == request
    assert background.decode(background.encode(odd)) == odd


def test_a_run_in_another_terminal_is_ended_too(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    recording = racing.record(project.recording, {WorldId.ALPHA: racing.SLEEPS})
    request = racing.request_for(project.repo, recording)
    with Engine(lambda: (request, open_repository(project.repo)), paths.journal_path()) as engine:
        subscription = engine.subscribe()
        engine.start()
        assert subscription.wait(20)
        with RemoteControl(paths.journal_path(), engine.run_id):
            assert cli.main(["stop", engine.run_id]) == 3
        assert not is_driven(paths.journal_path(), engine.run_id)
    assert "interrupted: stopped" in capfd.readouterr().out
