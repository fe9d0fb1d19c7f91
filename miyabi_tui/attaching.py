"""`miyabi attach` and `miyabi stop`: a run of another process, watched or ended from here."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from miyabi_tui import ending, headless, paths
from miyabi_tui.engine.errors import GitError, UsageError
from miyabi_tui.engine.fold import fold
from miyabi_tui.engine.link.client import RemoteControl
from miyabi_tui.engine.link.line import OtherVersion
from miyabi_tui.engine.link.wire import STREAM_CHARACTERS
from miyabi_tui.engine.repo.git import open_repository
from miyabi_tui.engine.state import RunState
from miyabi_tui.engine.store.lock import driven, is_driven
from miyabi_tui.history import opened
from miyabi_tui.opening import Opening

if TYPE_CHECKING:
    from miyabi_tui.engine.store.journal import RunRow
    from miyabi_tui.screen_settings import Screen

LISTED_AT_MOST = 1_000
LET_GO_SECONDS = 20.0  # an engine still writes and tidies up after its last event
LOOK_SECONDS = 0.02


def watch(prefix: str, *, screen: Screen | None, as_json: bool, linear: bool = False) -> RunState:
    """Watch a run until it is over or the person leaves; its last state. No `screen`: lines.

    With `linear` they can be answered.

    Raises:
        UsageError: there is no such run, or nobody drives it.
    """
    run_id = anyio.run(find, paths.journal_path(), prefix)
    characters = 0 if screen is None else STREAM_CHARACTERS
    with RemoteControl(paths.journal_path(), run_id, characters=characters) as control:
        if screen is None:
            with ending.on_signals(None, control.leave):
                if linear:
                    from miyabi_tui import linear as lines

                    return lines.run(control)
                return headless.run(control, as_json=as_json)
        opening = Opening(screen)
        with ending.on_signals(None, opening.leave):
            return opening.run(control).settle()


def farewell(state: RunState) -> str:
    """The last lines of whoever left a run that goes on."""
    run_id = state.run_id
    return f"run {run_id} goes on: miyabi attach {run_id}\nend it: miyabi stop {run_id}"


def end(prefix: str) -> RunState:
    """End a run, wherever it is driven, and wait for it; its last state.

    Raises:
        UsageError: there is no such run, or nobody drives it.
    """
    journal = paths.journal_path()
    run_id = anyio.run(find, journal, prefix)
    try:
        state = _ask_to_end(journal, run_id)
    except OtherVersion as other:
        print(f"miyabi: {other.title}: it is ended by a signal", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.kill(other.pid, signal.SIGTERM)
        state = RunState(run_id=run_id)
    limit = time.monotonic() + LET_GO_SECONDS
    while is_driven(journal, run_id) and time.monotonic() < limit:
        time.sleep(LOOK_SECONDS)
    return state if state.finished else anyio.run(_state, journal, run_id)


def _ask_to_end(journal: Path, run_id: str) -> RunState:
    with RemoteControl(journal, run_id, characters=0) as control:
        subscription = control.subscribe()
        control.start()
        control.stop()
        state = RunState()
        while not subscription.closed:
            subscription.wait()
            state = fold(subscription.drain(), state)
    return state


# --- which run ------------------------------------------------------------------------------------


async def find(journal: Path, prefix: str) -> str:
    """The run that is meant, which somebody drives; without a prefix the only one there is.

    Raises:
        UsageError: there is none, or more than one.
    """
    async with opened(journal) as open_one:
        if prefix:
            run_id = await open_one.find(prefix)
            if not is_driven(journal, run_id):
                raise _not_driven(fold(await open_one.records(run_id)))
            return run_id
        there = set(driven(journal))
        rows = [one for one in await open_one.runs(LISTED_AT_MOST) if one.run_id in there]
    here = [one for one in rows if one.repo == _this_repository()]
    for some in (here, rows):
        if len(some) == 1:
            return some[0].run_id
    if not rows:
        raise UsageError("no run is going on", "", "see: miyabi runs")
    raise UsageError(
        f"{len(here or rows)} runs are going on",
        _named(here or rows),
        "say which: miyabi attach RUN",
    )


def _not_driven(run: RunState) -> UsageError:
    show = f"miyabi show {run.run_id}"
    if run.finished and run.status.value != "interrupted":
        return UsageError(
            f"run {run.run_id} is over", run.status.value.replace("_", " "), f"look at it: {show}"
        )
    return UsageError(
        f"nobody drives run {run.run_id}",
        "it was interrupted",
        f"go on with it: miyabi resume {run.run_id}, or look at it: {show}",
    )


def _named(rows: list[RunRow]) -> str:
    return ", ".join(f"{one.run_id} ({one.title[:40]})" for one in rows)


def _this_repository() -> str:
    try:
        return str(open_repository(Path()).work_tree)
    except (GitError, UsageError):
        return ""


async def _state(journal: Path, run_id: str) -> RunState:
    async with opened(journal) as open_one:
        return fold(await open_one.records(run_id))
