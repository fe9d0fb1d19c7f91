"""The command line: wrong use in one clear line, and signals that leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from miyabi_tui import cli, demo, paths, requesting
from miyabi_tui.engine import events as e
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.summary import board, result
from miyabi_tui.engine.terms import Isolation
from miyabi_tui.engine.worlds import WorldId
from miyabi_tui.headless import text_line
from tests import board_states as states
from tests import racing
from tests.processes import left_in

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.request import RunRequest


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = racing.make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


KEY = "sk-ant-api03-0hAr5vXw9QbLm2TzKc7YdE4uNs8RgJf1"
REPLAY = ("--model", "replay/{turns}")
WRONG = {
    "not a repository": (["run", "x", "--repo", "{plain}"], "is not in a git repository"),
    "no commit": (["run", "x", "--repo", "{empty}"], "has no commit yet"),
    "bare": (["run", "x", "--repo", "{bare}"], "is a bare repository"),
    "no such folder": (["run", "x", "--repo", "{plain}/no"], "is not a folder"),
    "unknown provider": (["run", "x", "--model", "foo/bar"], "unknown provider 'foo'"),
    "unknown world": (["run", "x", *REPLAY, "--worlds", "alpha,zeta"], "there is no world 'zeta'"),
    "missing key": (["run", "x"], "ANTHROPIC_API_KEY is not set"),
    "missing openai key": (["run", "x", "--model", "openai/gpt-6"], "OPENAI_API_KEY is not set"),
    "empty issue": (["run", " \n", *REPLAY], "the issue is empty"),
    "no issue": (["run", *REPLAY], "the issue is empty"),
    "not text": (["run", "caf\udce9", *REPLAY], "the issue is not UTF-8 text"),
    "recording broken": (["run", "x", "--model", "replay/{broken}"], "cannot read the recording"),
    "issue twice": (["run", "x", "--issue-file", "f"], "the issue is given twice"),
    "no issue file": (["run", "--issue-file", "no-such-file"], "cannot read the issue"),
    "no such base": (["run", "x", *REPLAY, "--base", "nope"], "the base 'nope' does not exist"),
    "an option as base": (["run", "x", *REPLAY, "--base=--all"], "the base '--all' does not exist"),
    "no branch as target": (["run", "x", *REPLAY, "--target", "a..b"], "cannot be a branch"),
    "HEAD as target": (["run", "x", *REPLAY, "--target", "HEAD"], "cannot be a branch"),
    "demo in a full folder": (["demo", "--keep", "{repo}"], "is not an empty folder"),
    "no such run": (["show", "zzzz"], "there is no run 'zzzz'"),
    "nothing to merge": (["merge"], "there is no run"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_one_line_and_exit_2_and_nothing_is_made(
    name: str, repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, empty, bare, turns = (tmp_path / kind for kind in ("plain", "empty", "bare", "turns"))
    plain.mkdir()
    racing.git(tmp_path, "init", "-q", str(empty))
    racing.git(tmp_path, "init", "-q", "--bare", str(bare))
    racing.record(turns, {WorldId.ALPHA: racing.FIX})
    broken = racing.record(tmp_path / "broken", {WorldId.ALPHA: racing.FIX})
    (broken / "recording.json").write_text("{")
    words, says = WRONG[name]

    code = cli.main(
        [
            one.format(plain=plain, empty=empty, bare=bare, turns=turns, broken=broken, repo=repo)
            for one in words
        ]
    )

    shown = capsys.readouterr()
    assert (code, shown.out) == (2, "")
    assert says in shown.err
    assert shown.err.startswith("miyabi: ")
    assert shown.err.count("\n") == 1
    assert not (repo / ".miyabi").exists()
    assert racing.git(repo, "branch", "--format=%(refname:short)") == "main"


@pytest.mark.parametrize("speed", ["0", "-1", "quick", "nan"])
def test_a_speed_that_is_none(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", f"--speed={speed}"])

    assert ended.value.code == 2
    assert "neither a positive number nor max" in capsys.readouterr().err


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "miyabi demo" in capsys.readouterr().out


def test_no_run_yet_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["runs"]) == 0
    assert "no run yet; try: miyabi demo" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_last_lines_are_printed(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miyabi_tui.history.listing", lambda *_, **__: os.kill(os.getpid(), number))
    assert cli.main(["runs"]) == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_worlds_that_were_cut_short_are_told_from_killed_ones() -> None:
    run = fold(states.interrupted().records)
    lines = {line.split()[0]: line for line in board(run).splitlines() if line[:1].strip()}
    assert "cut short" in lines["Beta"] and "killed" in lines["Gamma"]
    worlds = result(run)["worlds"]
    assert [worlds[name]["cut_short"] for name in ("Beta", "Gamma")] == [True, False]


def test_a_world_that_begins_again_says_what_was_found() -> None:
    found = e.WorldRestored(
        world=WorldId.BETA, step=0, found="its folder was gone", archived="refs/miyabi/r1/x"
    )
    line = text_line(e.Record(1, 0.0, found), fold(states.far().records))
    assert "begins again at the base: its folder was gone" in line
    assert "what was there is kept as refs/miyabi/r1/x" in line


def headless(repo: Path, turns: Path, *args: str) -> subprocess.Popen[str]:
    """Start a run as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "miyabi_tui", "run", "add() subtracts", "--worlds", "alpha",
         "--model", f"replay/{turns}", "--speed", "max", *args],
        cwd=repo, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_all_it_started(
    number: signal.Signals, repo: Path, tmp_path: Path
) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    with headless(repo, turns, "--json") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1]["type"] == "tool_started" and lines[-1]["name"] == "bash":
                process.send_signal(number)
        code = process.wait(30)

    assert code == 3
    assert lines[-1]["status"] == "interrupted"
    assert left_in(repo / ".miyabi" / "worktrees") == []


def test_a_reader_that_goes_away_ends_the_run(repo: Path, tmp_path: Path) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.SLEEPS})
    with headless(repo, turns) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        code = process.wait(30)
        assert process.stderr is not None
        complaint = process.stderr.read()

    assert code == 3
    assert "Traceback" not in complaint


def test_uncommitted_work_is_told_and_left_alone(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    (repo / "calc/ops.py").write_text("# half done\n")

    code = cli.main(
        [
            *("run", "add() subtracts", "--worlds", "alpha", "--model", f"replay/{turns}"),
            *("--speed", "max", "--headless", "--merge", "auto"),
        ]
    )

    out = capsys.readouterr().out
    assert code == 0
    assert "1 uncommitted file" in out
    assert "merged into miyabi/issue-add-subtracts" in out
    assert (repo / "calc/ops.py").read_text() == "# half done\n"
    assert os.listdir(repo / ".miyabi")


def asked(*words: str) -> RunRequest:
    """What `miyabi run` would give to the engine."""
    args = cli.parser().parse_args(["run", "add() subtracts", *words])
    return requesting.request_of(args, interactive=False)[0]


def test_isolation_by_flag_environment_and_file(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    run = ("--model", f"replay/{turns}")
    monkeypatch.delenv("MIYABI_ISOLATION")
    assert asked(*run).terms.isolation is Isolation.AUTO
    (repo / "miyabi.toml").write_text(
        'isolation = "docker"\n[sandbox]\nmemory_gb = 1\n[governor]\nat_once = 2\n'
        '[approvals]\ndeny = ["rm *"]\n'
    )
    terms = asked(*run).terms
    assert terms.isolation is Isolation.DOCKER
    assert (terms.sandbox.memory_gb, terms.governor.at_once) == (1, 2)
    assert terms.approvals.deny == ("rm *",)
    monkeypatch.setenv("MIYABI_ISOLATION", "bubblewrap")
    assert asked(*run).terms.isolation is Isolation.BUBBLEWRAP
    assert asked(*run, "--isolation", "process").terms.isolation is Isolation.PROCESS


def test_a_repository_that_weakens_isolation_is_told_of(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    (repo / "miyabi.toml").write_text(
        'isolation = "process"\n[sandbox]\nnetwork = ["*"]\n[approvals]\nask = []\n'
    )
    own = "this repository's settings "
    monkeypatch.setenv("MIYABI_ISOLATION", "bubblewrap")  # the person's own word: no notice less
    told = asked("--model", f"replay/{turns}").notices
    assert own + "run commands as processes of this machine" in told
    assert own + "let commands reach every host" in told
    assert any(one.startswith(f"{own}let commands run unasked: sudo *, su *") for one in told)
    (repo / "miyabi.toml").unlink()
    assert not asked("--model", f"replay/{turns}", "--isolation", "process").notices


def test_the_demos_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIYABI_ISOLATION")
    assert demo.isolation("") is Isolation.AUTO
    monkeypatch.setenv("MIYABI_ISOLATION", "process")
    assert demo.isolation("") is Isolation.PROCESS
    assert demo.isolation("docker") is Isolation.DOCKER


def test_the_demo_in_an_isolation_that_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIYABI_ISOLATION", "vm")
    assert cli.main(["demo", "--headless"]) == 2
    assert "MIYABI_ISOLATION is 'vm' (one of auto, docker" in capsys.readouterr().err


def test_a_merge_without_a_name_is_of_this_repository(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    words = ["run", "x", "--worlds", "alpha", "--model", f"replay/{turns}", "--speed", "max"]
    assert cli.main([*words, "--headless"]) == 0
    other = racing.make_project(tmp_path / "other")

    monkeypatch.chdir(other)
    assert cli.main(["merge"]) == 2
    assert f"there is no run of {other}" in capsys.readouterr().err
    monkeypatch.chdir(repo)
    (moved := repo.with_name("moved")).mkdir()
    repo.rename(moved / "project")
    monkeypatch.chdir(other)
    (row,) = json.loads(said(capsys, "runs", "--json"))
    page = said(capsys, "show", row["run_id"])
    assert f"its repository {repo} is gone" in page and "miyabi merge" not in page
    assert cli.main(["merge", row["run_id"]]) == 2
    assert "is gone: it was in" in capsys.readouterr().err
    (moved / "project").rename(repo)
    monkeypatch.chdir(repo)
    assert cli.main(["merge"]) == 0
    assert f"in {repo}" in capsys.readouterr().out


def test_a_key_in_a_merge_is_hidden_in_journal_and_lines(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    journal = paths.journal_path()
    state, _ = racing.race(racing.request_for(repo, turns, merge=e.MergePolicy.NEVER), journal)
    capsys.readouterr()

    assert cli.main(["merge", "--target", f"a/{KEY}/../b"]) == 2
    refused = capsys.readouterr().err
    assert cli.main(["merge", state.run_id, "--target", f"fix-{KEY}"]) == 0
    merged = capsys.readouterr().out

    assert racing.git(repo, "show", f"fix-{KEY}:calc/ops.py") == racing.RIGHT.strip()
    assert "•••ANTHROPIC_API_KEY•••" in refused and KEY not in refused
    assert "merged into fix-•••ANTHROPIC_API_KEY•••" in merged and KEY not in merged
    kept = [one.read_bytes() for one in journal.parent.rglob("*") if one.is_file()]
    assert any(b"fix-" in one for one in kept)
    assert not any(KEY.encode() in one for one in kept)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main([*words]) == 0
    return capsys.readouterr().out


def test_a_run_that_is_driven_cannot_be_merged_by_another(repo: Path, tmp_path: Path) -> None:
    from miyabi_tui import paths
    from miyabi_tui.engine.errors import UsageError
    from miyabi_tui.engine.store.lock import driving, is_driven

    journal = paths.journal_path()
    with driving(journal, "r1"):
        assert is_driven(journal, "r1")
        with pytest.raises(UsageError, match="is still going on"), driving(journal, "r1"):
            pass
    assert not is_driven(journal, "r1")


def test_a_terminal_that_is_not_utf8_gets_what_it_can_show(repo: Path, tmp_path: Path) -> None:
    turns = racing.record(tmp_path / "turns", {WorldId.ALPHA: racing.FIX})
    done = subprocess.run(
        [sys.executable, "-m", "miyabi_tui", "run", "x", "--worlds", "alpha",
         "--model", f"replay/{turns}", "--speed", "max"],
        cwd=repo, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert b"wins:" in done.stdout
