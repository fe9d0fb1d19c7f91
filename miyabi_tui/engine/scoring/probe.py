"""Compiles the Python files of a worktree and imports every module among them.

Run by the project's own interpreter, so: standard library only, Python 3.8 and newer. The argument
names a file with a word and the paths, separated by NUL. Each failure is said at once, as
`suite.py` says how tests end: ["b", failure], and ["x"] at the end. A module that is imported
cannot take it back.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.scoring.suite import LONGEST, shortened, speaker
else:
    from suite import LONGEST, shortened, speaker

    del sys.modules["suite"]  # the worktree may have one of that name

TESTS = {"tests", "test", "testing", "conftest"}


def module_name(path: str, roots: list[str]) -> str | None:
    """The dotted name under which `path` can be imported, or None for a loose script."""
    for root in roots:
        prefix = f"{root}/" if root else ""
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) : -len(".py")].split("/")
        if parts[-1] == "__main__" or not all(part.isidentifier() for part in parts):
            continue
        folders = [os.path.join(root, *parts[: n + 1]) for n in range(len(parts) - 1)]
        packaged = all(os.path.isfile(os.path.join(one, "__init__.py")) for one in folders)
        if packaged and (len(parts) > 1 or root == "src"):
            return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return None


def compile_failure(path: str) -> str | None:
    """Why `path` does not compile, or None."""
    try:
        with open(path, "rb") as source:
            compile(source.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        message = getattr(error, "msg", "") or str(error) or type(error).__name__
        return f"{printable(path)}:{line} {message}"
    except OSError:
        return None
    return None


def printable(path: str) -> str:
    """A file name that is not UTF-8, for the report."""
    return path.encode("utf-8", "replace").decode("utf-8")


def import_failure(name: str, here: str) -> str | None:
    """Why the module `name` cannot be imported from the worktree `here`, or None."""
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # SystemExit at import is a failure like any other
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if os.path.realpath(frame.filename).startswith(here)]
        where = f"{os.path.relpath(own[-1].filename, here)}:{own[-1].lineno} " if own else ""
        return f"import {name}: {where}{type(error).__name__}: {error}"
    origin = os.path.realpath(getattr(module, "__file__", None) or here)
    if not origin.startswith(here) and origin + os.sep != here:
        return f"import {name}: comes from {origin}, not from this worktree"
    return None


def main() -> None:
    """Read the paths, say the failures."""
    listing = sys.argv[1]
    with open(listing, encoding="utf-8", errors="surrogateescape") as source:
        word, *paths = source.read().split("\0")
    os.unlink(listing)
    say, end = speaker(word), os._exit
    here = os.path.realpath(os.getcwd()) + os.sep
    roots = ["src", ""] if os.path.isdir("src") else [""]
    sys.path[:1] = [os.path.join(here, root) for root in roots]  # in place of this script's folder
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[: len(roots)])
    for broken in filter(None, map(compile_failure, paths)):
        say("b", shortened(broken[:LONGEST]))
    names = {name for name in (module_name(path, roots) for path in paths) if name}
    for name in sorted(names):
        if not TESTS & set(name.split(".")):
            failure = import_failure(name, here)
            if failure:
                say("b", shortened(failure[:LONGEST]))
    say("x")
    end(0)  # a thread started by an import must not hold this process


if __name__ == "__main__":
    main()
