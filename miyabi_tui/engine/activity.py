"""What a world is doing now and why, in one line, by rules from its tool calls and its tests."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from miyabi_tui.engine.shell import Simple, simple_commands

if TYPE_CHECKING:
    from miyabi_tui.engine.state import WorldState

SHOWN_FROM = 3  # seconds; before that a number that jumps tells nothing
LONGEST = 72
_TESTS = frozenset(
    "pytest py.test unittest tox nox nosetests jest vitest mocha ava ctest phpunit rspec".split()
)
_LINTS = frozenset(
    "ruff flake8 pylint eslint biome clippy golangci-lint shellcheck rubocop stylelint".split()
)
_TYPES = frozenset("mypy pyright pyre tsc pytype".split())
_FORMATS = frozenset("black isort prettier gofmt rustfmt autopep8 yapf".split())
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*|py")
_READS = frozenset("cat head tail less more nl bat".split())
_LOOKS = frozenset("ls tree find fd du wc stat file pwd".split())
_SEARCHES = frozenset("grep rg ag ack egrep fgrep".split())
_INSTALLERS = frozenset("pip pip3 npm pnpm yarn uv poetry cargo gem bundle apt apt-get".split())
_RUNNERS = frozenset("npx bunx pnpx uvx hatch rye pipenv pdm".split())
_MOVES = {"rm": "removing", "mv": "moving", "cp": "copying", "mkdir": "making", "touch": "making"}
_GIT = {
    "diff": "looking at its changes",
    "status": "looking at its changes",
    "log": "reading the history",
    "show": "reading the history",
    "blame": "reading the history",
    "add": "staging its changes",
    "commit": "committing",
    "checkout": "putting files back",
    "restore": "putting files back",
    "stash": "putting its changes aside",
    "grep": "searching the code",
}
_QUIET = frozenset("cd echo printf set export true false : [ test source . sleep".split())
_SUITES = {
    **dict.fromkeys(("npm", "pnpm", "yarn", "cargo", "go", "mvn", "gradle"), ("test",)),
    "make": ("test", "tests", "check"),
}


def in_words(name: str, summary: str) -> str:
    """What a tool call does, in words: `running pytest tests/test_parse.py`.

    `summary` is that of the call's `ToolStarted`; only what bash runs has to be read.
    """
    if name != "bash":
        return summary
    line = summary.removesuffix(" …")
    commands = [one for one in simple_commands(line, "") if one.name not in _QUIET]
    told = [_told(one) for one in commands]
    # the weightiest of what the line does: a suite says more than the listing before it
    for kind in ("test", "check", "run", "look"):
        for words, found in told:
            if found == kind:
                return _short(words)
    return _short(f"running {line.strip()}")


def _short(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1].rstrip()}…"


def _told(command: Simple) -> tuple[str, str]:
    """A command in words, and of which kind it is."""
    name, words = PurePosixPath(command.name).name, list(command.arguments)
    if name in (*_RUNNERS, "uv", "poetry") and words and (name in _RUNNERS or words[0] == "run"):
        words = words[1:] if words[0] in ("run", "exec") else words
        name, words = (PurePosixPath(words[0]).name, words[1:]) if words else (name, [])
    if _PYTHON.fullmatch(name) and words[:1] == ["-m"] and len(words) > 1:
        name, words = words[1], words[2:]
    elif _PYTHON.fullmatch(name):
        return _python(words)
    operands = [one for one in words if not one.startswith("-")]
    return _known(name, operands) or _looked(name, operands) or _run(name, operands)


def _python(words: list[str]) -> tuple[str, str]:
    """Python with a program of its own, or with one that stands in the line."""
    program = next((one for one in words if not one.startswith("-")), "")
    if not program or "-c" in words or "-" in words:
        return "trying some Python", "run"
    return f"running {program}", "run"


def _known(name: str, operands: list[str]) -> tuple[str, str] | None:
    """Suites, linters, type checkers, formatters and installers."""
    what = f" {' '.join(operands[:2])}" if operands and operands != ["."] else ""
    if name in _TESTS:
        return f"running {name}{what}", "test"
    if operands and operands[0] in _SUITES.get(name, ()):
        return f"running {name} {operands[0]}", "test"
    if name in _FORMATS or (name in _LINTS and operands[:1] == ["format"]):
        return f"formatting with {name}", "check"
    if name in _LINTS:
        return f"linting with {name}", "check"
    if name in _TYPES:
        return f"checking types with {name}", "check"
    if name in _INSTALLERS and operands[:1] in (["install"], ["add"], ["sync"], ["ci"], ["i"]):
        return f"installing {' '.join(operands[1:3]) or 'what the project needs'}", "check"
    return None


def _looked(name: str, operands: list[str]) -> tuple[str, str] | None:
    """What only looks, git, and what moves files."""
    last = operands[-1] if operands else ""
    if name == "git" and operands:
        return _GIT.get(operands[0], f"running git {operands[0]}"), "look"
    if name in _SEARCHES and operands:
        return f"searching for {operands[0]}", "look"
    if name in _READS or name in ("sed", "awk"):
        return (f"reading {last}" if last else "reading"), "look"
    if name in _LOOKS:
        return "looking around" + (f" in {last}" if name != "find" and last else ""), "look"
    if name in _MOVES:
        return f"{_MOVES[name]} {last}", "run"
    return None


def _run(name: str, operands: list[str]) -> tuple[str, str]:
    return " ".join(("running", name, *operands[:3])), "run"


def reason(world: WorldState) -> str:
    """Why it does that, as far as its tests and edits tell; empty where they do not."""
    looks = world.progress.tests
    last = looks[-1] if looks else None
    failing = last.known - last.passed if last else 0
    edited = last is not None and world.progress.edited > last.step
    if world.doing.startswith(("running", "linting", "checking")):
        if world.progress.edited and (last is None or edited):
            return "to check its edits"
        return ""
    if failing > 0 and not edited:
        return f"{failing} test{'s' * (failing != 1)} fail{'s' * (failing == 1)}"
    return ""


def activity(world: WorldState, now: float) -> str:
    """What it is doing, why, and for how long: `running pytest · to check its edits · 14 s`."""
    if not world.doing:
        return ""
    parts = [world.doing, reason(world)]
    if world.doing_since is not None and now - world.doing_since >= SHOWN_FROM:
        parts.append(_length(now - world.doing_since))
    return " · ".join(filter(None, parts))


def _length(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
