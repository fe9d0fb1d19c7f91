"""A Python file's tree as the analyses ask it: full names, constants, where values go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 50  # attributes of attributes that are followed
ROUNDS = 3  # how often values are followed through assignments


class PythonTree:
    """The nodes of a module, with the names that imports and assignments give."""

    def __init__(self, tree: ast.Module) -> None:
        self.nodes = list(ast.walk(tree))
        self.calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        self._names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    self._names[one.asname or one.name.split(".")[0]] = (
                        one.name if one.asname else one.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    self._names[one.asname or one.name] = f"{node.module or ''}.{one.name}"
        self._assignments = [
            (value, target)
            for node in self.nodes
            for target, value in _assigned(node)
            if isinstance(target, ast.Name | ast.Attribute)
        ]
        for node in self.nodes:  # run = os.system
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute() | ast.Name()):
                    if full := self.name(node.value):
                        self._names.setdefault(name, full)

    @property
    def modules(self) -> dict[str, int]:
        """The modules that are imported, each with the line where first."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    found.setdefault(one.name, node.lineno)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.setdefault(node.module, node.lineno)
                for one in node.names:
                    found.setdefault(f"{node.module}.{one.name}", node.lineno)
        return found

    def name(self, node: ast.AST) -> str:
        """The full dotted name of an expression, through imports and getattr; empty if it has none.

        `self.name` of `(...).post` is `.post`: what it is called on is not known.
        """
        parts: list[str] = []
        for _ in range(DEEPEST):
            match node:
                case ast.Attribute(value=value, attr=attr):
                    parts.append(attr)
                    node = value
                case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
                    parts.append(key)
                    node = value
                case ast.Call(func=ast.Name(id="getattr"), args=[value, named, *_]) if constant(
                    named
                ):
                    parts.append(constant(named))
                    node = value
                case ast.Call(
                    func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                    args=[module, *_],
                ) if constant(module):
                    parts.append(constant(module))
                    break
                case ast.Name(id=name):
                    parts.append(self._names.get(name, name))
                    break
                case _:
                    parts.append("")
                    break
        full = ".".join(reversed(parts))
        for prefix in ("builtins.", "__builtins__."):
            full = full.removeprefix(prefix)
        return full

    def called(self, call: ast.Call) -> str:
        """The full name of what a call calls."""
        return self.name(call.func)

    def names_of(self, starts: Callable[[ast.AST], bool]) -> frozenset[str]:
        """The variables that hold, perhaps, what an expression that `starts` gives."""
        names: set[str] = set()
        for _ in range(ROUNDS):
            before = len(names)
            for value, target in self._assignments:
                if self.holds(value, starts, frozenset(names)):
                    names.add(target.id if isinstance(target, ast.Name) else target.attr)
            if len(names) == before:
                break
        return frozenset(names)

    def holds(
        self, node: ast.AST, starts: Callable[[ast.AST], bool], names: frozenset[str]
    ) -> bool:
        """Whether an expression has a part that `starts`, or one of the variables `names`."""
        return any(
            starts(part) or (isinstance(part, ast.Name) and part.id in names)
            for part in ast.walk(node)
        )


def _assigned(node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The targets and values of an assignment of any kind."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return [
                (one, value)
                for target in targets
                for one in (target.elts if isinstance(target, ast.Tuple) else [target])
            ]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [(target, value)]
        case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            return [(target, value)]
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            return [(target, value)]
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            return [(target, value)]
    return []


def constant(node: ast.AST | None) -> str:
    """The text of a constant, also one that is put together from constants; empty if it is none."""
    parts: list[str] = []
    for _ in range(DEEPEST):
        match node:
            case ast.Constant(value=str(text)):
                return "".join([text, *reversed(parts)])
            case ast.Constant(value=bytes(raw)):
                return "".join([raw.decode("utf-8", "replace"), *reversed(parts)])
            case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=str(text))):
                parts.append(text)
                node = left
            case _:
                return ""
    return ""


def argument(call: ast.Call, position: int, *names: str) -> ast.expr | None:
    """An argument of a call by its position, or by one of its names."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    return call.args[position] if 0 <= position < len(call.args) else None


def is_true(node: ast.AST | None) -> bool:
    """Whether an argument is given, and may be true."""
    return node is not None and not (isinstance(node, ast.Constant) and not node.value)


def is_false(node: ast.AST | None) -> bool:
    """Whether an argument is the constant False."""
    return isinstance(node, ast.Constant) and node.value is False
