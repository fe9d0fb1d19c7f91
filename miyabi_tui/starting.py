"""`miyabi` without words: in a repository, on a terminal, a start screen; what it says is done.

The screen gives back the words of a command, as if they had been typed; the command then runs them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from miyabi_tui import config
from miyabi_tui.config import Settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from miyabi_tui.engine.costs.past import WorldCost
    from miyabi_tui.engine.repo.git import Git
    from miyabi_tui.engine.store.journal import RunRow

SHOWN = 50  # past runs
DEFAULTS = Settings()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the start screen knows: this repository, its runs, and what past worlds have cost.

    `going` are driven by another process now, `open_ones` were interrupted, `past` are over.
    `trouble` is what is wrong here.
    """

    repo: str
    branch: str = ""
    dirty: int = 0
    going: tuple[RunRow, ...] = ()
    open_ones: tuple[RunRow, ...] = ()
    past: tuple[RunRow, ...] = ()
    costs: tuple[WorldCost, ...] = ()
    settings: Settings = DEFAULTS
    trouble: str = ""

    def models(self, model: str = "") -> tuple[str, str]:
        """The model, as it is set where none is named, and the alternative that goes with it."""
        named = structs.replace(self.settings, model=model or self.settings.model)
        return config.resolve_models(named)


def why_not() -> str:
    """Why there can be no start screen, with a next step; empty where there can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "not on a terminal: say what is to be done, e.g. miyabi runs"
    from miyabi_tui.terminal_kind import no_screen

    if why := no_screen(os.environ):
        return why
    here = Path.cwd()
    if not any((one / ".git").exists() for one in (here, *here.parents)):
        return "no git repository here: change into one and call miyabi again, or: miyabi demo"
    return ""


def words(parser: argparse.ArgumentParser) -> list[str]:
    """What the person chose on the start screen, as the words of a command; none to leave."""
    from miyabi_tui import terminal_ground, terminal_kind
    from miyabi_tui.opening import screen_of
    from miyabi_tui.quick import quick

    screen = screen_of()
    asked = terminal_ground.asked(os.environ if screen.theme == "auto" else {})
    with quick(), asked as question:
        from miyabi_tui.screens.start import StartApp

        look = terminal_kind.look(screen, os.environ, question.ground())
        app = StartApp(gather, lambda said: why_wrong(parser, said), look=look, question=question)
        app.run(mouse=look.mouse)
    return app.chosen


def gather(folder: Path | None = None) -> Facts:
    """All the facts; what cannot be read is told and left out. Blocks: from a thread."""
    from miyabi_tui import paths
    from miyabi_tui.engine.errors import MiyabiError
    from miyabi_tui.engine.repo import git as repository

    try:
        git = repository.open_repository(folder or Path())
        facts = Facts(repo=str(git.work_tree))
        facts = replace(
            facts,
            branch=_branch(git),
            dirty=repository.uncommitted(git),
            settings=config.load(git.work_tree),
        )
    except MiyabiError as error:
        return Facts(repo=str(folder or Path.cwd()), trouble=str(error))
    try:
        return _with_past(facts, paths.journal_path())
    except MiyabiError as error:
        return replace(facts, trouble=str(error))


def _with_past(facts: Facts, journal: Path) -> Facts:
    """The facts with what the journal and the ledger have."""
    import anyio

    from miyabi_tui import history

    rows = anyio.run(history.runs, journal) if journal.exists() else []
    mine = [row for row in rows if row.repo == facts.repo]
    going = [row for row in mine if row.status == "running"]
    open_ones = [row for row in mine if row.status == "interrupted"]
    over = [row for row in mine if row not in going and row not in open_ones]
    return replace(
        facts,
        going=tuple(going),
        open_ones=tuple(open_ones),
        past=tuple(over[:SHOWN]),
        costs=tuple(anyio.run(_costs, journal)),
    )


async def _costs(journal: Path) -> list[WorldCost]:
    from miyabi_tui.engine.costs.ledger import ledger_path, open_ledger

    if not ledger_path(journal).exists():
        return []
    async with open_ledger(journal) as ledger:
        return await ledger.past_worlds()


def _branch(git: Git) -> str:
    """The branch that is checked out, or the commit where it is none."""
    code, name = git.run("symbolic-ref", "--quiet", "--short", "HEAD", allowed=(0, 1))
    if not code:
        return name
    return git.run("rev-parse", "--short", "HEAD", allowed=(0, 128))[1]


def why_wrong(parser: argparse.ArgumentParser, said: Sequence[str]) -> str:
    """Why these words of `miyabi run` would not begin a race, before the screen is left for it."""
    from miyabi_tui import commands
    from miyabi_tui.engine.errors import MiyabiError

    try:
        commands.check(parser.parse_args([*said]))
    except MiyabiError as error:
        return str(error)
    except SystemExit:  # the parser has said why, to a screen that hides it
        return "this cannot be read: look at the numbers and names"
    return ""
