"""Runs the project's commands on one worktree, in its sandbox, into a Measurement."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import anyio
import msgspec

from miyabi_tui.engine.scoring import testcode
from miyabi_tui.engine.scoring.findings import read_bandit, read_ruff
from miyabi_tui.engine.scoring.junit import Outcome, TestReport, read_junit
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.runners import read_output
from miyabi_tui.engine.scoring.toolchain import (
    FLAKE8,
    PYLINT,
    has_pytest_settings,
    has_ruff_settings,
    read_located,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import ExecResult, Sandbox
    from miyabi_tui.engine.scoring.score import Finding
    from miyabi_tui.engine.scoring.toolchain import Toolchain

    Progress = Callable[[str], Awaitable[None]]

PROBE = Path(__file__).with_name("probe.py")
SUITE = Path(__file__).with_name("suite.py")
KEEP = 8_000_000  # characters of a report that are read
COMPLEXITY = "C901"
PYTEST_ENDS = (0, 1, 5)  # all passed, some failed, no tests
SCANNED_AT_ONCE = 500  # files of one command line
NOTHING = os.devnull  # bandit leaves out every path that holds one of its exclusions


class _Lint(NamedTuple):
    findings: tuple[Finding, ...] = ()
    complexity: tuple[Finding, ...] = ()
    remark: str = ""


class _Scan(NamedTuple):
    findings: tuple[Finding, ...] = ()
    remark: str = ""


class Measurer:
    """Measures one worktree; `scratch` is a folder outside of it, for the reports.

    `before` goes before every command, say `nice`.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        sandbox: Sandbox,
        worktree: Path,
        scratch: Path,
        time_limit: float,
        before: tuple[str, ...] = (),
    ) -> None:
        self._tools = toolchain
        self._sandbox = sandbox
        self._root = Path(os.path.realpath(worktree))  # as what runs in it sees itself
        self._python = str(self._root / toolchain.python) if toolchain.python else ""
        self._scratch = scratch
        self._time_limit = time_limit
        self._before = before

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
        tests, lint, scan = TestReport(), _Lint(), _Scan()

        async def lint_and_scan() -> None:
            nonlocal lint, scan
            lint = await self._lint(files)
            scan = await self._scan([name for name in python if name in set(changed)])

        await progress("building")
        build = await self._build(python)
        await progress("running the tests")
        async with anyio.create_task_group() as group:
            group.start_soon(lint_and_scan)
            tests = await self._test()
            await progress("linting and scanning")
        return Measurement(
            build_failures=build,
            tests=tests,
            test_functions=await anyio.to_thread.run_sync(testcode.functions, self._root, python),
            lint=lint.findings,
            complexity=lint.complexity,
            lint_remark=lint.remark,
            security=scan.findings,
            security_remark=scan.remark,
        )

    async def _run(self, *argv: str, env: Mapping[str, str] | None = None) -> ExecResult:
        command = (*self._before, *argv)
        return await self._sandbox.exec(
            command, cwd=self._root, time_limit=self._time_limit, env=env, keep=KEEP
        )

    async def _report(self, name: str, module: str, *args: str) -> tuple[Any, str]:
        """Run one of miyabi's own tools; its JSON report, and how it ended where there is none.

        -P keeps the worktree out of the import path: a file named bandit.py there changes nothing.
        """
        report = self._scratch / name
        report.unlink(missing_ok=True)
        result = await self._run(sys.executable, "-P", "-m", module, *args)
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
        listing, report = self._scratch / "files", self._scratch / "build.json"
        report.unlink(missing_ok=True)
        await anyio.to_thread.run_sync(
            listing.write_bytes, "\0".join(python).encode("utf-8", "surrogateescape")
        )
        result = await self._run(self._python, str(PROBE), str(listing), str(report))
        failures = await anyio.to_thread.run_sync(_read_json, report)
        if not isinstance(failures, dict):
            return (f"the import check ended with {_end(result)}",)
        return tuple(failures["failures"])

    async def _test(self) -> TestReport:
        commands, report = self._tools.commands, self._scratch / "junit.xml"
        if commands.junit and commands.test:
            report = self._root / commands.junit
        with contextlib.suppress(OSError):  # one of an earlier run proves nothing
            report.unlink()
        if commands.test:
            result = await self._shell(commands.test)
            if not commands.junit:
                return read_output(result.output, result.exit_code)
        elif self._python:
            result = await self._pytest(self._python, report)
        else:
            return TestReport(remark="no test command is known")
        try:
            found = await anyio.to_thread.run_sync(read_junit, report)
        except (OSError, ElementTree.ParseError):
            return TestReport(remark=f"no report was written; {_end(result)}", complete=False)
        if commands.test:
            failed = bool(found.having(Outcome.FAILED))
            to_the_end = result.ok or (failed and not result.timed_out)
        else:
            to_the_end = result.exit_code in PYTEST_ENDS
        if to_the_end:
            return found
        return msgspec.structs.replace(found, remark=f"ended with {_end(result)}", complete=False)

    async def _pytest(self, python: str, report: Path) -> ExecResult:
        """The whole suite, whatever the project's settings say about stopping early.

        The worktree is inside of the user's checkout, whose settings and conftest.py pytest would
        find above it; both are held to the worktree.
        """
        settings: tuple[str, ...] = ()
        if not await anyio.to_thread.run_sync(has_pytest_settings, self._root):
            empty = self._scratch / "pytest.ini"
            await anyio.to_thread.run_sync(empty.write_text, "[pytest]\n")
            settings = ("-c", str(empty))
        return await self._run(
            *(python, str(SUITE), self._folders(), "-q", *settings),
            *(f"--rootdir={self._root}", f"--confcutdir={self._root}"),
            *("--continue-on-collection-errors", "--maxfail=0"),
            *("-o", f"cache_dir={self._scratch / 'cache'}"),
            *("-o", "junit_family=xunit1", f"--junitxml={report}"),
        )

    async def _lint(self, files: Sequence[str]) -> _Lint:
        if command := self._tools.commands.lint:
            result = await self._shell(command)
            findings = read_located(result.output, self._root)
            if findings or result.ok:
                return _Lint(findings)
            return _Lint(remark=f"not counted: the lint command found no lines; {_end(result)}")
        if not self._python:
            return _Lint(remark="not measured: no lint command is known")
        own = await anyio.to_thread.run_sync(has_ruff_settings, self._root, files)
        isolated = () if own else ("--isolated",)
        if self._tools.linter in (FLAKE8, PYLINT):
            complexity, _ = await self._ruff(*isolated, "--select", COMPLEXITY)
            findings, remark = await self._other_linter()
            return _Lint(findings, complexity, remark)
        findings, remark = await self._ruff(*isolated, "--extend-select", COMPLEXITY)
        complexity = tuple(finding for finding in findings if finding.rule == COMPLEXITY)
        rest = tuple(finding for finding in findings if finding.rule != COMPLEXITY)
        return _Lint(rest, complexity, remark)

    async def _ruff(self, *options: str) -> tuple[tuple[Finding, ...], str]:
        """Ruff's findings; it never mends, whatever the project's settings say."""
        report, remark = await self._report(
            "ruff.json",
            "ruff",
            *("check", "--no-cache", "--exit-zero", "--ignore-noqa", "--output-format", "json"),
            *("--no-fix", "--no-fix-only", "--output-file", str(self._scratch / "ruff.json")),
            *(*options, "."),
        )
        return read_ruff(report, self._root) or (), remark

    async def _other_linter(self) -> tuple[tuple[Finding, ...], str]:
        python, linter = self._python, self._tools.linter
        options = ("--format=default", "--disable-noqa")
        if linter == PYLINT:
            options = ("--output-format=parseable", "--recursive=y")
        result = await self._run(python, "-m", linter, *options, ".", env=self._import_path())
        findings = read_located(result.output, self._root)
        failed = not findings and not result.ok
        return findings, f"not measured: {linter} ended with {_end(result)}" if failed else ""

    async def _scan(self, python: Sequence[str]) -> _Scan:
        if not self._python:
            return _Scan(remark="not measured: bandit reads Python only")
        findings: list[Finding] = []
        for first in range(0, len(python), SCANNED_AT_ONCE):
            report, remark = await self._report(
                "bandit.json",
                "bandit",
                *("-q", "-f", "json", "-o", str(self._scratch / "bandit.json"), "--exit-zero"),
                *("--ignore-nosec", "-x", NOTHING),
                *("--", *python[first : first + SCANNED_AT_ONCE]),
            )
            if remark:
                return _Scan(tuple(findings), remark)
            findings.extend(read_bandit(report) or ())
        return _Scan(tuple(findings))


def _read_json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None


def _end(result: ExecResult) -> str:
    """How a command ended, with its last line."""
    how = "the time limit" if result.timed_out else f"exit code {result.exit_code}"
    last = next((line for line in reversed(result.output.splitlines()) if line.strip()), "")
    return f"{how}: {last.strip()[:200]}" if last else how
