"""Unsafe language features: Python by its tree, other languages by the rules of `unsafe_text`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.pythontree import (
    argument,
    constant,
    is_false,
    is_true,
)
from miyabi_tui.engine.security.rules import matches
from miyabi_tui.engine.security.threats import Severity, Threat
from miyabi_tui.engine.security.unsafe_text import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.pythontree import PythonTree
    from miyabi_tui.engine.security.source import Source

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_UNPICKLES = frozenset(
    {
        *("pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.loads", "dill.load"),
        *("dill.loads", "cloudpickle.load", "cloudpickle.loads", "jsonpickle.decode"),
        *("shelve.open", "marshal.load", "marshal.loads", "pandas.read_pickle", "joblib.load"),
    }
)
_SHELLS = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"})
_YAML = frozenset({"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"})
_SAFE_LOADERS = ("SafeLoader", "CSafeLoader", "BaseLoader")
_UNVERIFIED = "verifies no certificate"


def look(source: Source) -> Iterator[Hit]:
    """Features that are easily turned against the program; a step less bad in tests."""
    for hit in _all(source):
        severity = hit.severity.milder if source.test else hit.severity
        yield msgspec.structs.replace(hit, severity=severity)


def _all(source: Source) -> Iterator[Hit]:
    if source.is_code:
        yield from matches(source, RULES, Threat.UNSAFE, exact=False)
    tree = source.python
    if not tree:
        return
    for call in tree.calls:
        if found := _call(tree, call):
            rule, message, severity = found
            mark = digest(ast.unparse(call))
            yield Hit(Threat.UNSAFE, rule, call.lineno, message, severity, mark, exact=False)
    for module, line in tree.modules.items():
        if module in ("ctypes", "cffi"):
            yield Hit(Threat.UNSAFE, "native-code", line, f"uses {module}", LOW)


def _call(tree: PythonTree, call: ast.Call) -> tuple[str, str, Severity] | None:
    name = tree.called(call)
    first = argument(call, 0, "args", "cmd", "command", "source")
    if name in ("eval", "exec"):
        return (name, f"{name} of text", LOW if constant(first) else MEDIUM)
    if name in _SHELLS:
        return ("shell", f"{name} gives text to a shell", LOW if constant(first) else HIGH)
    if name.startswith("subprocess.") and is_true(argument(call, -1, "shell")):
        return ("shell", "shell=True gives text to a shell", LOW if constant(first) else HIGH)
    if name in ("asyncio.create_subprocess_shell", "anyio.run_process", "anyio.open_process"):
        text = name.endswith("_shell") or isinstance(first, ast.JoinedStr)
        if text and not constant(first):
            return ("shell", f"{name} gives text to a shell", HIGH)
    if name in _UNPICKLES:
        return ("unpickles", f"{name} may run what it loads", MEDIUM)
    if name in _YAML and not _safe_loader(call, tree):
        return ("yaml-load", f"{name} may make any object", MEDIUM)
    if name == "numpy.load" and is_true(argument(call, -1, "allow_pickle")):
        return ("unpickles", "numpy.load may run what it loads", MEDIUM)
    if is_false(argument(call, -1, "verify")) and not name.startswith(("jwt.", ".")):
        return ("unverified-tls", _UNVERIFIED, HIGH)
    if is_false(argument(call, -1, "verify")) and name.startswith("."):
        return ("unverified-tls", _UNVERIFIED, MEDIUM)
    if name == "ssl._create_unverified_context":
        return ("unverified-tls", _UNVERIFIED, MEDIUM)
    if name == "tempfile.mktemp":
        return ("temporary-name", "tempfile.mktemp gives a name that others may take", MEDIUM)
    return None


def _safe_loader(call: ast.Call, tree: PythonTree) -> bool:
    loader = argument(call, 1, "Loader")
    return loader is not None and tree.name(loader).rpartition(".")[2] in _SAFE_LOADERS
