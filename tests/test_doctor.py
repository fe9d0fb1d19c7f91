"""`miyabi doctor`: what a person is told of a machine, also of those that we do not have."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from miyabi_tui import cli, doctor, paths
from miyabi_tui.doctor import Facts, Found
from miyabi_tui.engine import checkup, checkup_isolation, checkup_project
from miyabi_tui.engine.checkup import Check, State, Subject
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.sandbox import docker_daemon
from miyabi_tui.engine.sandbox.cgroups import Cgroup
from miyabi_tui.engine.sandbox.choice import ORDER, Candidate
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.terms import Governing, Isolation, Sandboxing
from tests import racing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.repositories import Repository

OK, WARN, BAD = State.OK, State.WARN, State.BAD
ROOT = str(Path(doctor.__file__).parents[1])
SECRET = "sk-ant-0123456789abcdef"
FULL = Facts(
    env={"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    tty=True,
    columns=120,
    rows=40,
    encoding="utf-8",
)


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    return {one.name: one for one in checks}


def on(folder: Path, **changes: Any) -> Subject:
    plain = {"folder": folder, "journal": paths.journal_path(), "env": {}}
    return Subject(**{**plain, **changes})


def facts(**changes: Any) -> Facts:
    plain = {name: getattr(FULL, name) for name in FULL.__struct_fields__}
    return Facts(**{**plain, **changes})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[Isolation, Candidate]:
    """A machine on which these isolations work: all, until a test says something else."""
    found = {one: Candidate(isolation=one, works=True) for one in ORDER}
    monkeypatch.setattr(checkup_isolation, "_candidates", lambda *_: found)
    return found


def lacks(machine: dict[Isolation, Candidate], *those: Isolation) -> None:
    for one in those:
        why, advice = f"no {one} here", f"install {one}"
        machine[one] = Candidate(isolation=one, works=False, detail=why, advice=advice)


# --- the whole ------------------------------------------------------------------------------------


def test_this_machine_as_a_program_reads_it(tmp_path: Path) -> None:
    repo = racing.make_project(tmp_path / "project")
    done = subprocess.run(
        [sys.executable, "-m", "miyabi_tui", "doctor", "--json", "--repo", str(repo)],
        capture_output=True,
        text=True,
        env={**os.environ, "ANTHROPIC_API_KEY": SECRET},
    )

    told = json.loads(done.stdout)
    names = [one["name"] for one in told["checks"]]
    assert (done.returncode, done.stderr) == (0, "")
    assert (told["ready"], told["missing"], told["repo"]) == (True, None, str(repo))
    assert len(names) == len(set(names))
    assert {
        *("miyabi.version", "miyabi.python", "git.version", "git.repository", "git.identity"),
        *("git.worktrees", "settings.file", "isolation.docker", "isolation.bubblewrap"),
        *("isolation.process", "isolation.choice", "cgroups.version", "cgroups.limits"),
        *("keys.anthropic", "keys.openai", "keys.openai-chat", "keys.usable", "keys.models"),
        *("limits.machine", "limits.at_once", "limits.pressure", "disk.repository", "disk.state"),
        *("disk.shared_memory", "state.folder", "state.journal", "tools.tests", "tools.linter"),
        *("terminal.size", "terminal.colours", "terminal.encoding"),
    } <= set(names)
    assert not any(one["found"].startswith("could not be looked at") for one in told["checks"])
    assert all(one["advice"] for one in told["checks"] if one["state"] == "bad")
    assert SECRET not in done.stdout
    assert not (repo / ".miyabi").exists() and not paths.state_dir().exists()


@pytest.mark.usefixtures("machine")
def test_outside_of_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--repo", str(tmp_path)]) == 1
    shown = " ".join(capsys.readouterr().out.split())  # as wide as the folder's name is long
    assert f"{tmp_path} is not in a git repository" in shown
    assert "of memory" in shown  # the machine is looked at all the same
    last = shown[shown.index("not ready:") :]
    assert last.startswith(f"not ready: {tmp_path} is not in a git repository (1 more above)")
    assert last.endswith("go into one, or name it with --repo")


@pytest.mark.usefixtures("machine")
def test_a_repository_without_a_commit_and_none_at_all(tmp_path: Path) -> None:
    racing.git(tmp_path, "init", "-q", "empty")
    check = by_name(doctor.examine(tmp_path / "empty", FULL).checks)["git.repository"]
    assert check.found.endswith("has no commit yet: worlds start from one") and check.needed
    assert "git commit" in check.advice
    check = by_name(doctor.examine(tmp_path / "no", FULL).checks)["git.repository"]
    assert check.found.endswith("is not a folder")


@pytest.mark.parametrize("file", ["miyabi.toml", "pyproject.toml"])
@pytest.mark.usefixtures("machine")
def test_settings_that_are_wrong_or_weak(
    file: str, repository: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    table = "[tool.miyabi]\n" if file == "pyproject.toml" else ""
    sandbox = "[tool.miyabi.sandbox]" if table else "[sandbox]"
    repo = repository({"a.txt": "", file: f'{table}isolation = "process"\n{sandbox}\n'}).path
    weak = by_name(doctor.examine(repo, facts(env=os.environ)).checks)
    assert weak["settings.isolation"].found == "they run commands as processes of this machine"
    assert weak["settings.file"].state is OK and file in weak["settings.file"].found

    (repo / file).write_text(f"{table}{sandbox}\nmemory_gb = -1\n")
    found = doctor.examine(repo, facts(env=os.environ))
    wrong = by_name(found.checks)["settings.file"]
    assert not found.ready and wrong.state is BAD
    assert f"{file}:{3 if table else 2}: sandbox.memory_gb" in wrong.found


@pytest.mark.usefixtures("machine")
def test_no_key_and_nothing_of_one(
    repository: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repository({"a.txt": "", "miyabi.toml": 'target = "\\u001b[31m"\n'}).path
    found = doctor.examine(repo, FULL)
    assert [one.name for one in found.missing] == ["keys.usable"]
    assert "keys.models" not in by_name(found.checks)

    monkeypatch.setattr(checkup_project, "identity", lambda _: [Check("git.identity", OK, SECRET)])
    env = {**FULL.env, "OPENAI_API_KEY": SECRET}
    found = doctor.examine(repo, facts(env=env))
    assert found.ready
    assert SECRET not in doctor.page(found, as_json=True) + doctor.page(found, as_json=False)
    assert by_name(found.checks)["keys.models"].found.startswith("openai/")


# --- bounds ---------------------------------------------------------------------------------------


def test_what_fails_and_what_hangs_takes_nothing_else_away() -> None:
    gone = threading.Event()

    def hangs() -> Iterator[Check]:
        gone.wait(30)
        yield Check("a.b", OK, "late")

    def fails() -> Iterator[Check]:
        yield Check("c.d", OK, "seen")
        raise PermissionError(13, "Permission denied")

    def works() -> Iterator[Check]:
        yield Check("e.f", OK, "works")

    began = time.monotonic()
    looks = {"keys.usable": hangs, "c.d": fails, "e.f": works}
    hung, failed, worked = checkup.together(looks, 0.2)
    gone.set()

    assert time.monotonic() - began < 5
    assert (hung.state, hung.found, hung.needed) == (BAD, "no answer within 0.2 s", True)
    assert (failed.state, failed.needed) == (WARN, False)
    assert failed.found == "could not be looked at: [Errno 13] Permission denied"
    assert worked.found == "works"


IMPATIENT = """
import sys
from miyabi_tui import cli
from miyabi_tui.engine import checkup_isolation
checkup_isolation.ANSWER_SECONDS = 0.3
sys.exit(cli.main(["doctor", "--json"]))
"""


def test_a_docker_daemon_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    """A real socket, which takes the connection and never says a word: also the end is reached."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        done = subprocess.run(
            [sys.executable, "-c", IMPATIENT],
            capture_output=True,
            cwd=tmp_path,
            timeout=30,  # the SDK alone would wait for two minutes
            env={**os.environ, "PYTHONPATH": ROOT, "DOCKER_HOST": f"unix://{tmp_path}/s"},
        )
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    docker = checks["isolation.docker"]
    assert docker["found"] == "the Docker daemon does not answer within 0.3 s"
    assert (docker["state"], docker["advice"]) == ("warn", "restart it")


def test_an_image_that_is_not_here_is_not_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docker.errors import NotFound

    class Api:
        def inspect_image(self, name: str) -> None:
            raise NotFound(name)

        def close(self) -> None:
            pass

    tried: list[Sandboxing] = []

    def look(isolation: Isolation, limits: Sandboxing, *_: object) -> Candidate:
        tried.append(limits)
        return Candidate(isolation=isolation, works=True, detail="Docker 1")

    daemon = docker_daemon.Daemon(Api(), "unix:///s", "Docker 1", {})
    monkeypatch.setattr(docker_daemon, "connect", lambda **_: daemon)
    monkeypatch.setattr(checkup_isolation, "_look", look)
    limits = Sandboxing(image="python:3.13", dockerfile="Dockerfile", memory_gb=3)
    subject = on(tmp_path, sandbox=limits)
    assert checkup_isolation._docker(subject, tmp_path, "doctor").works
    assert tried == [Sandboxing(memory_gb=3)]
    assert "pulled by the first run" in checkup_isolation._image_to_come(subject)
    (tmp_path / ".devcontainer").mkdir()
    (tmp_path / ".devcontainer/Dockerfile").touch()
    assert "made from .devcontainer/" in checkup_isolation._image_to_come(on(tmp_path))


# --- isolation ------------------------------------------------------------------------------------


def choice(folder: Path, asked: Isolation = Isolation.AUTO) -> Check:
    found = by_name(checkup_isolation.isolations(on(folder, isolation=asked)))
    return found["isolation.choice"]


def test_which_isolation_a_run_takes(tmp_path: Path, machine: dict[Isolation, Candidate]) -> None:
    assert choice(tmp_path) == Check("isolation.choice", OK, "auto takes docker")
    lacks(machine, Isolation.DOCKER)
    assert choice(tmp_path).found == "auto takes bubblewrap"
    refused = choice(tmp_path, Isolation.DOCKER)
    assert (refused.state, refused.needed) == (BAD, True)
    assert refused.found == "isolation by docker does not work here: no docker here"
    assert refused.advice == 'install docker, or set isolation = "auto"'
    chosen = choice(tmp_path, Isolation.PROCESS)
    assert (chosen.state, chosen.needed) == (BAD, False)
    assert chosen.advice == 'set isolation = "bubblewrap"'


def test_process_is_red_but_a_race_can_be_run(
    repository: Callable[..., Repository], machine: dict[Isolation, Candidate]
) -> None:
    lacks(machine, Isolation.DOCKER, Isolation.BUBBLEWRAP)
    env = {**FULL.env, "ANTHROPIC_API_KEY": SECRET}
    found = doctor.examine(repository().path, facts(env=env))
    check = by_name(found.checks)["isolation.choice"]
    assert (check.state, check.advice) == (BAD, "install bubblewrap")
    shown = doctor.page(found, as_json=False, facts=FULL)
    assert "\x1b[31mauto takes process: commands are processes of yours\x1b[0m" in shown
    assert found.ready and "ready: a race can be run with anthropic" in shown


def test_what_process_isolation_can_do_here(tmp_path: Path) -> None:
    found = checkup_isolation._process(Sandboxing(), tmp_path, "doctor")
    assert found.works
    assert "Landlock" in found.detail and "network" in found.detail


def test_control_groups_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cgroup, "make", lambda *_: None)
    version, limits, freezer = checkup_isolation.cgroups(on(tmp_path, root=tmp_path))
    assert (version.state, version.found) == (WARN, "none")
    assert limits.state is freezer.state is WARN
    assert "Delegate=yes" in limits.advice


# --- git ------------------------------------------------------------------------------------------


def test_no_git_and_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    git, (version, repo) = checkup_project.open_git(tmp_path)
    assert git is None
    assert (version.found, version.needed) == ("git is not installed", True)
    assert (repo.state, repo.advice) == (BAD, "install git 2.38 or newer")

    program = tmp_path / "git"
    program.write_text("#!/bin/sh\necho git version 2.30.2\n")
    program.chmod(0o755)
    _, (version, _) = checkup_project.open_git(tmp_path)
    assert version.found == "git version 2.30.2: merging needs 2.38 or newer"


def test_who_commits(
    repository: Callable[..., Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = on(repository().path)
    (known,) = checkup_project.identity(subject)
    assert known.found == "Hana <hana@example.org>"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    (unknown,) = checkup_project.identity(subject)
    assert unknown.state is WARN
    assert unknown.advice.startswith('git config --global user.name "…" && git config')


def test_worktrees_of_earlier_runs(repository: Callable[..., Repository]) -> None:
    repo = repository()
    subject = on(repo.path, git=repo.opened())
    assert [one.found for one in checkup_project.worktrees(subject)] == ["none"]
    place = ".miyabi/worktrees/world-Alpha/issue-7/a1b2"
    repo.git("worktree", "add", "--quiet", "-b", "world-Alpha-issue-7-a1b2", place)
    (left,) = checkup_project.worktrees(subject)
    assert (left.state, left.found) == (WARN, "1 left behind by earlier runs")
    assert "miyabi gc" in left.advice
    assert not paths.journal_path().exists()  # only looked at


# --- keys, state, machine -------------------------------------------------------------------------


def test_keys_are_there_or_not_and_never_shown(tmp_path: Path) -> None:
    providers = {
        "local": Provider(Kind.OPENAI_CHAT, base_url="http://me:pw@127.0.0.1:8000/v1?key=k"),
        "half": Provider(Kind.OPENAI_CHAT),
        "record": Provider(Kind.REPLAY),
    }
    env = {"ANTHROPIC_API_KEY": f"{SECRET}\n", "OPENAI_BASE_URL": "https://gate.example.org/v1"}
    found = by_name(checkup.keys(on(tmp_path, env=env, providers=providers)))
    assert found["keys.anthropic"].found == "ANTHROPIC_API_KEY has white space in it"
    unset = found["keys.openai"]
    assert unset.found == "OPENAI_API_KEY is not set, at https://gate.example.org/v1"
    assert found["keys.local"].found == "needs no key, at http://127.0.0.1:8000/v1"
    assert found["keys.half"].advice == "set it under [providers.half]"
    assert found["keys.usable"].found == "a race can be run with local"
    assert "keys.record" not in found
    (*_, none) = checkup.keys(on(tmp_path))
    assert (none.name, none.state, none.needed) == ("keys.usable", BAD, True)


def test_the_journal_is_only_looked_at(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "miyabi.db"
    folder, none = checkup.store(on(tmp_path, journal=journal))
    assert folder.found.endswith("to be made") and "the first run makes it" in none.found
    assert not journal.parent.exists()

    journal.parent.mkdir()
    journal.write_bytes(b"no database at all" * 100)
    _, damaged = checkup.store(on(tmp_path, journal=journal))
    assert (damaged.state, damaged.needed) == (WARN, False)
    assert journal.read_bytes().startswith(b"no database") and len(os.listdir(journal.parent)) == 1

    journal.unlink()
    with closing(sqlite3.connect(journal)) as db:
        db.execute("CREATE TABLE execution_runs (id)")
        db.execute("PRAGMA user_version = 99")
    _, newer = checkup.store(on(tmp_path, journal=journal))
    assert (newer.state, newer.needed) == (BAD, True)
    (tmp_path / "file").touch()
    folder, _ = checkup.store(on(tmp_path, journal=tmp_path / "file" / "miyabi.db"))
    assert folder.found.endswith("cannot be written") and "MIYABI_STATE_DIR" in folder.advice


def test_a_small_machine_under_pressure(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    (proc / "pressure").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:  3145728 kB\n")
    (proc / "pressure/memory").write_text("some avg10=55.00 avg60=1 avg300=1 total=1\n")
    sandbox, governor = Sandboxing(cpus=0.01, disk_gb=0.001), Governing(at_once=5)
    subject = on(tmp_path, root=tmp_path, sandbox=sandbox, governor=governor)
    found = by_name(checkup.limits(subject))
    assert found["limits.machine"].found.startswith("3.0 GB of memory")
    at_once = found["limits.at_once"]
    assert at_once.state is WARN
    assert at_once.found.startswith("heavy work of 1 world at once: 3.0 GB of memory, 2 for each")
    assert found["limits.governor"].advice == "more than fits: set [governor] at_once = 1"
    assert found["limits.pressure"].state is WARN and "55 %" in found["limits.pressure"].found


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    left = {tmp_path: 2 * checkup.GB, tmp_path / "dev/shm": 64 * checkup.MB, Path("/"): 1}

    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(free=left.get(path, 1))

    monkeypatch.setattr("shutil.disk_usage", usage)
    subject = on(tmp_path, root=tmp_path, journal=Path("/nowhere/miyabi.db"))
    repo, state, shared = checkup.disk(subject)
    assert (repo.state, repo.advice) == (WARN, "make room: 5.0 GB are good to have")
    assert state.state is BAD
    assert (shared.state, shared.found) == (WARN, "64 MB free: the worlds' /tmp is here")
    assert "--shm-size" in shared.advice


def test_the_repositorys_own_python_is_not_started(
    repository: Callable[..., Repository], tmp_path: Path
) -> None:
    repo = repository({"a.py": ""})
    python = repo.path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    python.chmod(0o755)
    subject = on(repo.path, git=repo.opened())
    without, linter = checkup_project.tools(subject)
    assert (without.state, without.found) == (WARN, f"no pytest in {python}")
    assert linter.found == "ruff (miyabi's own)"
    (repo.path / ".venv/lib/python3.12/site-packages/_pytest").mkdir(parents=True)
    assert next(checkup_project.tools(subject)).found == f"pytest of {python}"
    assert not (tmp_path / "started").exists()


def test_a_project_of_another_language(repository: Callable[..., Repository]) -> None:
    repo = repository({"main.go": ""})
    (unknown,) = checkup_project.tools(on(repo.path, git=repo.opened()))
    assert unknown.state is WARN and "[commands]" in unknown.advice
    known = Commands(build="true", test="true", lint="true")
    (set_,) = checkup_project.tools(on(repo.path, git=repo.opened(), commands=known))
    assert set_.state is OK


# --- the terminal and the page --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "state", "found", "advice"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, OK, "16.7 million", ""),
        ({"TERM": "xterm-256color"}, WARN, "256", "export COLORTERM=truecolor"),
        ({"TERM": "xterm-256color", "SSH_CONNECTION": "1"}, WARN, "256", "SetEnv COLORTERM"),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x"}, WARN, "256", "~/.tmux.conf"),
        ({"TERM": "linux"}, WARN, "16 ", "export TERM=xterm-256color"),
        ({"TERM": "dumb"}, WARN, "none: TERM is dumb", "export TERM"),
        ({}, WARN, "none: TERM is not set", "export TERM"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, OK, "none: NO_COLOR is set", "unset NO_COLOR"),
    ],
)
def test_how_many_colours(env: dict[str, str], state: State, found: str, advice: str) -> None:
    check = by_name(doctor.terminal(facts(env=env)))["terminal.colours"]
    assert check.state is state
    assert check.found.startswith(found) and advice in check.advice


def test_terminals_over_ssh_small_ones_and_none() -> None:
    far = by_name(doctor.terminal(facts(env={"SSH_CONNECTION": "x"}, columns=30)))
    assert "--detach" in far["terminal.ssh"].advice
    assert (far["terminal.size"].state, far["terminal.size"].found) == (WARN, "30 × 40")
    safe = by_name(doctor.terminal(facts(env={"SSH_CONNECTION": "x", "STY": "1"})))
    assert (safe["terminal.ssh"].state, safe["terminal.ssh"].found) == (OK, "over SSH, in screen")
    piped = by_name(doctor.terminal(facts(tty=False, encoding="ascii", env={"LANG": "C"})))
    assert "--headless" in piped["terminal.size"].advice
    assert piped["terminal.encoding"].found == "ascii (locale C)"
    assert piped["terminal.encoding"].advice == "export LANG=C.UTF-8"


LONG = "/very/long/" + "deep/" * 30 + "町" * 40
FOUND = Found(
    version="1",
    repo=None,
    checks=(
        Check("git.version", OK, "2.39.5"),
        Check("git.repository", BAD, f"{LONG} is not in a git repository", "go …", True),
        Check("disk.shared_memory", WARN, "64 MB free " * 12, f"make room in {LONG}"),
    ),
)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    plain = facts(columns=columns, tty=False)
    lines = doctor.page(FOUND, as_json=False, facts=plain).splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert "町" * 40 in "".join(line.strip() for line in lines)
    assert lines[0] == "git" and any(line.startswith("not ready:") for line in lines)


def test_signs_and_colours_as_the_terminal_has_them() -> None:
    coloured = doctor.page(FOUND, as_json=False, facts=FULL)
    assert "\x1b[31m✗\x1b[0m repository" in coloured and "→ go …" in coloured
    for without in (facts(tty=False), facts(env={"NO_COLOR": "1"}), facts(env={"TERM": "dumb"})):
        assert "\x1b" not in doctor.page(FOUND, as_json=False, facts=without)
    ascii_only = doctor.page(FOUND, as_json=False, facts=facts(encoding="ascii", tty=False))
    assert ascii_only.isascii()
    assert "  x repository" in ascii_only and "-> go ..." in ascii_only


@pytest.mark.usefixtures("machine")
def test_nothing_of_a_repository_acts_on_the_terminal(
    repository: Callable[..., Repository],
) -> None:
    text = (
        '[sandbox]\nreadable = ["/a\\u001b]0;owned\\u0007"]\n[providers."x\\ny"]\nkind = "openai"\n'
    )
    repo = repository({"miyabi.toml": text}).path
    plain = facts(tty=False)
    shown = doctor.page(doctor.examine(repo, plain), as_json=False, facts=plain)
    assert "let commands read /a" in shown
    assert all(sign.isprintable() or sign == "\n" for sign in shown)
