"""Runs pytest on a worktree, with the worktree's modules first, and says how each test ends.

Run by the project's own interpreter, so: standard library only, Python 3.8 and newer. The first
argument names the folders to import from, the second a file with a word, the others are pytest's.
The folders are put before everything else, so that an editable install of the user's checkout is
not what is tested, but only once pytest is there: a file named json.py or pytest.py in the
worktree does not take its place.

The report that pytest writes can be changed by what it tests. So every outcome is said at once, on
the stdout that was there before anything of the worktree: what was said cannot be taken back.
`told.py` reads these lines.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Say = Callable[..., None]

LONGEST = 500  # characters of what is said: its line is then written whole, or not at all


def speaker(word: str) -> Say:
    """What says a line on the present stdout, as `word number ["kind", …]`; stderr goes there too.

    Each line is numbered and begins with the word, which only its reader knows. It holds on to what
    it needs, so that a module that is replaced later changes nothing.
    """
    out, owner, number = os.dup(1), os.getpid(), 0
    os.dup2(1, 2)  # one pipe: else its reader may find one text within the other
    write, getpid, encode = os.write, os.getpid, json.JSONEncoder(separators=(",", ":")).encode

    def say(*what: object) -> None:
        nonlocal number
        if getpid() != owner:  # a test that forks may come here twice
            return
        number += 1
        line = "\n%s %d %s\n" % (word, number, encode(what))  # noqa: UP031
        try:
            write(out, line.encode("ascii"))
        except OSError:
            pass  # its number will be missed

    return say


def shortened(text: str) -> str:
    """`text` without what cannot be printed; where it is long, its end is a digest."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 41] + "…" + hashlib.sha1(text.encode()).hexdigest()


class Outcomes:
    """What was said of each test, as pytest's own report has it: once failed is failed."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said: dict[str, str] = {}

    def take(self, report: Any) -> None:
        """Say what a phase of a test adds: p for passed, s for skipped, f for failed."""
        if report.failed:
            how = "s" if hasattr(report, "wasxfail") else "f"
        elif report.skipped:
            how = "s"
        elif report.passed and report.when == "call":
            how = "p"
        else:
            return
        known = self._said.get(report.nodeid)
        if known is None or (how == "f" and known != "f"):
            self._said[report.nodeid] = how
            self._say("t", how, shortened(report.nodeid))

    def finish(self, status: int) -> None:
        """Say that pytest has come to its end, and how many there were of each."""
        hows = list(self._said.values())
        self._say("f", status, *(hows.count(how) for how in "pfs"))


def witness(say: Say) -> object:
    """A plugin of pytest that says what happens."""
    import pytest

    outcomes = Outcomes(say)

    class Witness:
        @pytest.hookimpl(tryfirst=True)
        def pytest_configure(self, config: Any) -> None:
            # Little is printed: the lines must not drown. Not by options, which may not be known.
            if hasattr(config.option, "verbose"):
                config.option.verbose -= 1
            if hasattr(config.option, "tbstyle"):
                config.option.tbstyle = "no"

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_logreport(self, report: Any) -> Iterator[None]:
            outcomes.take(report)
            yield

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_collectreport(self, report: Any) -> Iterator[None]:
            if report.failed:
                say("c", shortened(report.nodeid.split("::")[0]))
            elif report.skipped:
                outcomes.take(report)
            yield

        @pytest.hookimpl(tryfirst=True)
        def pytest_collection_finish(self, session: Any) -> None:
            say("n", len({item.nodeid for item in session.items}))

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_sessionfinish(self, exitstatus: Any) -> Iterator[None]:
            outcomes.finish(int(exitstatus))
            yield

    return Witness()


def main() -> None:
    """Load pytest, then let the worktree in."""
    del sys.path[0]  # this script's folder
    import _pytest.junitxml  # noqa: F401
    import pytest

    folders, secret = sys.argv[1:3]
    with open(secret) as file:
        say = speaker(file.read())
    os.unlink(secret)
    del sys.argv[1:3]
    plugin = witness(say)
    sys.path[:0] = folders.split(os.pathsep)
    os.environ["PYTHONPATH"] = folders  # for what the tests start
    status = int(pytest.main(sys.argv[1:], plugins=[plugin]))
    say("x", status)
    sys.exit(status)


if __name__ == "__main__":
    main()
