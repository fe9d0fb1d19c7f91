"""File-system attacks: writing where the project has nothing to do, links out, files that run."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.security import protected
from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.pythontree import argument, constant
from miyabi_tui.engine.security.rules import Rule, matches, written_in
from miyabi_tui.engine.security.source import Language
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.pythontree import PythonTree
    from miyabi_tui.engine.security.source import Source

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_SYSTEM = r"/(?:etc|boot|root|lib(?:64)?|s?bin|dev/(?:sd|nvme|mem|kmem)|proc/sys|sys)(?:/|\b)"
_SHELLS = written_in(Language.SHELL, Language.PYTHON, Language.PERL, Language.RUBY)
RULES = (
    Rule(
        "writes-outside",
        rf"(?:>>? *|\btee +(?:-a +)?|\bsed +-i[^\n]{{0,80}} )['\"]?{_SYSTEM}",
        "writes into the system",
        HIGH,
        _SHELLS,
    ),
    Rule(
        "writes-outside",
        rf"(?:^|[;&|] *)\s{{0,20}}(?:sudo +)?(?:cp|mv|install|ln|rm|rsync)\b[^\n|;&]{{0,200}}"
        rf" ['\"]?{_SYSTEM}[^\s]{{0,200}}\s*$",
        "writes into the system",
        HIGH,
        written_in(Language.SHELL),
    ),
    Rule("container-escape", r"/var/run/docker\.sock|\bnsenter\b", "leaves its container", HIGH),
    Rule("container-escape", r"--privileged\b|--pid[= ]host\b", "weakens its container", MEDIUM),
    Rule("git-settings", r"\bgit +config +--(?:global|system)\b", "changes git for all", MEDIUM),
    Rule(
        "git-data",
        r"(?:>|\bopen ?\(|\bwrite|\bcp\b|\bmv\b|\btee\b|\brm\b)[^\n]{0,120}\.git/(?:config"
        r"|objects|refs|index|HEAD)",
        "writes into git's own data",
        HIGH,
    ),
)
_SYSTEM_PATH = re.compile(
    r"^(?:/(?:etc|boot|root|lib|lib64|bin|sbin|usr|dev/(?:sd|nvme)|var/spool)(?:/|$))"
)
_FINE = re.compile(r"^/(?:tmp|var/tmp|dev/(?:null|stdout|stderr|tty|shm|fd)|proc/self)(?:/|$)")
_MODES = re.compile(r"[wax+]")
_WRITING = frozenset(  # each with the place of the path that it writes
    {
        *(("os.remove", 0), ("os.unlink", 0), ("os.rename", 1), ("os.replace", 1), ("os.mkdir", 0)),
        *(("os.makedirs", 0), ("os.chmod", 0), ("os.chown", 0), ("os.symlink", 1), ("os.link", 1)),
        *(("shutil.copy", 1), ("shutil.copy2", 1), ("shutil.copyfile", 1), ("shutil.move", 1)),
        *(("shutil.copytree", 1), ("shutil.rmtree", 0), ("os.truncate", 0), ("os.rmdir", 0)),
    }
)
_PLACES = dict(_WRITING)
_JOINS = ("os.path.join", "pathlib.Path", "pathlib.PurePath", "os.path.expanduser", "str")
_FOLLOWS = (".joinpath", ".expanduser", ".resolve", ".absolute")
DEEPEST = 6  # expressions in one another that a path is put together from
_METHODS = frozenset(
    {
        *("write_text", "write_bytes", "unlink", "mkdir", "touch", "rmdir", "chmod"),
        *("symlink_to", "hardlink_to"),
    }
)


def look(source: Source) -> Iterator[Hit]:
    """What reaches outside of the tree, by the file's place and by what is in it."""
    yield from protected.look(source.path, source.data)
    if source.is_binary:
        return
    if source.is_code:
        yield from matches(source, RULES, Threat.FILESYSTEM)
    if source.python:
        yield from _python(source.python)


def link(path: str, target: str) -> Iterator[Hit]:
    """The hits of a symbolic link in the tree."""
    mark = digest(target)
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    shown = target if len(target) <= 80 else f"{target[:80]}…"
    if target.startswith("/"):
        message = f"a link out of the tree, to {shown!r}"
    elif inside == ".." or inside.startswith("../"):
        message = f"a link out of the tree, to {shown!r}"
    elif {".git", ".miyabi"} & set(inside.lower().split("/")):
        message = f"a link into data that is not the project's, to {shown!r}"
    else:
        return
    yield Hit(Threat.FILESYSTEM, "symlink-out", 0, message, HIGH, mark)


def _python(tree: PythonTree) -> Iterator[Hit]:
    for call in tree.calls:
        path = _written(tree, call)
        text = _path(tree, path)
        if not text:
            continue
        mark = digest(ast.unparse(call))
        normal = posixpath.normpath(text)
        if _SYSTEM_PATH.match(normal):
            severity, message = HIGH, "writes into the system"
        elif normal.startswith("/") and not _FINE.match(normal):
            severity, message = MEDIUM, "writes to a place outside of the project"
        elif normal.startswith("../../.."):
            severity, message = HIGH, "writes far above its own folder"
        elif normal.startswith("../"):
            severity, message = MEDIUM, "writes above its own folder"
        elif re.search(r"(^|/)\.(?:git|miyabi)(/|$)", normal):
            severity, message = HIGH, "writes into data that is not the project's"
        elif normal.startswith("~/.") and re.search(
            r"\.(?:ssh|bash|zsh|profile|gnupg|aws|gitconfig|netrc|config/(?:autostart|systemd))",
            normal,
        ):
            severity, message = HIGH, "writes where a person's settings and keys are"
        else:
            continue
        yield Hit(Threat.FILESYSTEM, "writes-outside", call.lineno, message, severity, mark)


def _written(tree: PythonTree, call: ast.Call) -> ast.AST | None:
    """The expression of the path that a call writes; None where it writes none."""
    name = tree.called(call)
    if name in ("open", "io.open", "codecs.open", "os.open"):
        mode = argument(call, 1, "mode", "flags")
        writes = bool(_MODES.search(constant(mode))) or (name == "os.open" and mode is not None)
        return argument(call, 0, "file", "path") if writes else None
    if name in _PLACES:
        return argument(call, _PLACES[name], "dst", "path")
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in _METHODS:
            return call.func.value
        if call.func.attr == "open" and _MODES.search(constant(argument(call, 0, "mode"))):
            return call.func.value
    return None


def _path(tree: PythonTree, node: ast.AST | None, deep: int = 0) -> str:
    """The text of a path expression, `~` for the home folder; empty where it is not known."""
    if text := constant(node):
        return text
    if deep > DEEPEST:
        return ""
    parts: list[ast.expr] = []
    match node:
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            parts = [left, right]
        case ast.Name(id=name):
            values = [value for value in _assigned(tree, name) if value is not node]
            return next(filter(None, (_path(tree, value, deep + 1) for value in values)), "")
        case ast.Call():
            called = tree.called(node)
            if called == "pathlib.Path.home":
                return "~"
            if called in _JOINS:
                parts = node.args
            elif isinstance(node.func, ast.Attribute) and called.endswith(_FOLLOWS):
                parts = [node.func.value, *node.args]
    texts = [_path(tree, part, deep + 1) for part in parts]
    return posixpath.join(*texts) if texts and all(texts) else ""


def _assigned(tree: PythonTree, name: str) -> list[ast.expr]:
    """The values that a variable is given, the first few of them."""
    return [
        node.value
        for node in tree.nodes
        if isinstance(node, ast.Assign)
        and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
    ][:2]
