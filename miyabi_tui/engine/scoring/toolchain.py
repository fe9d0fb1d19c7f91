"""Which commands build, test, lint and scan a project: found for Python, settable for all."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.scoring.score import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUFF, FLAKE8, PYLINT = "ruff", "flake8", "pylint"
# The files that say which linter a project is for.
SETTINGS = (
    *("pyproject.toml", "setup.cfg", "tox.ini", "ruff.toml", ".ruff.toml"),
    *(".flake8", ".pylintrc", "pylintrc"),
)


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shell commands that replace what is found; empty means: find it.

    `python` is the interpreter of a Python project, relative to the worktree or absolute.
    """

    build: str = ""
    test: str = ""
    lint: str = ""
    junit: str = ""
    setup: str = ""
    python: str = ""


class Toolchain(msgspec.Struct, frozen=True, kw_only=True):
    """How one project is measured. `python` is None where the project is not a Python one.

    `python` and `path_first` may be relative: they are then in the worktree.
    """

    commands: Commands
    python: str | None
    linter: str
    path_first: tuple[Path, ...]

    @property
    def remark(self) -> str:
        """What cannot be measured and how to change that; empty when all can."""
        missing = [name for name in ("build", "test", "lint") if not getattr(self.commands, name)]
        if self.python or not missing:
            return ""
        return (
            f"no {', '.join(missing)} command is known for this project: "
            "set [commands] in miyabi.toml, or the worlds cannot be told apart by them"
        )


def find_toolchain(
    repo: Path,
    files: Sequence[str],
    commands: Commands,
    env: Mapping[str, str] | None = None,
    settings: Path | None = None,
) -> Toolchain:
    """The toolchain of the project in `repo`, whose files at the base are `files`.

    `settings` is a folder with the base's own versions of `SETTINGS`; `repo` where None.
    """
    if not any(name.endswith(".py") for name in files):
        return Toolchain(commands=commands, python=None, linter="", path_first=())
    python = commands.python or _interpreter(repo, os.environ if env is None else env)
    return Toolchain(
        commands=commands,
        python=python,
        linter=_linter(settings or repo, str(repo / python)),
        path_first=(Path(python).parent,),
    )


def inside_image(toolchain: Toolchain) -> Toolchain:
    """The same in a container whose image has programs of its own: its Python is on PATH there."""
    if toolchain.python is None or toolchain.commands.python:
        return toolchain
    return msgspec.structs.replace(toolchain, python="python3", path_first=())


def _interpreter(repo: Path, env: Mapping[str, str]) -> str:
    """The project's own environment, else the active one, else one on PATH that has pytest.

    Else miyabi's own interpreter.
    """
    active = (env.get("VIRTUAL_ENV"), env.get("CONDA_PREFIX"))
    for folder in (repo / ".venv", repo / "venv", *(Path(name) for name in active if name)):
        candidate = folder / "bin" / "python"
        if candidate.is_file():
            return str(candidate)
    on_path = shutil.which("python3", path=env.get("PATH", ""))
    if on_path and _has_pytest(on_path):
        return on_path
    return sys.executable


def _has_pytest(python: str) -> bool:
    looking = [python, "-c", "import importlib.util as u; exit(u.find_spec('pytest') is None)"]
    try:
        return subprocess.run(looking, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _linter(repo: Path, python: str) -> str:
    """The linter the project is configured for and has installed; ruff otherwise."""
    tools = _tool_tables(repo)
    has_ruff = "ruff" in tools or (repo / "ruff.toml").is_file() or (repo / ".ruff.toml").is_file()
    if has_ruff:
        return RUFF
    beside = Path(python).parent
    flake8 = (repo / ".flake8").is_file() or any(
        re.search(r"^\[flake8\]", _read(repo / name), re.M) for name in ("setup.cfg", "tox.ini")
    )
    if flake8 and shutil.which("flake8", path=str(beside)):
        return FLAKE8
    pylint = "pylint" in tools or (repo / ".pylintrc").is_file() or (repo / "pylintrc").is_file()
    if pylint and shutil.which("pylint", path=str(beside)):
        return PYLINT
    return RUFF


def has_pytest_settings(root: Path) -> bool:
    """Whether the folder itself holds settings that pytest would take."""
    if any((root / name).is_file() for name in ("pytest.ini", ".pytest.ini", "pytest.toml")):
        return True
    return "pytest" in _tool_tables(root) or any(
        re.search(rf"^\[{table}\]", _read(root / name), re.M)
        for name, table in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))
    )


def has_ruff_settings(root: Path, files: Sequence[str]) -> bool:
    """Whether any of `files` holds settings for ruff."""
    return any(
        name.endswith("ruff.toml") or "ruff" in _tool_tables((root / name).parent)
        for name in files
        if name.rsplit("/", 1)[-1] in ("ruff.toml", ".ruff.toml", "pyproject.toml")
    )


def _tool_tables(repo: Path) -> dict[str, Any]:
    import tomllib

    try:
        tables: dict[str, Any] = tomllib.loads(_read(repo / "pyproject.toml")).get("tool", {})
    except tomllib.TOMLDecodeError:
        return {}
    return tables if isinstance(tables, dict) else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


_LOCATED = re.compile(
    r"^(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?:?\s+(?P<message>\S.*)$", re.M
)
_CODE = re.compile(r"^(?P<rule>[A-Z]+\d+|\w+\[[\w-]+\]|error|warning)[: ]\s*(?P<rest>.*)$")


def read_located(output: str, root: Path) -> tuple[Finding, ...]:
    """The findings in `path:line:column: CODE message` lines, as most linters print them."""
    findings = []
    real = os.path.realpath(root)
    for match in _LOCATED.finditer(output):
        path = os.path.relpath(os.path.realpath(os.path.join(real, match["path"])), real)
        code = _CODE.match(match["message"])
        rule, message = (code["rule"], code["rest"]) if code else ("", match["message"])
        findings.append(Finding(path, int(match["line"]), rule, message.strip()))
    return tuple(findings)
