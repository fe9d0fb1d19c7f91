"""Suites that change their own report, run by the real pytest; and honest ones that look odd."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.repo.git import Diffstat
from miyabi_tui.engine.scoring.compare import evidence, ineligible
from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.score import Severity
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.security.threats import Threat
from tests.projects import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
TESTS = "def test_good(): pass\n\ndef test_bad(): assert 0\n"
GOOD, BAD = "test_it.py::test_good", "test_it.py::test_bad"
CHANGED = "the suite changed its own report: "

# What a hostile suite knows: where its report goes, and what a green one looks like.
KNOWN = """\
import atexit, os, signal, subprocess, sys, time
REPORT = next(one.split("=")[1] for one in sys.argv if one.startswith("--junitxml="))
GREEN = (
    '<testsuites><testsuite tests="2" failures="0" errors="0">'
    '<testcase classname="test_it" name="test_good" file="test_it.py"/>'
    '<testcase classname="test_it" name="test_bad" file="test_it.py"/>'
    '</testsuite></testsuites>'
)
def lie(text=GREEN):
    with open(REPORT, "w") as file:
        file.write(text)
"""
ONLY_TESTS = Commands(build="true", lint="true")  # the rest is not asked here
IN_IT = "1 failed test not failed in it"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "repo").mkdir()
    return Project(tmp_path / "repo" / ".miyabi" / "tree", tmp_path / "scratch")


async def measured(project: Project, **files: str) -> Measurement:
    project.put({f"{name}.py": text for name, text in files.items()})
    return await project.measure(changed=[], commands=ONLY_TESTS)


AT_THE_END = {
    "in pytest_unconfigure": ("def pytest_unconfigure(): lie()", IN_IT),
    "at exit": ("atexit.register(lie)", IN_IT),
    "at exit, with its code": (
        "atexit.register(lambda: (lie(), sys.stdout.flush(), os._exit(0)))",
        IN_IT,
    ),
    "from a process beside": (
        "subprocess.Popen([sys.executable, '-c', 'import os, time\\n'\n"
        "    'while not os.path.exists(%r): time.sleep(0.01)\\n'\n"
        "    'open(%r, \"w\").write(%r)' % (REPORT + '.go', REPORT, GREEN)])\n"
        "def pytest_unconfigure():\n"
        "    open(REPORT + '.go', 'w').close()\n"
        "    while open(REPORT).read() != GREEN: time.sleep(0.01)",
        IN_IT,
    ),
    "one test taken out": (
        "def pytest_unconfigure():\n"
        '    lie(\'<x><testcase classname="test_it" name="test_good"/></x>\')',
        "1 failed test missing in it",
    ),
    "said to be skipped": (
        "def pytest_unconfigure():\n"
        '    case = \'test_bad" file="test_it.py"/\'\n'
        "    lie(GREEN.replace(case, 'test_bad\"><skipped/></testcase'))",
        IN_IT,
    ),
    "removed": ("def pytest_unconfigure(): os.unlink(REPORT)", "what pytest wrote is gone"),
    "no XML": ("def pytest_unconfigure(): lie('all is well')", "what pytest wrote is gone"),
    "a link": (
        "def pytest_unconfigure():\n"
        "    os.rename(REPORT, REPORT + '.red'); lie()\n"
        "    os.rename(REPORT, REPORT + '.green'); os.symlink(REPORT + '.green', REPORT)",
        "something else is in its place",
    ),
    "a pipe that nobody writes": (
        "def pytest_unconfigure(): os.unlink(REPORT); os.mkfifo(REPORT)",
        "something else is in its place",
    ),
    "a folder": (
        "def pytest_unconfigure(): os.unlink(REPORT); os.mkdir(REPORT)",
        "something else is in its place",
    ),
    "only its exit code": ("atexit.register(os._exit, 0)", "it ended as if all had passed"),
    "pytest's exit code": (
        "def pytest_sessionfinish(session): session.exitstatus = 0",
        "it ended as if all had passed",
    ),
    "what pytest is told to write": (
        "import pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_sessionfinish(session):\n"
        "    from _pytest.junitxml import xml_key\n"
        "    for one in session.config.stash[xml_key].node_reporters_ordered:\n"
        "        for part in list(case := one.to_xml()): case.remove(part)",
        IN_IT,
    ),
    "an outcome after it was said": (
        "import pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_logreport(report): report.outcome = 'passed'",
        IN_IT,
    ),
}


@pytest.mark.parametrize(("conftest", "what"), AT_THE_END.values(), ids=AT_THE_END.keys())
async def test_a_report_that_is_changed_is_charged_to_its_world(
    project: Project, conftest: str, what: str
) -> None:
    world = await measured(project, conftest=KNOWN + conftest, test_it=TESTS)
    assert world.tests.outcomes == {GOOD: P, BAD: F}
    assert world.tests.remark.startswith(CHANGED + what)
    assert not world.tests.complete
    (finding,) = world.threats
    assert (finding.rule, finding.severity) == ("report-tampering", Severity.HIGH)
    assert finding.threat is Threat.MALICIOUS
    assert finding.message == CHANGED + what
    reasons = ineligible(world, world, evidence(world, world, CHANGE))
    assert not any("report-tampering" in reason for reason in reasons)  # the base did so, too
    reasons = ineligible(Measurement(), world, evidence(Measurement(), world, CHANGE))
    assert any("report-tampering" in reason for reason in reasons)


CHANGE = Diffstat(files=("conftest.py",), added=1, deleted=0)

ENDED_EARLY = {
    "a test ends it all": "def test_bad(): lie(); os._exit(0)\n",
    "a module ends it all": "lie(); os._exit(0)\n",
    "another program takes over": (
        "def test_bad(): os.execv(sys.executable, [sys.executable, '-c',"
        "    'open(%r, \"w\").write(%r)' % (REPORT, GREEN)])\n"
    ),
    "what speaks is silenced": (
        "def test_bad(request):\n"
        "    plugins = request.config.pluginmanager\n"
        "    for one in plugins.get_plugins():\n"
        "        if type(one).__name__ == 'Witness': plugins.unregister(one)\n"
    ),
    "what speaks has no voice": (
        "def test_bad():\n"
        "    for fd in range(3, 20):\n"
        "        try:\n"
        "            if os.readlink('/proc/self/fd/%d' % fd).startswith('pipe'): os.close(fd)\n"
        "        except OSError: pass\n"
    ),
}


@pytest.mark.parametrize("test", ENDED_EARLY.values(), ids=ENDED_EARLY.keys())
async def test_a_report_of_a_run_that_never_came_to_its_end(project: Project, test: str) -> None:
    world = await measured(project, test_it=KNOWN + test)
    assert world.tests.remark == CHANGED + "there is one, but pytest never came to its end"
    assert P not in world.tests.outcomes.values()
    assert len(world.threats) == 1


async def test_tests_that_never_ran(project: Project) -> None:
    conftest = KNOWN + "def pytest_unconfigure(): lie()"
    world = await measured(project, conftest=conftest, test_it="def test_good(): pass\n")
    assert world.tests.outcomes == {GOOD: P}
    assert world.tests.tampered == CHANGED + "1 passed test in it that never ran"


async def test_files_that_cannot_be_collected_are_not_hidden(project: Project) -> None:
    conftest = KNOWN + "def pytest_unconfigure(): lie('<x/>')"
    world = await measured(project, conftest=conftest, test_it="import no_such_thing\n")
    assert world.tests.not_collected == ("test_it.py",)
    assert world.tests.tampered == CHANGED + "1 file missing in it that cannot be collected"


async def test_what_is_said_in_our_name(project: Project) -> None:
    """A module that looks for the word in memory, and has a failed test passed a second time."""
    test = """
        import gc, os, re
        def test_bad():
            for one in gc.get_objects():
                if callable(one) and getattr(one, "__name__", "") == "say":
                    said = dict(zip(one.__code__.co_freevars, one.__closure__))
                    out, word = said["out"].cell_contents, said["word"].cell_contents
                    line = '\\n%s %d ["t","p","test_it.py::test_bad"]\\n' % (word, 2)
                    os.write(out, line.encode())
            assert 0
    """
    world = await measured(project, test_it=test)
    assert world.tests.tampered == CHANGED + "it spoke in our name"
    assert world.tests.outcomes == {BAD: F}


async def test_the_word_is_not_to_be_read_outside(project: Project) -> None:
    test = """
        import os, sys
        def test_good():
            with open("/proc/self/cmdline") as line: words = line.read().split("\\0")
            assert not [one for one in words if one.endswith("/word") and os.path.exists(one)]
            assert len(words[-2]) > 16 and words[-2].startswith("--junitxml")
    """
    assert (await measured(project, test_it=test)).tests.outcomes == {GOOD: P}


async def test_a_flood_hides_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyabi_tui.engine.scoring.measure.KEEP", 4_000)
    flood = "import os, sys\ndef test_{}():\n    os.write(1, b'x' * 20_000)\n    assert {}\n"
    project.put({"pytest.ini": "[pytest]\naddopts = -s\n"})
    files = {f"test_{n}": flood.format(n, 1) for n in range(5)}
    honest = await measured(project, **files)
    assert honest.tests.outcomes == {f"test_{n}.py::test_{n}": P for n in range(5)}
    assert honest.tests.remark.startswith("the suite printed too much")
    assert (honest.tests.complete, honest.threats) == (False, ())

    hostile = KNOWN + "def pytest_unconfigure():\n    text = open(REPORT).read()\n"
    hostile += "    lie(text.replace('failure', 'nothing'))\n"
    world = await measured(project, conftest=hostile, test_2=flood.format(2, 0))
    assert world.tests.outcomes.get("test_2.py::test_2") is not P
    assert not world.tests.complete


HONEST_TESTS = """
    import os, sys, unittest, pytest
    @pytest.fixture
    def broken(): raise KeyError
    @pytest.fixture
    def breaks():
        yield
        raise KeyError
    @pytest.mark.parametrize("x", ["a.b", "a::b", "[c]", "a/b", "x" * 700, "\\n", "日本"])
    def test_cases(x): os.write(1, b"no line's end")
    def test_setup(broken): pass
    def test_teardown(breaks): pass
    def test_both(breaks): assert 0
    @pytest.mark.skip
    def test_skip(): pass
    @pytest.mark.xfail
    def test_xfail(): assert 0
    @pytest.mark.xfail
    def test_xpass(): pass
    @pytest.mark.xfail(strict=True)
    def test_strict(): pass
    class TestA:
        class TestB:
            def test_deep(self): sys.stderr.write("no line's end")
    class TestOld(unittest.TestCase):
        def test_sub(self):
            for n in range(3):
                with self.subTest(n=n): assert n != 1
        @unittest.expectedFailure
        def test_expected(self): assert 0
    def test_named(record_xml_attribute, record_property):
        record_property("a", "b")
        record_xml_attribute("name", "of our own")
        assert 0
    def test_forks():
        if not os.fork(): os._exit(0)
        os.wait()
"""
HONEST = {
    **{f"test_a.py::test_cases[{one}]": P for one in ("a.b", "a::b", "[c]", "a/b", "\\n")},
    "test_a.py::test_cases[\\u65e5\\u672c]": P,
    "test_a.py::test_setup": F,
    "test_a.py::test_teardown": F,
    "test_a.py::test_both": F,
    "test_a.py::test_skip": S,
    "test_a.py::test_xfail": S,
    "test_a.py::test_xpass": P,
    "test_a.py::test_strict": F,
    "test_a.py::TestA::TestB::test_deep": P,
    "test_a.py::TestOld::test_sub": F,
    "test_a.py::TestOld::test_expected": S,
    "test_a.py::test_named": F,
    "test_a.py::test_forks": P,
    "tests/deep/test_c.py": S,
}


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-s -v",
        "-p no:terminal",
        "--junitprefix=ours -rA -l",
        "-n 1 -p no:syrupy -p no:textual-snapshot",
        "--cov=.",
    ],
    ids=lambda options: options or "none",
)
async def test_an_honest_suite_is_believed(project: Project, options: str) -> None:
    project.put(
        {
            "pytest.ini": f"[pytest]\naddopts = {options}\n",
            "conftest.py": "import os\nos.write(1, b'loud ' * 10_000)\n",
            "test_a.py": HONEST_TESTS,
            "test_b.py": "import no_such_thing\n",
            "tests/deep/test_c.py": "import pytest\npytest.importorskip('no_such_thing')\n",
        }
    )
    own = options.startswith(("-n", "--cov"))  # what only this project's own environment has
    commands = Commands(python=sys.executable if own else "", build="true", lint="true")
    world = await project.measure(changed=[], commands=commands)
    outcomes = dict(world.tests.outcomes)
    (long,) = (name for name in outcomes if "xxx" in name)
    assert outcomes.pop(long) is P
    assert outcomes == HONEST
    assert world.tests.not_collected == ("test_b.py",)
    assert (world.tests.remark, world.tests.complete, world.threats) == ("", True, ())


@pytest.mark.parametrize(
    ("tests", "remark"),
    [
        ("import pytest\ndef test_1(): pytest.exit('enough')\n", "ended with exit code 2"),
        (
            "import pytest\ndef test_0(): pass\ndef test_1(): pytest.exit('it', returncode=0)\n"
            "def test_2(): pass\n",
            "2 of 3 tests did not run",
        ),
        ("import os\ndef test_0(): pass\ndef test_1(): os._exit(0)\n", "no report was written; e"),
        ("import os\ndef test_1(): os.abort()\n", "no report was written; exit code -6"),
    ],
    ids=["exit", "exit with 0", "no end", "crash"],
)
async def test_who_ends_early_is_not_accused(project: Project, tests: str, remark: str) -> None:
    world = await measured(project, test_it=tests)
    assert world.tests.remark.startswith(remark)
    assert (world.tests.complete, world.tests.tampered, world.threats) == (False, "", ())


async def test_a_project_that_ends_itself_when_all_is_done(project: Project) -> None:
    """As some do, for a library that hangs at exit."""
    conftest = "import os\ndef pytest_unconfigure(config): os._exit(1)\n"
    world = await measured(project, conftest=conftest, test_it=TESTS)
    assert (world.tests.outcomes, world.tests.remark) == ({GOOD: P, BAD: F}, "")


async def test_what_is_imported_cannot_take_back_what_fails(project: Project) -> None:
    project.put(
        {
            "pkg/__init__.py": "",
            "pkg/a.py": "import no_such_thing\n",
            "pkg/b.py": "print('[]')\nimport os\nos._exit(0)\n",
            "pkg/c.py": "import no_such_thing\n",
        }
    )
    failures = (await project.measure(changed=[])).build_failures
    assert failures == (
        "import pkg.a: pkg/a.py:1 ModuleNotFoundError: No module named 'no_such_thing'",
        "the import check ended with exit code 0: []",
    )


@pytest.mark.parametrize(
    "place",
    ["import os\nos.mkfifo('out.xml')", "import os\nos.symlink('green.xml', 'out.xml')",
     "import os\nos.symlink('elsewhere', 'reports')", "open('out.xml', 'w').write('<x ' * 20)"],
    ids=["a pipe", "a link", "a link on the way", "no XML"],
)  # fmt: skip
async def test_a_report_of_the_projects_own_command_is_read_with_care(
    project: Project, place: str
) -> None:
    green = '<testsuite><testcase name="a"/></testsuite>'
    project.put({"run.py": place, "green.xml": green, "elsewhere/out.xml": green})
    report = "reports/out.xml" if "reports" in place else "out.xml"
    commands = Commands(test=f"{sys.executable} run.py", junit=report)
    tests = (await project.measure(changed=[], commands=commands)).tests
    assert (tests.outcomes, tests.complete) == ({}, False)
    assert tests.remark.startswith("no report can be read: ")
    assert (project.root / "elsewhere" / "out.xml").read_text() == green


async def test_a_report_without_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyabi_tui.engine.scoring.careful.LARGEST", 100)
    command = f"{sys.executable} -c \"open('out.xml', 'w').write(' ' * 1000)\""
    commands = Commands(test=command, junit="out.xml")
    project.put({"a.py": ""})
    tests = (await project.measure(changed=[], commands=commands)).tests
    assert tests.remark == "no report can be read: this is too large"
