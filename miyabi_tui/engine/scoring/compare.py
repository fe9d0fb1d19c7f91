"""A world set against the base: the evidence for its score, and why it may not win."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.scoring.junit import Outcome
from miyabi_tui.engine.scoring.score import Evidence, Finding, Part
from miyabi_tui.engine.scoring.testcode import is_test_file, looks_like_test
from miyabi_tui.engine.security.report import joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from miyabi_tui.engine.repo.git import Diffstat
    from miyabi_tui.engine.scoring.junit import TestReport
    from miyabi_tui.engine.scoring.measurement import Measurement

NAMED_AT_MOST = 3


def evidence(base: Measurement, world: Measurement, change: Diffstat) -> Evidence:
    """What is new in `world` against `base`."""
    base = _follow(base, world)
    known = known_tests(base, world)
    passed = world.tests.having(Outcome.PASSED)
    return Evidence(
        build_failures=_new_failures(base.build_failures, world.build_failures),
        tests_known=len(known),
        tests_passed=len(known & passed),
        tests_failed=tuple(sorted(known - passed)),
        tests_remark=_collection(base, world) or world.tests.remark,
        lint=new_findings(base.lint, world.lint),
        lint_remark=world.lint_remark,
        complex_functions=tuple(
            f"{finding.path} {_name(finding)}"
            for finding in new_findings(base.complexity, world.complexity)
        ),
        lines_added=change.added,
        lines_deleted=change.deleted,
        files_changed=len(change.files),
        tests_added=_tests_added(base, world, change),
        security=joined(
            new_findings(base.security, world.security), new_findings(base.threats, world.threats)
        ),
        security_remark="; ".join(filter(None, (world.threats_remark, world.security_remark))),
        unmeasured=_unmeasured(base, world),
    )


def ineligible(base: Measurement, world: Measurement, found: Evidence) -> tuple[str, ...]:
    """Why a world may not be chosen by evidence; empty when it may."""
    base = _follow(base, world)
    reasons = []
    if found.files_changed == 0:
        reasons.append("it changes nothing")
    if found.build_failures:
        reasons.append(f"it does not build: {found.build_failures[0]}")
    if broken := _broken(base, world):
        reasons.append(f"it breaks tests that passed on the base: {_some(broken)}")
    if weakened := _weakened(base, world):
        reasons.append(f"it deletes or weakens tests: {_some(weakened)}")
    reasons.extend(
        f"security, {finding.severity}: {finding}"
        for finding in found.security
        if finding.severity.blocks
    )
    if Part.SECURITY in found.unmeasured:
        reasons.append(f"security could not be measured: {found.security_remark}")
    return tuple(reasons)


def new_findings(base: Iterable[Finding], world: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of `world` that `base` does not have; lines may have moved."""
    known = Counter(map(_identity, base))
    new = []
    for finding in world:
        identity = _identity(finding)
        if known[identity] > 0:
            known[identity] -= 1
        else:
            new.append(finding)
    return tuple(new)


def known_tests(base: Measurement, world: Measurement) -> set[str]:
    """The tests that must pass: the world's own, and the base's where the world has no such test.

    A test that is skipped counts only if it passed on the base. Cases of one parametrised test
    may change their names, so they are matched by the function.
    """
    tests = world.tests
    ran = {name for name, how in tests.outcomes.items() if how is not Outcome.SKIPPED}
    lost = _absent(base.tests.having(Outcome.PASSED) | base.tests.having(Outcome.FAILED), tests)
    skipped = base.tests.having(Outcome.PASSED) & tests.having(Outcome.SKIPPED)
    return ran | lost | skipped | set(_newly_not_collected(base, world))


def _follow(base: Measurement, world: Measurement) -> Measurement:
    """The base with the names that its tests have in the world, where they were moved or renamed.

    A test is taken for moved if it does the same, or has the same name and asserts no less.
    """
    came: dict[str, list[str]] = {}
    for name in sorted(world.test_functions.keys() - base.test_functions.keys()):
        for key in (world.test_functions[name].body, name.split("::")[-1]):
            came.setdefault(key, []).append(name)
    moved: dict[str, str] = {}
    for name in sorted(base.test_functions.keys() - world.test_functions.keys()):
        before = base.test_functions[name]
        for new in (*came.get(before.body or name, ()), *came.get(name.split("::")[-1], ())):
            now = world.test_functions[new]
            weaker = now.assertions < before.assertions or (now.skips and not before.skips)
            if new not in moved.values() and not weaker:
                moved[name] = new
                break
    if not moved:
        return base
    outcomes = {_renamed(name, moved): how for name, how in base.tests.outcomes.items()}
    functions = {moved.get(name, name): one for name, one in base.test_functions.items()}
    tests = msgspec.structs.replace(base.tests, outcomes=outcomes)
    return msgspec.structs.replace(base, tests=tests, test_functions=functions)


def _renamed(test: str, moved: dict[str, str]) -> str:
    function = _function(test)
    return moved.get(function, function) + test[len(function) :]


def _absent(tests: set[str], report: TestReport) -> set[str]:
    """Those of `tests` that did not run; if all ran, the parameters may have other names."""
    if not report.complete:
        return tests - report.outcomes.keys()
    functions = set(map(_function, report.outcomes))
    return {name for name in tests if _function(name) not in functions}


def _newly_not_collected(base: Measurement, world: Measurement) -> list[str]:
    return [name for name in world.tests.not_collected if name not in base.tests.not_collected]


def _collection(base: Measurement, world: Measurement) -> str:
    files = _newly_not_collected(base, world)
    return f"pytest could not collect {_some(files)}" if files else ""


def _unmeasured(base: Measurement, world: Measurement) -> tuple[Part, ...]:
    """The parts that this world made unmeasurable."""
    found = []
    if world.lint_remark and not base.lint_remark:
        found.append(Part.LINT)
    if world.threats_remark or (world.security_remark and not base.security_remark):
        found.append(Part.SECURITY)
    return tuple(found)


def _broken(base: Measurement, world: Measurement) -> list[str]:
    passed, tests = base.tests.having(Outcome.PASSED), world.tests
    broken = passed & tests.having(Outcome.FAILED)
    not_run = _absent(passed, tests)
    if tests.outcomes and tests.complete:
        not_run = {name for name in not_run if _file(name) in tests.not_collected}
    return sorted(broken | not_run)


def _weakened(base: Measurement, world: Measurement) -> list[str]:
    found = []
    for name, before in base.test_functions.items():
        now = world.test_functions.get(name)
        if now is None:
            # A file that no longer parses is a build failure, not a deletion.
            if not any(failure.startswith(name.split("::")[0]) for failure in world.build_failures):
                found.append(f"{name} is gone")
        elif now.assertions < before.assertions:
            found.append(f"{name} asserts {now.assertions} × instead of {before.assertions} ×")
        elif now.skips and not before.skips:
            found.append(f"{name} may now be skipped")
    if world.tests.outcomes and world.tests.complete:  # else the run failed: a broken world
        found.extend(_no_longer_run(base, world))
    return found


def _no_longer_run(base: Measurement, world: Measurement) -> list[str]:
    ran = {name for name, how in base.tests.outcomes.items() if how is not Outcome.SKIPPED}
    before = Counter(map(_function, ran))
    seen = {name for name, how in world.tests.outcomes.items() if how is not Outcome.SKIPPED}
    now = Counter(map(_function, seen))
    return [
        f"{name} runs {now[name]} × instead of {count} ×"
        for name, count in sorted(before.items())
        if now[name] < count
        and not (name in base.test_functions and name not in world.test_functions)  # it is gone
        and _file(name) not in world.tests.not_collected
    ]


def _file(test: str) -> str:
    return test.split("::", 1)[0]


def _function(test: str) -> str:
    """A test's name without its parameters."""
    return test.split("[", 1)[0]


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.path, finding.rule, re.sub(r"\d+", "#", finding.message)


def _name(finding: Finding) -> str:
    """The function that ruff's C901 names between backticks."""
    match = re.search(r"`(.+?)`", finding.message)
    return match[1] if match else f"line {finding.line}"


def _new_failures(base: tuple[str, ...], world: tuple[str, ...]) -> tuple[str, ...]:
    known = {re.sub(r"\d+", "#", failure) for failure in base}
    return tuple(failure for failure in world if re.sub(r"\d+", "#", failure) not in known)


def _tests_added(base: Measurement, world: Measurement, change: Diffstat) -> bool:
    if world.test_functions.keys() - base.test_functions.keys():
        return True
    if any(
        now.assertions > base.test_functions[name].assertions
        for name, now in world.test_functions.items()
        if name in base.test_functions
    ) or len(world.tests.outcomes) > len(base.tests.outcomes):
        return True
    others = [path for path in change.files if not is_test_file(path)]
    return bool(change.added) and any(
        looks_like_test(path) for path in others if not path.endswith(".py")
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    more = len(names) - NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown
