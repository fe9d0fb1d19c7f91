"""What works on this machine and in this repository, looked at piece by piece: `miyabi doctor`.

Nothing is changed by it, and nothing of the repository is executed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.engine.models.registry import PROVIDERS, Kind, Provider
from miyabi_tui.engine.repo.git import Git
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.terms import Governing, Isolation, Sandboxing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
GB, MB = 2**30, 2**20
SECONDS = 30.0  # for all that is looked at, at the same time
PROGRAM_SECONDS = 5.0
SHARED_MEMORY = "dev/shm"
NEEDED = ("git.version", "isolation.choice", "keys.usable", "state.folder")
NO_KEY = "export ANTHROPIC_API_KEY=… or OPENAI_API_KEY=…, or set [providers.NAME] with a base_url"


class State(StrEnum):
    """How it stands with something."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


OK, WARN, BAD = State.OK, State.WARN, State.BAD


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at, and what to do about it. `name` is `group.thing`.

    `needed`: no race can be run without it.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    needed: bool = False


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at. `git` is None where `folder` is in no repository that could be raced in.

    `root` is where the machine's `/proc`, `/sys` and `/dev` are.
    """

    folder: Path
    journal: Path
    env: Mapping[str, str]
    git: Git | None = None
    isolation: Isolation = Isolation.AUTO
    sandbox: Sandboxing = Sandboxing()
    governor: Governing = Governing()
    providers: Mapping[str, Provider] = {}
    commands: Commands = Commands()
    root: Path = Path("/")


# --- asking within bounds -------------------------------------------------------------------------


def begin(ask: Callable[[], T]) -> Future[T]:
    """Ask in a thread that is waited for by nobody at the end of the program.

    Unlike those of a pool: what asks a daemon that hangs would hold up the end for minutes.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return answer


def together(
    looks: Mapping[str, Callable[[], Iterable[Check]]], seconds: float = SECONDS
) -> list[Check]:
    """What all of them find, in this order; in the place of one that fails or hangs: that. Blocks.

    `seconds` are for all of them, which look at the same time.
    """
    answers = {name: begin(lambda look=look: list(look())) for name, look in looks.items()}  # type: ignore[misc]
    end = time.monotonic() + seconds
    found: list[Check] = []
    for name, answer in answers.items():
        try:
            found += answer.result(max(0.0, end - time.monotonic()))
        except Exception as error:  # whatever it is: all the others are still to be told
            told = str(error) if isinstance(error, MiyabiError | OSError) else repr(error)
            why = f"could not be looked at: {told}"
            if not answer.done():
                why = f"no answer within {seconds:g} s"
            needed = name in NEEDED
            found.append(Check(name, BAD if needed else WARN, why, "", needed))
    return found


# --- what is set and kept -------------------------------------------------------------------------


def keys(subject: Subject) -> Iterator[Check]:
    """Which providers can be asked: never a key itself."""
    usable = []
    for name, one in {**PROVIDERS, **subject.providers}.items():
        if one.kind is Kind.REPLAY:
            continue
        check = _key(name, one, subject.env)
        usable += [name] if check.state is OK else []
        yield check
    if usable:
        yield Check("keys.usable", OK, f"a race can be run with {', '.join(usable)}")
    else:
        yield Check("keys.usable", BAD, "no key and no local provider", NO_KEY, True)


def _key(name: str, one: Provider, env: Mapping[str, str]) -> Check:
    label, variable = f"keys.{name}", one.key_variable
    address = one.base_url or env.get(one.base_url_variable, "")
    at = f", at {_shown(address)}" if address else ""
    if name not in PROVIDERS and not address:
        return Check(label, WARN, "has no base_url", f"set it under [providers.{name}]")
    if not variable:
        return Check(label, OK, f"needs no key{at}")
    if not (key := env.get(variable)):
        return Check(label, WARN, f"{variable} is not set{at}", f"to use it: export {variable}=…")
    if key != key.strip() or not key.isprintable():
        return Check(label, WARN, f"{variable} has white space in it{at}", "export it anew")
    return Check(label, OK, f"{variable} is set{at}")


def _shown(address: str) -> str:
    """An address without what may be secret in it."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
    except ValueError:
        return "an address that is none"


def store(subject: Subject) -> Iterator[Check]:
    """Whether runs can be kept: the state folder and the journal in it."""
    from miyabi_tui.engine.store.opening import VERSION

    folder, elsewhere = subject.journal.parent, "set MIYABI_STATE_DIR to another folder"
    there = _existing(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Check("state.folder", BAD, f"{folder} cannot be written", elsewhere, True)
    else:
        yield Check("state.folder", OK, str(folder) if there == folder else f"{folder}, to be made")
    if not subject.journal.exists():
        yield Check("state.journal", OK, "none yet: the first run makes it")
        return
    try:
        with closing(reading(subject.journal)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            many = db.execute("SELECT count(*) FROM execution_runs").fetchone()[0]
    except sqlite3.Error as error:
        advice = "the next run keeps it aside and takes over what can be read"
        yield Check("state.journal", WARN, f"{subject.journal} cannot be read: {error}", advice)
        return
    if version > VERSION:
        advice = f"update miyabi, or {elsewhere}"
        yield Check("state.journal", BAD, "it was written by a newer miyabi", advice, True)
    else:
        yield Check("state.journal", OK, f"{many} run{'' if many == 1 else 's'}")


def reading(journal: Path) -> sqlite3.Connection:
    """The journal as it is: neither made nor brought up to date nor mended."""
    return sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", PROGRAM_SECONDS, uri=True)


def _existing(path: Path) -> Path:
    """The nearest folder of it that is there."""
    path = path.absolute()
    return next((one for one in (path, *path.parents) if one.exists()), path)


# --- the machine ----------------------------------------------------------------------------------


def limits(subject: Subject) -> Iterator[Check]:
    """How much heavy work runs at once, and why; whether a shortage of memory is seen."""
    from miyabi_tui.engine.resources.hardware import HardwareLimits
    from miyabi_tui.engine.resources.pressure import read_pressure

    size = HardwareLimits.detect(_existing(subject.folder), subject.root)
    fits, reason = size.max_concurrent_worktrees(subject.sandbox), size.reason(subject.sandbox)
    memory, disk = size.memory_bytes / GB, size.disk_bytes / GB
    text = f"{memory:.1f} GB of memory, {size.cores:g} cores, {disk:.1f} GB of disk free"
    yield Check("limits.machine", OK, text)
    advice = "five worlds take turns: lower [sandbox] memory_gb, cpus or disk_gb to let more run"
    text = f"heavy work of {fits} world{'s' if fits > 1 else ''} at once: {reason}"
    yield Check("limits.at_once", OK if fits > 1 else WARN, text, "" if fits > 1 else advice)
    if subject.governor.enabled and (asked := subject.governor.at_once):
        state = WARN if asked > fits else OK
        advice = f"more than fits: set [governor] at_once = {fits}" if asked > fits else ""
        yield Check("limits.governor", state, f"at_once = {asked} is set", advice)
    elif not subject.governor.enabled:
        yield Check("limits.governor", WARN, "switched off", "set [governor] enabled = true")
    pressure = read_pressure(subject.root)
    if trouble := pressure.trouble(subject.governor):
        text = f"memory is short: {trouble}"
        yield Check("limits.pressure", WARN, text, "end what you can spare")
    elif pressure.stalled is None:
        text = "the kernel tells no memory pressure: what is available is looked at instead"
        yield Check("limits.pressure", OK, text)
    else:
        yield Check("limits.pressure", OK, f"memory is not short: stalled {pressure.stalled:g} %")


def disk(subject: Subject) -> Iterator[Check]:
    """Free space where it is used: the worktrees, the state folder, the worlds' /tmp."""
    share, repo = int(subject.sandbox.disk_bytes), subject.git and subject.git.work_tree
    places = (
        ("disk.repository", repo or subject.folder, share, "worktrees are made here"),
        ("disk.state", subject.journal.parent, GB, "the journal is here"),
        ("disk.shared_memory", subject.root / SHARED_MEMORY, GB, "the worlds' /tmp is here"),
    )
    for name, path, enough, what in places:
        if name == "disk.shared_memory" and not path.is_dir():
            yield Check(name, OK, "no /dev/shm: the worlds' /tmp is in the temporary folder")
            continue
        free = shutil.disk_usage(_existing(path)).free
        text = f"{_bytes(free)} free: {what}"
        advice = "" if free >= enough else f"make room: {_bytes(enough)} are good to have"
        if advice and name == "disk.shared_memory":
            advice += " (in a container: --shm-size=2g)"
        state = BAD if free < 50 * MB else WARN if free < enough else OK
        yield Check(name, state, text, advice)


def _bytes(count: int) -> str:
    return f"{count / GB:.1f} GB" if count >= GB else f"{count / MB:.0f} MB"


def looks(subject: Subject) -> dict[str, Callable[[], Iterable[Check]]]:
    """All that there is to look at besides the repository itself, by what it is called."""
    from miyabi_tui.engine.checkup_isolation import cgroups, isolations
    from miyabi_tui.engine.checkup_project import identity, tools, worktrees

    return {
        "git.identity": lambda: identity(subject),
        "git.worktrees": lambda: worktrees(subject),
        "isolation.choice": lambda: isolations(subject),
        "cgroups.version": lambda: cgroups(subject),
        "keys.usable": lambda: keys(subject),
        "limits.at_once": lambda: limits(subject),
        "disk.repository": lambda: disk(subject),
        "state.folder": lambda: store(subject),
        "tools.tests": lambda: tools(subject),
    }
