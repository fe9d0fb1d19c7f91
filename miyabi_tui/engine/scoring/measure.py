"""Runs the project's commands on one worktree, in its sandbox, into a Measurement."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import anyio
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.scoring import testcode
from miyabi_tui.engine.scoring.careful import read_plain, remove_plain
from miyabi_tui.engine.scoring.findings import read_bandit, read_ruff
from miyabi_tui.engine.scoring.junit import Outcome, TestReport, read_junit
from miyabi_tui.engine.scoring.known import Known, change, contents
from miyabi_tui.engine.scoring.measurement import REPORT, Measurement, tampering
from miyabi_tui.engine.scoring.runners import read_output
from miyabi_tui.engine.scoring.told import new_word, read_lines, told
from miyabi_tui.engine.scoring.toolchain import (
    FLAKE8,
    PYLINT,
    has_pytest_settings,
    has_ruff_settings,
    read_located,
)
from miyabi_tui.engine.scoring.verdict import Run, judge, look_at
from miyabi_tui.engine.security.report import Report, read_report, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import ExecResult, Sandbox
    from miyabi_tui.engine.scoring.score import Finding
    from miyabi_tui.engine.scoring.toolchain import Toolchain
    from miyabi_tui.engine.security.versions import Versions

    Progress = Callable[[str], Awaitable[None]]

PROBE = Path(__file__).with_name("probe.py")
SUITE = Path(__file__).with_name("suite.py")
KEEP = 8_000_000  # characters of an output that are read
LARGEST_JSON = 500_000_000  # bytes of what ruff says of a large project
COMPLEXITY = "C901"
SCANNED_AT_ONCE = 500  # files of one command line
SCANNER = "miyabi_tui.engine.security.scan"
BANDIT = "miyabi_tui.engine.security.bandit"
NOTHING = os.devnull  # bandit leaves out every path that holds one of its exclusions
_SCANNED: Known[tuple[Finding, ...]] = Known()  # by bandit
_ANALYSED: Known[Report] = Known()


class _Lint(NamedTuple):
    findings: tuple[Finding, ...] = ()
    complexity: tuple[Finding, ...] = ()
    remark: str = ""


class _Scan(NamedTuple):
    findings: tuple[Finding, ...] = ()
    remark: str = ""


class Measurer:
    """Measures one worktree; `scratch` is a folder outside of it, for the reports.

    What the worktree holds may try to be measured better than it is. So what only looks at it comes
    before anything of it runs, and pytest's outcomes are taken as they are said (`verdict.py`). A
    test command of the project's own is trusted as far as that command is: what it prints or writes
    counts.

    `before` goes before every command, say `nice`. `tools` is where our own linters run, if that is
    another sandbox than the project's commands have.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        sandbox: Sandbox,
        worktree: Path,
        scratch: Path,
        time_limit: float,
        before: tuple[str, ...] = (),
        tools: Sandbox | None = None,
    ) -> None:
        self._tools = toolchain
        self._sandbox = sandbox
        self._outside = tools or sandbox
        self._root = Path(os.path.realpath(worktree))  # as what runs in it sees itself
        self._python = _program(self._root, toolchain.python)
        self._scratch = scratch
        self._time_limit = time_limit
        self._before = before
        self.versions: Versions | None = None  # of a world: both sides of what it changed

    async def build_and_test(self, files: Sequence[str]) -> tuple[tuple[str, ...], TestReport]:
        """Why it does not build; or, if it does, what its tests say."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        build = await self._build([name for name in files if name.endswith(".py")])
        return build, TestReport() if build else await self._test()

    async def measure(
        self, files: Sequence[str], changed: Sequence[str], progress: Progress
    ) -> Measurement:
        """Measure everything. `files` are all tracked ones, of which `changed` are scanned."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        python = [name for name in files if name.endswith(".py")]
        scanned = [name for name in python if name in set(changed)]
        tests, lint = TestReport(), _Lint()

        async def their_lint() -> None:
            nonlocal lint
            lint = await self._their_lint()

        await progress("linting and scanning")
        seen = await self._look(files, python, scanned)
        await progress("building")
        build = await self._build(python)
        await progress("running the tests")
        async with anyio.create_task_group() as group:
            if self._lints_itself:
                group.start_soon(their_lint)
            tests = await self._test()
        if self._lints_itself:
            seen = replace(seen, lint=lint.findings, lint_remark=lint.remark)
        found = (*seen.threats, *tampering(tests))
        return replace(seen, build_failures=build, tests=tests, threats=found)

    async def _look(
        self, files: Sequence[str], python: Sequence[str], scanned: Sequence[str]
    ) -> Measurement:
        """What our own tools see before anything of the worktree runs, which could change it."""
        lint, scan, threats = _Lint(), _Scan(), Report(())

        async def linting() -> None:
            nonlocal lint
            lint = await self._lint(files)

        async def scanning() -> None:
            nonlocal scan, threats
            scan, threats = await self._scan(scanned), await self._threats()

        async with anyio.create_task_group() as group:
            group.start_soon(linting)
            group.start_soon(scanning)
            functions = await anyio.to_thread.run_sync(testcode.functions, self._root, python)
        return Measurement(
            test_functions=functions,
            lint=lint.findings,
            complexity=lint.complexity,
            lint_remark=lint.remark,
            security=scan.findings,
            security_remark=scan.remark,
            threats=threats.findings,
            threats_remark=threats.remark,
        )

    async def _run(self, *argv: str, env: Mapping[str, str] | None = None) -> ExecResult:
        command = (*self._before, *argv)
        return await self._sandbox.exec(
            command, cwd=self._root, time_limit=self._time_limit, env=env, keep=KEEP
        )

    async def _report(self, name: str, command: Sequence[str]) -> tuple[Any, str]:
        """Run one of miyabi's own tools; its JSON report, and how it ended where there is none."""
        report = self._scratch / name
        await anyio.to_thread.run_sync(remove_plain, report)
        result = await self._outside.exec(
            (*self._before, *command), cwd=self._root, time_limit=self._time_limit, keep=KEEP
        )
        data = await anyio.to_thread.run_sync(_read_json, report)
        return data, "" if data is not None else f"not measured: {_end(result)}"

    async def _shell(self, command: str) -> ExecResult:
        """One of the project's own commands; its Python finds this worktree's modules first."""
        return await self._run("bash", "-c", command, env=self._import_path())

    def _import_path(self) -> dict[str, str]:
        """This worktree's modules first, before an editable install of the user's checkout."""
        return {"PYTHONPATH": self._folders()} if self._python else {}

    def _folders(self) -> str:
        source = self._root / "src"
        folders = [source, self._root] if source.is_dir() else [self._root]
        return os.pathsep.join(map(str, folders))

    async def _build(self, python: Sequence[str]) -> tuple[str, ...]:
        if command := self._tools.commands.build:
            result = await self._shell(command)
            return () if result.ok else (f"{command}: {_end(result)}",)
        if not self._python or not python:
            return ()
        listing, word = self._scratch / "files", new_word()
        content = "\0".join((word, *python)).encode("utf-8", "surrogateescape")
        await anyio.to_thread.run_sync(_put, listing, content)
        result = await self._run(self._python, str(PROBE), str(listing))
        lines = await anyio.to_thread.run_sync(read_lines, result.output, word, KEEP)
        failures = [str(what[1]) for what in lines.said if what[0] == "b"]
        if lines.forged or lines.said[-1:] != (("x",),) or not result.ok:
            end = _end(replace(result, output=lines.rest))
            failures.append(f"the import check ended with {end}")
        return tuple(failures)

    async def _test(self) -> TestReport:
        commands = self._tools.commands
        if commands.test:
            return await self._test_by(commands.test, commands.junit)
        if self._python:
            return await self._pytest(self._python)
        return TestReport(remark="no test command is known")

    async def _test_by(self, command: str, junit: str) -> TestReport:
        """Run the project's own test command; it writes a report if `junit` says where."""
        if not junit:
            result = await self._shell(command)
            return read_output(result.output, result.exit_code)
        report = self._root / junit
        await anyio.to_thread.run_sync(
            remove_plain, report, self._root
        )  # an old one proves nothing
        result = await self._shell(command)
        try:
            found = await anyio.to_thread.run_sync(read_junit, report, self._root)
        except FileNotFoundError:
            return TestReport(remark=f"no report was written; {_end(result)}", complete=False)
        except (OSError, ElementTree.ParseError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            return TestReport(remark=f"no report can be read: {cause}", complete=False)
        if result.ok or (found.having(Outcome.FAILED) and not result.timed_out):
            return found
        return replace(found, remark=f"ended with {_end(result)}", complete=False)

    async def _pytest(self, python: str) -> TestReport:
        """The whole suite, whatever the project's settings say about stopping early.

        The worktree is inside of the user's checkout, whose settings and conftest.py pytest would
        find above it; both are held to the worktree.
        """
        settings: tuple[str, ...] = ()
        if not await anyio.to_thread.run_sync(has_pytest_settings, self._root):
            empty = self._scratch / "pytest.ini"
            await anyio.to_thread.run_sync(_put, empty, b"[pytest]\n")
            settings = ("-c", str(empty))
        report, secret, word = self._scratch / REPORT, self._scratch / "word", new_word()
        await anyio.to_thread.run_sync(remove_plain, report)
        await anyio.to_thread.run_sync(_put, secret, word.encode())
        result = await self._run(
            *(python, str(SUITE), self._folders(), str(secret), *settings),
            *(f"--rootdir={self._root}", f"--confcutdir={self._root}"),
            *("--continue-on-collection-errors", "--maxfail=0"),
            *("-o", f"cache_dir={self._scratch / 'cache'}"),
            *("-o", "junit_family=xunit1", f"--junitxml={report}"),
        )
        return await anyio.to_thread.run_sync(_judged, result, word, report)

    @property
    def _lints_itself(self) -> bool:
        """Whether its own command or linter does it, which may run code of the project."""
        other = self._python and self._tools.linter in (FLAKE8, PYLINT)
        return bool(self._tools.commands.lint or other)

    async def _lint(self, files: Sequence[str]) -> _Lint:
        """What ruff finds; only functions that are too complex where the project lints itself."""
        if not self._python:
            return _Lint(remark="not measured: no lint command is known")
        if self._tools.commands.lint:
            return _Lint()
        own = await anyio.to_thread.run_sync(has_ruff_settings, self._root, files)
        isolated = () if own else ("--isolated",)
        if self._lints_itself:
            complexity, _ = await self._ruff(*isolated, "--select", COMPLEXITY)
            return _Lint(complexity=complexity)
        findings, remark = await self._ruff(*isolated, "--extend-select", COMPLEXITY)
        complexity = tuple(finding for finding in findings if finding.rule == COMPLEXITY)
        rest = tuple(finding for finding in findings if finding.rule != COMPLEXITY)
        return _Lint(rest, complexity, remark)

    async def _their_lint(self) -> _Lint:
        command = self._tools.commands.lint
        if not command:
            return await self._other_linter()
        result = await self._shell(command)
        findings = read_located(result.output, self._root)
        if findings or result.ok:
            return _Lint(findings)
        return _Lint(remark=f"not counted: the lint command found no lines; {_end(result)}")

    async def _ruff(self, *options: str) -> tuple[tuple[Finding, ...], str]:
        """Ruff's findings; it never mends, whatever the project's settings say."""
        command = (
            *_ruff(),
            *("check", "--no-cache", "--exit-zero", "--ignore-noqa", "--output-format", "json"),
            *("--no-fix", "--no-fix-only", "--output-file", str(self._scratch / "ruff.json")),
            *(*options, "."),
        )
        report, remark = await self._report("ruff.json", command)
        return read_ruff(report, self._root) or (), remark

    async def _other_linter(self) -> _Lint:
        python, linter = self._python, self._tools.linter
        options = ("--format=default", "--disable-noqa")
        if linter == PYLINT:
            options = ("--output-format=parseable", "--recursive=y")
        result = await self._run(python, "-m", linter, *options, ".", env=self._import_path())
        findings = read_located(result.output, self._root)
        failed = not findings and not result.ok
        remark = f"not measured: {linter} ended with {_end(result)}" if failed else ""
        return _Lint(findings, remark=remark)

    async def _scan(self, python: Sequence[str]) -> _Scan:
        if not self._python:
            return _Scan(remark="not measured: bandit reads Python only")
        before = await anyio.to_thread.run_sync(contents, self._root, python)
        found = {name: _SCANNED.get(content) for name, content in before.items()}
        new = [name for name in python if found[name] is None]
        remark = ""
        for first in range(0, len(new), SCANNED_AT_ONCE):
            some = new[first : first + SCANNED_AT_ONCE]
            read, remark = await self._bandit(some)
            if remark:
                break
            after = await anyio.to_thread.run_sync(contents, self._root, some)
            for name in some:
                found[name] = findings = read.get(name, ())
                if after[name] == before[name]:
                    _SCANNED.put(before[name], findings)
        return _Scan(tuple(one for name in python for one in found[name] or ()), remark)

    async def _bandit(self, files: Sequence[str]) -> tuple[dict[str, tuple[Finding, ...]], str]:
        """Bandit's findings by file, or why there are none."""
        command = (
            *_module(BANDIT),
            *("-q", "-f", "json", "-o", str(self._scratch / "bandit.json"), "--exit-zero"),
            *("--ignore-nosec", "-x", NOTHING, "--", *files),
        )
        report, remark = await self._report("bandit.json", command)
        found: dict[str, tuple[Finding, ...]] = {}
        for one in read_bandit(report) or ():
            found[one.path] = (*found.get(one.path, ()), one)
        return found, remark

    async def _threats(self) -> Report:
        """What the change brings that the base has not, by the analyses of `security`."""
        if self.versions is None or self.versions.remark:
            return Report((), self.versions.remark if self.versions else "")
        known = await anyio.to_thread.run_sync(change, self.versions)
        if same := _ANALYSED.get(known):
            return same
        asked, report = self._scratch / "changed.json", self._scratch / "threats.json"
        content = request(self.versions.new, self.versions.old, self.versions.files)
        await anyio.to_thread.run_sync(asked.write_bytes, content)
        command = (*_module(SCANNER), str(asked), str(report))
        found, remark = await self._report(report.name, command)
        read = read_report(found)
        if read is None:
            return Report((), remark or "not measured: the scanner's report is none")
        if not read.remark:
            _ANALYSED.put(known, read)
        return read


def _module(name: str) -> tuple[str, ...]:
    """A module of ours as a command.

    -P keeps the worktree out of the import path: a file named bandit.py there changes nothing.
    """
    return (sys.executable, "-P", "-m", name)


@functools.cache
def _ruff() -> tuple[str, ...]:
    """The ruff that was installed with us; by its module where its program is elsewhere."""
    program = Path(sysconfig.get_path("scripts")) / "ruff"
    return (str(program),) if program.is_file() else _module("ruff")


def _program(root: Path, python: str | None) -> str:
    """The interpreter: in the worktree where it is relative, to be looked for if only a name."""
    if not python or os.sep not in python:
        return python or ""
    return str(root / python)


def _put(path: Path, content: bytes) -> None:
    """Write a new file; a link that was left there is not followed."""
    remove_plain(path)
    with path.open("xb") as file:
        file.write(content)


def _judged(result: ExecResult, word: str, report: Path) -> TestReport:
    lines = read_lines(result.output, word, KEEP)
    end = _end(replace(result, output=lines.rest))
    return judge(told(lines), look_at(report), Run(end, result.exit_code))


def _read_json(path: Path) -> Any:
    try:
        return msgspec.json.decode(read_plain(path, most=LARGEST_JSON))
    except (OSError, msgspec.DecodeError):
        return None


def _end(result: ExecResult) -> str:
    """How a command ended, with its last line."""
    how = "the time limit" if result.timed_out else f"exit code {result.exit_code}"
    last = next((line for line in reversed(result.output.splitlines()) if line.strip()), "")
    return f"{how}: {last.strip()[:200]}" if last else how
