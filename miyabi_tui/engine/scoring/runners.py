"""What test runners print, as a report: names (go, TAP, cargo), counts, or just the exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.scoring.junit import Outcome, TestReport

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND = "the test command"
COUNTED_AT_MOST = 10_000

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HOW = {
    "PASS": Outcome.PASSED,
    "FAIL": Outcome.FAILED,
    "SKIP": Outcome.SKIPPED,
    "ok": Outcome.PASSED,
    "not ok": Outcome.FAILED,
    "FAILED": Outcome.FAILED,
    "ignored": Outcome.SKIPPED,
}


def read_output(output: str, exit_code: int | None) -> TestReport:
    """The report that a runner printed. `exit_code` is None where the time limit ended it."""
    text = _COLOUR.sub("", output)
    outcomes = _go(text) or _tap(text) or _cargo(text) or _unittest(text) or _counted(text)
    if exit_code == 0:
        return TestReport(outcomes or {COMMAND: Outcome.PASSED})
    if exit_code is not None and Outcome.FAILED in outcomes.values():
        return TestReport(outcomes, complete=False)
    how = "the time limit" if exit_code is None else f"exit code {exit_code}"
    return TestReport(
        outcomes | {COMMAND: Outcome.FAILED}, remark=f"{COMMAND} ended with {how}", complete=False
    )


_RUNS_TESTS = re.compile(r"test|spec|jest|mocha|\btox\b|\bnox\b|\bcheck\b", re.I)


def printed_counts(command: str, output: str) -> str:
    """What a command said of its tests: "3 passed, 1 failed"; empty where it ran none."""
    if not _RUNS_TESTS.search(command):
        return ""
    text = _COLOUR.sub("", output)
    outcomes = _go(text) or _tap(text) or _cargo(text) or _unittest(text) or _counted(text)
    found = list(outcomes.values())
    passed, failed = found.count(Outcome.PASSED), found.count(Outcome.FAILED)
    parts = [f"{passed} passed" if passed else "", f"{failed} failed" if failed else ""]
    return ", ".join(filter(None, parts))


def _gather(results: Iterable[tuple[str, Outcome]]) -> dict[str, Outcome]:
    """Two tests of one name, say in two packages, stay two: `name` and `name[#2]`."""
    outcomes: dict[str, Outcome] = {}
    times: dict[str, int] = {}
    for name, how in results:
        times[name] = times.get(name, 0) + 1
        outcomes[name if times[name] == 1 else f"{name}[#{times[name]}]"] = how
    return outcomes


_GO_TEST = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+)", re.M)
_GO_PACKAGE = re.compile(r"^(ok|FAIL) *\t(\S+)", re.M)


def _go(text: str) -> dict[str, Outcome]:
    """`go test`: the packages, which it names always, and the tests that it names."""
    tests = [(name, _HOW[how]) for how, name in _GO_TEST.findall(text)]
    return _gather(tests + [(name, _HOW[how]) for how, name in _GO_PACKAGE.findall(text)])


_TAP_PLAN = re.compile(r"^\s*(?:TAP version \d+|1\.\.\d+)", re.M)
_TAP_TEST = re.compile(
    r"^[ \t]*(?P<how>ok|not ok)\b[ \t]*(?P<number>\d*)[ \t]*(?:-[ \t]+)?(?P<name>[^#\n]*)"
    r"(?P<directive>#[ \t]*(?:skip|todo)\b)?",
    re.M | re.I,
)


def _tap(text: str) -> dict[str, Outcome]:
    """The Test Anything Protocol; what is still to do may fail."""
    if not _TAP_PLAN.search(text):
        return {}
    return _gather(
        (
            match["name"].strip() or f"test {match['number']}",
            Outcome.SKIPPED if match["directive"] else _HOW[match["how"].lower()],
        )
        for match in _TAP_TEST.finditer(text)
    )


_CARGO_TEST = re.compile(r"^test (.+?) \.\.\. (ok|FAILED|ignored)\b", re.M)


def _cargo(text: str) -> dict[str, Outcome]:
    return _gather((name, _HOW[how]) for name, how in _CARGO_TEST.findall(text))


_UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\s*(?:OK|FAILED|NO TESTS RAN)(.*)$", re.M)


def _unittest(text: str) -> dict[str, Outcome]:
    passed = failed = 0
    for number, details in _UNITTEST.findall(text):
        found = {word: int(count) for word, count in re.findall(r"([\w ]+)=(\d+)", details)}
        counts = {word.strip(): count for word, count in found.items()}
        bad = sum(counts.get(word, 0) for word in ("failures", "errors", "unexpected successes"))
        failed += bad
        passed += int(number) - bad - counts.get("skipped", 0)
    return _numbered(passed, failed)


_TESTS_LINE = re.compile(r"^\s*Tests:?\s+(\d+ .*)$", re.M)  # jest, vitest
_COUNT = re.compile(r"(\d+) (passed|passing|failed|failing|errors?)\b")


def _counted(text: str) -> dict[str, Outcome]:
    """Counts as jest, vitest, mocha, pytest and others print them; tests have numbers only."""
    if lines := _TESTS_LINE.findall(text):
        counts = [count for line in lines for count in _COUNT.findall(line)]
    else:  # the last of each word: the summary
        counts = list({word.rstrip("s"): (n, word) for n, word in _COUNT.findall(text)}.values())
    passed = sum(int(number) for number, word in counts if word.startswith("pass"))
    failed = sum(int(number) for number, word in counts if not word.startswith("pass"))
    return _numbered(passed, failed)


def _numbered(passed: int, failed: int) -> dict[str, Outcome]:
    most = COUNTED_AT_MOST
    results = [Outcome.PASSED] * min(passed, most) + [Outcome.FAILED] * min(failed, most)
    return {f"test {number}": how for number, how in enumerate(results, start=1)}
