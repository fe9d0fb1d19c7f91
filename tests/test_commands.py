"""Measuring by commands that are set, in any language, and how a toolchain is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.toolchain import (
    Commands,
    find_toolchain,
    has_pytest_settings,
    has_ruff_settings,
    read_located,
)
from tests.projects import Project

pytestmark = pytest.mark.anyio

P, F = Outcome.PASSED, Outcome.FAILED
SHELL = {
    "greet.sh": "echo hello $1\n",
    "check.sh": """
        echo 1..2
        [ "$(bash greet.sh you)" = "hello you" ] && echo ok 1 - greets || echo not ok 1 - greets
        bash greet.sh >/dev/null && echo ok 2 - nobody
    """,
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "repo" / ".miyabi" / "tree", tmp_path / "scratch")


async def test_a_project_of_shell_scripts(project: Project) -> None:
    project.put(SHELL)
    commands = Commands(
        build="for f in *.sh; do bash -n $f || exit 1; done",
        test="bash check.sh",
        lint="grep -Hno 'hello' *.sh | sed 's/hello/ quote it/'; exit 1",
    )
    measured = await project.measure(commands=commands)
    assert measured.build_failures == ()
    assert measured.tests.outcomes == {"greets": P, "nobody": P}
    assert [str(one) for one in measured.lint] == ["check.sh:3  quote it", "greet.sh:1  quote it"]
    assert measured.security_remark == "not measured: bandit reads Python only"

    project.put({"greet.sh": "echo hi $1\nif\n"})
    measured = await project.measure(commands=commands)
    assert measured.build_failures[0].startswith("for f in *.sh;")
    assert "syntax error" in measured.build_failures[0]
    assert measured.tests.outcomes["greets"] is F


async def test_a_project_without_any_command(project: Project) -> None:
    project.put(SHELL)
    measured = await project.measure()
    assert measured.tests.remark == "no test command is known"
    assert measured.lint_remark == "not measured: no lint command is known"
    remark = find_toolchain(project.root, project.files, Commands()).remark
    assert remark.startswith("no build, test, lint command is known for this project")
    some = find_toolchain(project.root, project.files, Commands(test="x", build="y"))
    assert some.remark.startswith("no lint command is known")


async def test_a_test_command_with_a_report_of_its_own(project: Project) -> None:
    """A report that is committed, or left from before, proves nothing."""
    case = '<testsuite><testcase name="{}"/></testsuite>'
    project.put({"out/report.xml": case.format("stale"), "a.sh": ""})
    writes = Commands(test=f"mkdir -p out; echo '{case.format('fresh')}' > out/report.xml",
                      junit="out/report.xml")  # fmt: skip
    assert (await project.measure(commands=writes)).tests.outcomes == {"fresh": P}
    silent = Commands(test="exit 3", junit="out/report.xml")
    tests = (await project.measure(commands=silent)).tests
    assert (tests.outcomes, tests.remark) == ({}, "no report was written; exit code 3")
    crashes = Commands(test=writes.test + "; echo core dumped; exit 139", junit="out/report.xml")
    tests = (await project.measure(commands=crashes)).tests
    assert (tests.outcomes, tests.complete) == ({"fresh": P}, False)
    assert tests.remark == "ended with exit code 139: core dumped"


async def test_a_test_command_over_time(project: Project) -> None:
    project.put({"a.sh": ""})
    commands = Commands(test="echo '1 passed'; sleep 600", build="sleep 600", lint="true")
    measured = await project.measure(commands=commands, limit=1.0)
    assert measured.build_failures == ("sleep 600: the time limit",)
    assert measured.tests.remark == "the test command ended with the time limit"
    assert measured.tests.outcomes == {"test 1": P, "the test command": F}


async def test_a_lint_command_that_only_fails(project: Project) -> None:
    project.put({"a.sh": ""})
    measured = await project.measure(commands=Commands(lint="echo broken; exit 2", test="true"))
    assert measured.lint_remark.endswith("the lint command found no lines; exit code 2: broken")


async def test_a_command_of_a_python_project_finds_its_modules(project: Project) -> None:
    project.put({"src/calc.py": "x = 1\n"})
    test = f"cd / && {sys.executable} -c 'import calc; print(calc.x, \"passed\")'"
    measured = await project.measure(changed=[], commands=Commands(test=test))
    assert measured.tests.outcomes == {"test 1": P}


# --- the toolchain --------------------------------------------------------------------------------


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_projects_own_interpreter_first(tmp_path: Path) -> None:
    def found(**env: str) -> str | None:
        return find_toolchain(tmp_path, ["a.py"], Commands(), env).python

    assert found() == sys.executable
    active = touch(tmp_path / "active" / "bin" / "python")
    assert found(VIRTUAL_ENV=str(tmp_path / "active")) == str(active)
    own = touch(tmp_path / "venv" / "bin" / "python")
    assert found(VIRTUAL_ENV=str(tmp_path / "active")) == str(own)
    best = touch(tmp_path / ".venv" / "bin" / "python")
    assert found() == str(best)
    assert find_toolchain(tmp_path, ["a.rs"], Commands(), {}).python is None
    named = find_toolchain(tmp_path, ["a.py"], Commands(python="env/bin/python"), {})
    assert (named.python, named.path_first) == ("env/bin/python", (Path("env/bin"),))


def test_an_interpreter_on_the_path_must_have_pytest(tmp_path: Path) -> None:
    def found() -> str | None:
        return find_toolchain(tmp_path, ["a.py"], Commands(), {"PATH": str(tmp_path)}).python

    python = touch(tmp_path / "python3", "#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    assert found() == sys.executable
    python.write_text("#!/bin/sh\nexit 0\n")
    assert found() == str(python)


@pytest.mark.parametrize(
    ("files", "installed", "linter"),
    [
        ({}, "flake8 pylint", "ruff"),
        ({".flake8": "[flake8]"}, "flake8", "flake8"),
        ({".flake8": "[flake8]"}, "", "ruff"),
        ({"tox.ini": "[tox]\n[flake8]\n"}, "flake8", "flake8"),
        ({"setup.cfg": "[flake8-docs]\n"}, "flake8", "ruff"),
        ({".pylintrc": ""}, "pylint", "pylint"),
        ({"pyproject.toml": "[tool.pylint.main]\n"}, "pylint", "pylint"),
        ({"pyproject.toml": "[tool.ruff]\n", ".flake8": ""}, "flake8", "ruff"),
        ({"pyproject.toml": "not = valid = toml"}, "", "ruff"),
        ({"pyproject.toml": "tool = 3"}, "", "ruff"),
    ],
)
def test_the_linter_that_is_configured_and_there(
    tmp_path: Path, files: dict[str, str], installed: str, linter: str
) -> None:
    touch(tmp_path / ".venv" / "bin" / "python")
    for name in installed.split():
        touch(tmp_path / ".venv" / "bin" / name).chmod(0o755)
    for name, text in files.items():
        touch(tmp_path / name, text)
    assert find_toolchain(tmp_path, ["a.py"], Commands(), {}).linter == linter


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("pytest.ini", "", True),
        ("pyproject.toml", "[tool.pytest.ini_options]\n", True),
        ("pyproject.toml", "[tool.other]\n", False),
        ("tox.ini", "[pytest]\n", True),
        ("setup.cfg", "[tool:pytest]\n", True),
        ("setup.cfg", "[metadata]\n", False),
    ],
)
def test_whether_pytest_has_settings(tmp_path: Path, name: str, text: str, there: bool) -> None:
    touch(tmp_path / name, text)
    assert has_pytest_settings(tmp_path) is there


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("ruff.toml", "", True),
        ("sub/.ruff.toml", "", True),
        ("sub/pyproject.toml", "[tool.ruff.lint]\n", True),
        ("pyproject.toml", "[project]\n", False),
        ("notruff.toml", "", False),
    ],
)
def test_whether_ruff_has_settings(tmp_path: Path, name: str, text: str, there: bool) -> None:
    touch(tmp_path / name, text)
    assert has_ruff_settings(tmp_path, ["a.py", name]) is there


def test_findings_in_the_lines_of_any_linter(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    output = f"""\
./a.py:3:7: E225 missing whitespace
a.py:4: [C0114(missing-module-docstring), ] Missing module docstring
src/b.ts:10:2: error: no such name
{tmp_path}/real/c.go:5:1: exported func should have a comment
Found 4 errors.
http://example.org:80/ x
    indented.py:1: not a finding
"""
    found = [(one.path, one.line, one.rule) for one in read_located(output, tmp_path / "link")]
    assert found == [
        ("a.py", 3, "E225"),
        ("a.py", 4, ""),
        ("src/b.ts", 10, "error"),
        ("c.go", 5, ""),
    ]
