"""Runs the project's commands on one worktree, in its sandbox, into a Measurement."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import anyio
import msgspec

from miyabi_tui.engine.scoring import testcode
from miyabi_tui.engine.scoring.findings import read_bandit, read_ruff
from miyabi_tui.engine.scoring.junit import TestReport, read_junit, read_output
from miyabi_tui.engine.scoring.measurement import Measurement
from miyabi_tui.engine.scoring.toolchain import FLAKE8, PYLINT, read_located

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from miyabi_tui.engine.sandbox.base import ExecResult, Sandbox
    from miyabi_tui.engine.scoring.score import Finding
    from miyabi_tui.engine.scoring.toolchain import Toolchain

    Progress = Callable[[str], Awaitable[None]]

PROBE = Path(__file__).with_name("probe.py")
KEEP = 8_000_000  # characters of a report that are read
COMPLEXITY = "C901"
PYTEST_NO_TESTS = 5


class _Lint(NamedTuple):
    findings: tuple[Finding, ...] = ()
    complexity: tuple[Finding, ...] = ()
    remark: str = ""


class _Scan(NamedTuple):
    findings: tuple[Finding, ...] = ()
    remark: str = ""


class Measurer:
    """Measures one worktree; `scratch` is a folder outside of it, for the reports."""

    def __init__(
        self,
        toolchain: Toolchain,
        sandbox: Sandbox,
        worktree: Path,
        scratch: Path,
        time_limit: float,
    ) -> None:
        self._tools = toolchain
        self._sandbox = sandbox
        self._root = worktree
        self._scratch = scratch
        self._time_limit = time_limit

    async def measure(
        self, files: Sequence[str], changed: Sequence[str], progress: Progress
    ) -> Measurement:
        """Measure everything. `files` are all tracked ones, of which `changed` are scanned."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        python = [name for name in files if name.endswith(".py")]
        tests, lint, scan = TestReport(), _Lint(), _Scan()

        async def lint_and_scan() -> None:
            nonlocal lint, scan
            lint = await self._lint()
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

    async def _run(self, *argv: str) -> ExecResult:
        return await self._sandbox.exec(
            argv, cwd=self._root, time_limit=self._time_limit, env=self._import_path(), keep=KEEP
        )

    async def _report(self, name: str, module: str, *args: str) -> tuple[Any, str]:
        """Run one of miyabi's own tools; its JSON report, and how it ended where there is none.

        -P keeps the worktree out of the import path: a file named bandit.py there changes nothing.
        """
        report = self._scratch / name
        result = await self._sandbox.exec(
            (sys.executable, "-P", "-m", module, *args), cwd=self._root, time_limit=self._time_limit
        )
        data = await anyio.to_thread.run_sync(_read_json, report)
        return data, "" if data is not None else f"not measured: {_end(result)}"

    async def _shell(self, command: str) -> ExecResult:
        return await self._run("bash", "-c", command)

    def _import_path(self) -> dict[str, str]:
        """This worktree's modules first, before an editable install of the user's checkout."""
        if not self._tools.python:
            return {}
        source = self._root / "src"
        folders = [source, self._root] if source.is_dir() else [self._root]
        return {"PYTHONPATH": os.pathsep.join(map(str, folders))}

    async def _build(self, python: Sequence[str]) -> tuple[str, ...]:
        if command := self._tools.commands.build:
            result = await self._shell(command)
            return () if result.ok else (f"{command}: {_end(result)}",)
        if not self._tools.python or not python:
            return ()
        listing, report = self._scratch / "files", self._scratch / "build.json"
        await anyio.to_thread.run_sync(
            listing.write_bytes, "\0".join(python).encode("utf-8", "surrogateescape")
        )
        result = await self._run(self._tools.python, str(PROBE), str(listing), str(report))
        failures = await anyio.to_thread.run_sync(_read_json, report)
        if failures is None:
            return (f"the import check ended with {_end(result)}",)
        return tuple(failures["failures"])

    async def _test(self) -> TestReport:
        commands, report = self._tools.commands, self._scratch / "junit.xml"
        if commands.test:
            result = await self._shell(commands.test)
            if not commands.junit:
                return read_output(result.output, result.exit_code)
            report = self._root / commands.junit
        elif self._tools.python:
            result = await self._run(
                *(self._tools.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-o", "junit_family=xunit1", f"--junitxml={report}"),
            )
        else:
            return TestReport(remark="no test command is known")
        try:
            found = await anyio.to_thread.run_sync(read_junit, report)
        except (OSError, ElementTree.ParseError):
            return TestReport(remark=f"no report was written; {_end(result)}")
        if result.timed_out:
            return msgspec.structs.replace(found, remark="ended by the time limit")
        if result.exit_code not in (0, 1, 2, PYTEST_NO_TESTS) and not commands.test:
            return msgspec.structs.replace(found, remark=_end(result))
        return found

    async def _lint(self) -> _Lint:
        if command := self._tools.commands.lint:
            result = await self._shell(command)
            findings = read_located(result.output, self._root)
            if findings or result.ok:
                return _Lint(findings)
            return _Lint(remark=f"not counted: the lint command found no lines; {_end(result)}")
        if not self._tools.python:
            return _Lint(remark="not measured: no lint command is known")
        if self._tools.linter in (FLAKE8, PYLINT):
            complexity, remark = await self._ruff("--select", COMPLEXITY)
            return _Lint(await self._other_linter(), complexity, remark)
        findings, remark = await self._ruff("--extend-select", COMPLEXITY)
        complexity = tuple(finding for finding in findings if finding.rule == COMPLEXITY)
        rest = tuple(finding for finding in findings if finding.rule != COMPLEXITY)
        return _Lint(rest, complexity, remark)

    async def _ruff(self, *select: str) -> tuple[tuple[Finding, ...], str]:

        report, remark = await self._report(
            "ruff.json",
            "ruff",
            *("check", "--no-cache", "--exit-zero", "--ignore-noqa", "--output-format", "json"),
            *("--output-file", str(self._scratch / "ruff.json"), *select, "."),
        )
        return read_ruff(report, self._root) or (), remark

    async def _other_linter(self) -> tuple[Finding, ...]:
        python, linter = str(self._tools.python), self._tools.linter
        options = ("--output-format=parseable", "--recursive=y") if linter == PYLINT else ()
        result = await self._run(python, "-m", linter, *options, ".")
        return read_located(result.output, self._root)

    async def _scan(self, python: Sequence[str]) -> _Scan:
        if not self._tools.python:
            return _Scan(remark="not measured: bandit reads Python only")
        if not python:
            return _Scan()
        report, remark = await self._report(
            "bandit.json",
            "bandit",
            *("-q", "-f", "json", "-o", str(self._scratch / "bandit.json"), "--exit-zero"),
            *("--ignore-nosec", "--", *python),
        )
        return _Scan(read_bandit(report) or (), remark)


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
