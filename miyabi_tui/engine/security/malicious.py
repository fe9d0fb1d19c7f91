"""Malicious code: what no honest change does, in any language by text and in Python by its tree."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.malicious_text import RULES
from miyabi_tui.engine.security.pythontree import argument, constant, is_true
from miyabi_tui.engine.security.rules import matches
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.pythontree import PythonTree
    from miyabi_tui.engine.security.source import Source

MEDIUM, HIGH, CRITICAL = Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
_STARTUP = re.compile(r"(^|/)(?:sitecustomize\.py|usercustomize\.py|[^/]+\.pth|[^/]+-nspkg\.pth)$")
_PROGRAMS = {
    b"\x7fELF": "a program (ELF)",
    b"MZ": "a program (Windows)",
    b"\xcf\xfa\xed\xfe": "a program (macOS)",
    b"\xce\xfa\xed\xfe": "a program (macOS)",
    b"\xca\xfe\xba\xbe": "a program (Java or macOS)",
    b"!<arch>\n": "a library of machine code",
    b"\0asm": "a program (WebAssembly)",
}
_COMPILED = re.compile(r"\.(?:pyc|pyo|pyd|so|dll|dylib|exe|class|jar|whl|egg|node|o|a)$", re.I)
_BLOB = re.compile(r"[A-Za-z0-9+/]{800}")
_DECODERS = frozenset(
    {
        *("base64.b64decode", "base64.b32decode", "base64.b85decode", "base64.a85decode"),
        *("base64.b16decode", "base64.urlsafe_b64decode", "base64.decodebytes", "codecs.decode"),
        *("binascii.unhexlify", "binascii.a2b_base64", "binascii.a2b_hex", "bytes.fromhex"),
        *("bytearray.fromhex", "zlib.decompress", "lzma.decompress", "bz2.decompress"),
        *("gzip.decompress", "marshal.loads", "marshal.load", "pickle.loads"),
    }
)
_FETCHERS = frozenset(
    {"requests.get", "requests.post", "urllib.request.urlopen", "httpx.get", "httpx.post"}
)
_RUNNERS = frozenset({"exec", "eval", "os.system", "os.popen", "runpy.run_path", "types.CodeType"})


def look(source: Source) -> Iterator[Hit]:
    """What looks like an attack on whoever runs, tests or merges this file."""
    yield from _file(source)
    if source.is_binary and not source.is_code:
        return
    yield from matches(source, RULES, Threat.MALICIOUS)
    if source.is_code:
        for number, line in enumerate(source.lines, 1):
            if found := _BLOB.search(line):
                yield _hit("opaque-payload", number, "holds data nobody can read", MEDIUM, found[0])
                break
    if source.python:
        yield from _python(source.python)


def _hit(rule: str, line: int, message: str, severity: Severity, mark: str) -> Hit:
    return Hit(Threat.MALICIOUS, rule, line, message, severity, digest(mark))


def _file(source: Source) -> Iterator[Hit]:
    mark = digest(source.data)
    for magic, what in _PROGRAMS.items():
        if source.data.startswith(magic) and source.is_binary:
            yield Hit(Threat.MALICIOUS, "binary-program", 0, what, HIGH, mark)
            return
    if _COMPILED.search(source.path) and source.data:
        yield Hit(Threat.MALICIOUS, "binary-program", 0, "a compiled program", HIGH, mark)
    elif source.is_binary and source.is_code:
        message = "source code with NUL bytes, which hide it from readers"
        yield Hit(Threat.MALICIOUS, "hidden-text", 0, message, HIGH, mark)
    if _STARTUP.search(source.path) and source.text.strip():
        message = "Python runs this file whenever it starts"
        yield Hit(Threat.MALICIOUS, "persistence", 0, message, HIGH, mark)


def _python(tree: PythonTree) -> Iterator[Hit]:
    def decodes(node: ast.AST) -> bool:
        return _named(tree, node) in _DECODERS or _joined_chars(node)

    def fetches(node: ast.AST) -> bool:
        return _named(tree, node) in _FETCHERS

    decoded, fetched = tree.names_of(decodes), tree.names_of(fetches)
    for call in tree.calls:
        name = tree.called(call)
        found: tuple[str, str, Severity] | None = None
        if name in _RUNNERS or name.startswith("subprocess."):
            parts = [*call.args, *(keyword.value for keyword in call.keywords)]
            if any(tree.holds(part, decodes, decoded) for part in parts):
                found = ("decoded-and-run", "runs what it decodes", CRITICAL)
            elif any(tree.holds(part, fetches, fetched) for part in parts):
                found = ("fetched-and-run", "runs what it fetches", CRITICAL)
        elif name == "os.dup2" and _of_a_socket(call):
            found = ("reverse-shell", "hands its input to a socket", HIGH)
        elif name == "pty.spawn":
            severity = HIGH if "socket" in tree.modules else MEDIUM
            found = ("reverse-shell", "gives a terminal away", severity)
        elif name == "shutil.rmtree" and _everything(argument(call, 0, "path"), tree):
            found = ("destroys", "deletes everything", CRITICAL)
        if found:
            rule, message, severity = found
            yield _hit(rule, call.lineno, message, severity, ast.unparse(call))
    yield from _fork_bombs(tree)


def _of_a_socket(call: ast.Call) -> bool:
    """Whether this is `os.dup2(connection.fileno(), 0)` or the like."""
    match call.args:
        case [ast.Call(func=ast.Attribute(attr="fileno")), ast.Constant(value=0 | 1 | 2), *_]:
            return True
    return False


def _named(tree: PythonTree, node: ast.AST) -> str:
    return tree.called(node) if isinstance(node, ast.Call) else ""


def _joined_chars(node: ast.AST) -> bool:
    """Whether this is `"".join(chr(c) for c in …)` or the like: text out of numbers."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="join"),
            args=[ast.GeneratorExp(elt=elt) | ast.ListComp(elt=elt)],
        ):
            return any(
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Name)
                and part.func.id == "chr"
                for part in ast.walk(elt)
            )
        case ast.Call(
            func=ast.Attribute(attr="join"), args=[ast.Call(func=mapped, args=[one, *_])]
        ):
            return (
                isinstance(mapped, ast.Name)
                and mapped.id == "map"
                and isinstance(one, ast.Name)
                and one.id == "chr"
            )
    return False


def _everything(node: ast.AST | None, tree: PythonTree) -> bool:
    if constant(node) in ("/", "~", "/home", "/root", "/etc", "/usr"):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = tree.called(node)
    if name in ("os.path.expanduser", "pathlib.Path", "str"):
        return bool(node.args) and _everything(node.args[0], tree)
    return name == "pathlib.Path.home"


def _fork_bombs(tree: PythonTree) -> Iterator[Hit]:
    for node in tree.nodes:
        if (
            isinstance(node, ast.While)
            and isinstance(node.test, ast.Constant)
            and is_true(node.test)
        ):
            for part in ast.walk(node):
                if isinstance(part, ast.Call) and tree.called(part) == "os.fork":
                    leaves = any(isinstance(one, ast.Break) for one in ast.walk(node))
                    if not leaves:
                        yield _hit("fork-bomb", part.lineno, "starts itself without end", HIGH, "")
