"""What the test code itself says: which test functions there are and how much they assert."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test)\.py$")
_ANY_TEST = re.compile(r"(^|/)(tests?|spec|__tests__)/|(^|[/_.-])(test|spec)s?[_.]", re.IGNORECASE)
_SKIPS = frozenset({"skip", "skipif", "xfail", "skipIf", "skipUnless", "expectedFailure"})


class TestFunction(msgspec.Struct, frozen=True):
    """How many assertions a test function makes, and whether it may be skipped."""

    __test__ = False

    assertions: int
    skips: bool


def is_test_file(path: str) -> bool:
    """Whether pytest would take `path` for a test module."""
    return bool(_TEST_FILE.search(path))


def looks_like_test(path: str) -> bool:
    """Whether `path` names a test in any of the usual languages."""
    return bool(_ANY_TEST.search(path))


def functions(root: Path, paths: Iterable[str]) -> dict[str, TestFunction]:
    """The test functions of the Python test files among `paths`, by `file::Class::name`."""
    found: dict[str, TestFunction] = {}
    for path in filter(is_test_file, paths):
        try:
            tree = ast.parse((root / path).read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        _collect(tree.body, path, found)
    return found


def _collect(body: list[ast.stmt], prefix: str, found: dict[str, TestFunction]) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef):
            _collect(node.body, f"{prefix}::{node.name}", found)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                found[f"{prefix}::{node.name}"] = _describe(node)


def _describe(node: ast.FunctionDef | ast.AsyncFunctionDef) -> TestFunction:
    assertions, skips = 0, False
    for part in ast.walk(node):
        if isinstance(part, ast.Assert):
            # `assert True` and the like prove nothing.
            assertions += not isinstance(part.test, ast.Constant)
        elif isinstance(part, ast.Attribute):
            assertions += part.attr.startswith("assert") or part.attr in ("raises", "warns", "fail")
            skips = skips or part.attr in _SKIPS
        elif isinstance(part, ast.Name):
            skips = skips or part.id in _SKIPS
    return TestFunction(assertions, skips)
