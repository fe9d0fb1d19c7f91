"""What the test code itself says: which test functions there are and how much they assert."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_ANY_TEST = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|[/_.-])(test|spec)s?[_.]", re.IGNORECASE)
_SKIPS = frozenset({"skip", "skipif", "xfail", "skipIf", "skipUnless", "expectedFailure"})
_SKIPPING = frozenset({"skip", "xfail", "importorskip", "skipTest", "SkipTest"})  # when called


class TestFunction(msgspec.Struct, frozen=True):
    """How many assertions a test function makes, whether it may be skipped, and what it does."""

    __test__ = False

    assertions: int
    skips: bool
    body: str = ""


def is_test_file(path: str) -> bool:
    """Whether pytest would take `path` for a test module."""
    return bool(_TEST_FILE.search(path))


def looks_like_test(path: str) -> bool:
    """Whether `path` names a test in any of the usual languages."""
    return bool(_ANY_TEST.search(path))


def functions(root: Path, paths: Iterable[str]) -> dict[str, TestFunction]:
    """The test functions of the Python test files among `paths`, by `file::Class::name`."""
    from miyabi_tui.engine.repo.git import printable  # what git needs is not for the screen

    found: dict[str, TestFunction] = {}
    for path in filter(is_test_file, paths):
        try:
            tree = ast.parse((root / path).read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        _collect(tree.body, printable(path), found)
    return found


def _collect(body: list[ast.stmt], prefix: str, found: dict[str, TestFunction]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef):
            _collect(node.body, f"{prefix}::{node.name}", found)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                found[f"{prefix}::{node.name}"] = _describe(node)


def _describe(node: ast.FunctionDef | ast.AsyncFunctionDef) -> TestFunction:
    skips = any(_named(part) in _SKIPS for one in node.decorator_list for part in ast.walk(one))
    assertions = 0
    body = list(_reached(node.body))
    for part in (part for statement in body for part in ast.walk(statement)):
        if isinstance(part, ast.Assert):
            assertions += _proves(part.test)
        elif isinstance(part, ast.Attribute):
            assertions += part.attr.startswith("assert") or part.attr in ("raises", "warns", "fail")
        if isinstance(part, ast.Call | ast.Raise):
            skips = skips or _skips(part)
    import hashlib

    text = "".join(map(ast.dump, (node.args, *body)))
    return TestFunction(assertions, skips, hashlib.blake2b(text.encode()).hexdigest())


def _reached(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a function up to the one that always leaves it."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.Return | ast.Raise):
            return


def _proves(test: ast.expr) -> bool:
    """Whether an assertion can fail; `True`, `x == x` and `(x, "text")` cannot."""
    match test:
        case ast.Tuple(elts=[_, *_]):
            return False
        case ast.BoolOp(op=ast.Or(), values=values):
            return all(map(_proves, values))
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            same = ast.dump(left) == ast.dump(right)
            if same and not any(isinstance(part, ast.Call) for part in ast.walk(left)):
                return False
    return any(
        isinstance(part, ast.Name | ast.Call | ast.Attribute | ast.Await | ast.NamedExpr)
        for part in ast.walk(test)
    )


def _named(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _skips(node: ast.Call | ast.Raise) -> bool:
    """Whether this skips: `pytest.skip()`, `skip()`, `self.skipTest()`, `raise SkipTest`."""
    called = node.func if isinstance(node, ast.Call) else node.exc
    if called is None or _named(called) not in _SKIPPING:
        return False
    owner = _named(called.value) if isinstance(called, ast.Attribute) else ""
    return not isinstance(called, ast.Attribute) or owner in ("pytest", "unittest", "self")
