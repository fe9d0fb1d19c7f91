"""Measuring small real Python projects with the real pytest, ruff and bandit."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.score import Severity
from miyabi_tui.engine.scoring.toolchain import Commands
from tests.projects import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

P, F = Outcome.PASSED, Outcome.FAILED
TEST = "from calc import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"
CALC = "def add(a, b):\n    return a + b\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "repo").mkdir()
    return Project(tmp_path / "repo" / ".miyabi" / "tree", tmp_path / "scratch")


async def test_a_flat_project(project: Project) -> None:
    project.put(
        {
            "calc.py": "import os, pickle\n" + CALC + "def load(x):\n    return pickle.loads(x)\n",
            "pkg/__init__.py": "",
            "pkg/more.py": "def f(x):\n" + "    if x: x += 1\n" * 12 + "    return x\n",
            "tests/test_calc.py": TEST,
            "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
        }
    )
    before = project.entries()
    measured = await project.measure()
    assert measured.build_failures == ()
    assert measured.tests.outcomes == {"tests/test_calc.py::test_add": P}
    assert list(measured.test_functions) == ["tests/test_calc.py::test_add"]
    assert ("calc.py", 1, "F401") in {(one.path, one.line, one.rule) for one in measured.lint}
    assert [(one.path, one.rule) for one in measured.complexity] == [("pkg/more.py", "C901")]
    security = {(one.path, one.rule, one.severity) for one in measured.security}
    assert ("calc.py", "B301", Severity.MEDIUM) in security
    assert not [one for one in measured.security if one.rule == "B101"]  # asserts in tests
    assert (measured.lint_remark, measured.security_remark) == ("", "")
    assert project.entries() == before  # nothing is left in the worktree
    assert project.said == ["linting and scanning", "building", "running the tests"]


async def test_a_src_project_is_measured_itself_and_not_the_installed_one(
    project: Project, tmp_path: Path, lean: Path
) -> None:
    """An editable install of the user's checkout is in the way; so is one in a subprocess."""
    installed = tmp_path / "repo" / "src"
    (installed / "calc").mkdir(parents=True)
    (installed / "calc" / "__init__.py").write_text("def add(a, b):\n    return 'the checkout'\n")
    venv = tmp_path / "repo" / ".venv"
    site = venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "pyvenv.cfg").write_text(f"home = {os.path.dirname(sys.executable)}\n")
    (ours,) = lean.parent.parent.glob("lib/python*/site-packages")
    (site / "ours.pth").write_text(f"{ours}\n")
    (site / "calc.pth").write_text(f"{installed}\n")
    project.put(
        {
            "src/calc/__init__.py": CALC,
            "src/calc/only_here.py": "",
            "tests/test_calc.py": TEST
            + "import subprocess, sys\n"
            + "def test_sub():\n"
            + "    code = 'import calc; assert calc.add(1, 2) == 3'\n"
            + "    subprocess.run([sys.executable, '-c', code], cwd='/', check=True)\n",
        }
    )
    measured = await project.measure(changed=[], repo=tmp_path / "repo")
    assert measured.build_failures == ()
    assert set(measured.tests.outcomes.values()) == {P}
    assert len(measured.tests.outcomes) == 2


async def test_what_does_not_build(project: Project) -> None:
    project.put(
        {
            "pkg/__init__.py": "",
            "pkg/syntax.py": "def f(:\n",
            "pkg/missing.py": "x = 1\nimport no_such_thing\n",
            "pkg/exits.py": "raise SystemExit(3)\n",
            "pkg/moves.py": "import os\nos.chdir('/')\n",
            "pkg/deep.py": "x = " + "-" * 20_000 + "1\n",
            "pkg/nul.py": b"x = 1\0",
            b"pkg/\xff.py".decode("utf-8", "surrogateescape"): "def g(:\n",
            "pkg/__main__.py": "raise Exception('not imported')",
            "setup.py": "raise Exception('not imported')",
            "tests/__init__.py": "raise Exception('not imported')",
            "fine.py": "",
            "tests/test_x.py": "def test_x(): pass\n",
        }
    )
    measured = await project.measure(changed=[])
    failures = "\n".join(measured.build_failures)
    for line in (
        "pkg/syntax.py:1 invalid syntax",
        "import pkg.missing: pkg/missing.py:2 ModuleNotFoundError: No module named 'no_such_thing'",
        "import pkg.exits: pkg/exits.py:1 SystemExit: 3",
        "pkg/deep.py:0 MemoryError",
        "pkg/nul.py:",
        "pkg/?.py:1 invalid syntax",
    ):
        assert line in failures
    for name in ("moves", "__main__", "setup", "tests", "fine"):
        assert name not in failures
    failures.encode()


async def test_tests_that_cannot_be_collected_do_not_hide_the_others(project: Project) -> None:
    project.put(
        {
            "test_broken.py": "import no_such_thing\n\ndef test_a(): pass\n",
            "test_fine.py": "def test_b(): pass\n\ndef test_c(): assert 0\n",
        }
    )
    measured = await project.measure(changed=[])
    assert measured.tests.not_collected == ("test_broken.py",)
    assert measured.tests.complete
    outcomes = measured.tests.outcomes
    assert (outcomes["test_fine.py::test_b"], outcomes["test_fine.py::test_c"]) == (P, F)


@pytest.mark.parametrize(
    "settings",
    [
        "[pytest]\naddopts = -x --maxfail=1 -q -q",
        "[pytest]\naddopts = --ff --junitxml=mine.xml -o junit_family=xunit2",
        "[pytest]\naddopts = --cov=. --cov-fail-under=100\n",
        "[pytest]\ncache_dir = kept\nconsole_output_style = count\njunit_family = xunit2",
    ],
)
async def test_settings_of_the_users_pytest(project: Project, settings: str) -> None:
    project.put(
        {
            "pytest.ini": settings,
            "test_a.py": "def test_1(): assert 0\n\ndef test_2(): assert 0\n\ndef test_3(): pass\n",
        }
    )
    commands = Commands(python=sys.executable if "--cov" in settings else "")  # it has pytest-cov
    tests = (await project.measure(changed=[], commands=commands)).tests
    assert tests.outcomes == {
        "test_a.py::test_1": F,
        "test_a.py::test_2": F,
        "test_a.py::test_3": P,
    }
    assert tests.remark == ""


async def test_a_pytest_that_cannot_start_says_so(project: Project) -> None:
    project.put({"pytest.ini": "[pytest]\naddopts = -n auto", "test_a.py": "def test_1(): pass\n"})
    tests = (await project.measure(changed=[])).tests
    assert (tests.outcomes, tests.complete) == ({}, False)
    assert tests.remark.startswith("no report was written; exit code 4")


async def test_tests_that_are_deselected_or_skipped_are_seen(project: Project) -> None:
    project.put(
        {
            "setup.cfg": "[tool:pytest]\naddopts = -k 'not hard'\n",
            "test_a.py": "import pytest\npytestmark = pytest.mark.skip\ndef test_1(): pass\n",
            "test_b.py": "def test_hard(): assert 0\n\ndef test_easy(): pass\n",
        }
    )
    tests = (await project.measure(changed=[])).tests
    assert tests.outcomes == {"test_a.py::test_1": Outcome.SKIPPED, "test_b.py::test_easy": P}


async def test_the_users_checkout_above_the_worktree_does_not_count(project: Project) -> None:
    """Its settings, uncommitted ones too, and its conftest.py are in the folders above."""
    (project.checkout / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (project.checkout / "conftest.py").write_text("raise Exception('of the checkout')\n")
    (project.checkout / "ruff.toml").write_text("lint.select = ['ALL']\n")
    project.put({"test_a.py": "def test_1():\n    pass\n"})
    measured = await project.measure(changed=[])
    assert measured.tests.outcomes == {"test_a.py::test_1": P}
    assert measured.lint == ()


@pytest.mark.parametrize(
    ("tests", "limit", "remark"),
    [
        ("import os\ndef test_1(): os._exit(7)\n", 60, "no report was written; exit code 7"),
        ("def test_1():\n    while True: pass\n", 1, "no report was written; the time limit"),
        ("import pytest\ndef test_1(): pytest.exit('enough')\n", 60, "ended with exit code 2"),
    ],
    ids=["crash", "endless", "pytest.exit"],
)  # fmt: skip
async def test_a_run_that_does_not_come_to_its_end(
    project: Project, tests: str, limit: float, remark: str
) -> None:
    project.put({"test_a.py": tests})
    measured = await project.measure(changed=[], limit=limit)
    assert measured.tests.remark.startswith(remark)
    assert not measured.tests.complete


async def test_no_tests_at_all(project: Project) -> None:
    project.put({"a.py": ""})
    tests = (await project.measure(changed=[])).tests
    assert (tests.outcomes, tests.complete, tests.remark) == ({}, True, "")


async def test_the_linter_never_mends(project: Project) -> None:
    project.put({"ruff.toml": "fix = true\nfix-only = true\n", "a.py": "import os\n"})
    measured = await project.measure(changed=[])
    assert [one.rule for one in measured.lint] == ["F401"]
    assert (project.root / "a.py").read_text() == "import os\n"


async def test_flake8_settings_without_flake8_fall_back_to_ruff(project: Project) -> None:
    project.put({".flake8": "[flake8]\nmax-line-length = 79\n", "a.py": "import os\n"})
    measured = await project.measure(changed=[])
    assert [one.rule for one in measured.lint] == ["F401"]
    assert measured.lint_remark == ""


async def test_another_linter_that_is_installed_is_asked(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "venv" / "bin"
    folder.mkdir(parents=True)
    for name, script in {
        "python": 'case "$2" in flake8) shift 2; exec fake "$@";; *) exit 9;; esac',
        "flake8": "exit 0",
        "fake": 'echo "./a.py:3:7: E225 missing $1"; exit 1',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (tmp_path / "repo" / "setup.cfg").write_text("[flake8]\n")
    project.put({"a.py": ""})
    measured = await project.measure(changed=[], repo=tmp_path / "repo")
    assert [str(one) for one in measured.lint] == ["a.py:3 E225 missing --format=default"]
    (folder / "fake").write_text("#!/bin/sh\necho 'no such plugin' >&2; exit 2\n")
    measured = await project.measure(changed=[], repo=tmp_path / "repo")
    assert measured.lint_remark == "not measured: flake8 ended with exit code 2: no such plugin"


async def test_settings_that_break_the_linter_are_said(project: Project) -> None:
    project.put({"ruff.toml": "line-length = 100\n", "a.py": "import os\n"})
    assert (await project.measure()).lint_remark == ""
    project.put({"ruff.toml": "nonsense = 1\n"})
    measured = await project.measure()  # and the report of the first time is not read again
    assert measured.lint == ()
    assert measured.lint_remark.startswith("not measured: exit code 2")


HOSTILE = (
    "import pathlib, os\npathlib.Path(os.environ['HOME'], '{}').touch()\nraise SystemExit(0)\n"
)


async def test_files_that_take_the_place_of_the_tools(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of the standard library and of the tools, settings, a noqa, a nosec."""
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("bandit", "ruff", "pytest", "_pytest", "json", "sitecustomize", "usercustomize", "ast")
    project.put({f"{name}.py": HOSTILE.format(f"{name}.ran") for name in names})
    project.put(
        {
            ".bandit": "[bandit]\nskips = B301,B324\n",
            "calc.py": "import os  # noqa\nimport hashlib\n" + CALC
            + "x = hashlib.md5(b'')  # nosec\n",
            ".github/tool.py": "import hashlib\nx = hashlib.md5(b'')\n",
            "conftest.py": "import sys\nsys.path.insert(0, '/no/such/folder')\n",
            "test_calc.py": TEST,
            "-q.py": "",
        }
    )  # fmt: skip
    measured = await project.measure()
    assert measured.tests.outcomes == {"test_calc.py::test_add": P}
    assert measured.build_failures == ()
    assert ("calc.py", "F401") in {(one.path, one.rule) for one in measured.lint}
    high = {one.path for one in measured.security if one.severity is Severity.HIGH}
    assert high == {"calc.py", ".github/tool.py"}
    assert [name for name in os.listdir(tmp_path) if name.endswith(".ran")] == []


async def test_many_files_are_scanned_in_parts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miyabi_tui.engine.scoring.measure.SCANNED_AT_ONCE", 2)
    project.put({f"m{n}.py": "eval(input())\n" for n in range(3)})
    found = (await project.measure()).security
    assert {one.path for one in found if one.rule == "B307"} == {"m0.py", "m1.py", "m2.py"}


async def test_only_changed_files_are_scanned(project: Project) -> None:
    project.put({"a.py": "eval(input())\n", "b.py": "eval(input())\n"})
    found = (await project.measure(changed=["b.py", "gone.py", "README"])).security
    assert {one.path for one in found} == {"b.py"}
