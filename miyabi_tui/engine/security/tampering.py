"""Malicious test code: what makes the tests say other than what happened."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.pythontree import constant
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.pythontree import PythonTree
    from miyabi_tui.engine.security.source import Source

MEDIUM, HIGH = Severity.MEDIUM, Severity.HIGH
HOOKS = frozenset(
    {
        *("pytest_runtest_makereport", "pytest_runtest_logreport", "pytest_report_teststatus"),
        *("pytest_runtest_protocol", "pytest_runtest_call", "pytest_pyfunc_call"),
        *("pytest_exception_interact", "pytest_runtestloop", "pytest_cmdline_main"),
    }
)
_REPORT = re.compile(r"junit[\w.-]*\.xml|report[\w-]*\.xml", re.IGNORECASE)
_WRITERS = (".write_text", ".write_bytes", ".write", ".open", "open", "os.open", "shutil.copy")


def look(source: Source) -> Iterator[Hit]:
    """What tampers with pytest or with its report; hooks count wherever they are."""
    tree = source.python
    if not tree:
        return
    for node in tree.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name in HOOKS:
                message = f"takes a hand in what pytest reports ({node.name})"
                yield _hit("test-hook", node.lineno, message, HIGH, node)
            elif node.name == "pytest_sessionfinish" and _sets_exit(node):
                yield _hit("test-hook", node.lineno, "changes how pytest ends", HIGH, node)
            elif node.name == "__eq__" and _always_equal(node):
                yield _hit("always-equal", node.lineno, "is equal to everything", MEDIUM, node)
        elif isinstance(node, ast.Assign) and (name := _patched(node, tree)):
            yield _hit("test-hook", node.lineno, f"replaces {name}", HIGH, node)
    if source.test:
        yield from _in_tests(tree)
    else:
        yield from _notices_tests(tree)


def _hit(rule: str, line: int, message: str, severity: Severity, node: ast.AST) -> Hit:
    return Hit(Threat.MALICIOUS, rule, line, message, severity, digest(ast.unparse(node)))


def _sets_exit(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Attribute)
        and part.attr in ("exitstatus", "testsfailed")
        and isinstance(part.ctx, ast.Store)
        for part in ast.walk(node)
    )


def _always_equal(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    match node.body[-1]:
        case ast.Return(value=ast.Constant(value=True)):
            return len(node.body) == 1
    return False


def _patched(node: ast.Assign, tree: PythonTree) -> str:
    """The part of pytest or unittest that an assignment replaces."""
    for target in node.targets:
        if isinstance(target, ast.Attribute):
            name = tree.name(target)
            if name.startswith(("_pytest.", "pytest.", "unittest.case.", "unittest.TestCase.")):
                return name
    return ""


def _in_tests(tree: PythonTree) -> Iterator[Hit]:
    for node in tree.nodes:
        match node:
            case ast.Attribute(attr="xmlpath"):
                yield _hit("test-report", node.lineno, "looks for the tests' report", HIGH, node)
            case ast.Import(names=names) if any(n.name == "_pytest.junitxml" for n in names):
                yield _hit("test-report", node.lineno, "looks for the tests' report", HIGH, node)
            case ast.ImportFrom(module="_pytest.junitxml"):
                yield _hit("test-report", node.lineno, "looks for the tests' report", HIGH, node)
    forks = any(tree.called(call) == "os.fork" for call in tree.calls)
    reports = tree.names_of(lambda part: bool(_REPORT.search(constant(part))))
    for call in tree.calls:
        name = tree.called(call)
        if name == "os._exit" and not forks:
            yield _hit("ends-tests", call.lineno, "ends the tests without a report", HIGH, call)
        elif name.endswith(_WRITERS) and tree.holds(
            call, lambda part: bool(_REPORT.search(constant(part))), reports
        ):
            yield _hit("test-report", call.lineno, "touches a test report", HIGH, call)


def _notices_tests(tree: PythonTree) -> Iterator[Hit]:
    """Code that is no test and asks whether it is tested."""
    for node in tree.nodes:
        match node:
            case ast.Constant(value="PYTEST_CURRENT_TEST"):
                message = "may behave otherwise when it is tested"
                yield _hit("notices-tests", node.lineno, message, MEDIUM, node)
            case ast.Compare(left=ast.Constant(value="pytest"), comparators=[modules]) if (
                tree.name(modules) == "sys.modules"
            ):
                message = "may behave otherwise when it is tested"
                yield _hit("notices-tests", node.lineno, message, MEDIUM, node)
