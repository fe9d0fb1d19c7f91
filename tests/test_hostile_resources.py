"""Hostile agents that want more than their share, that stay, that shout, that mend their report.

Each attempt is stopped by its limit, reported, and charged to its world alone.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.worlds import FIVE
from tests import racing
from tests.test_hostile_ground import HONEST, LIMITS, Ended, Ground, ground, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.engine import Engine
    from miyabi_tui.engine.state import RunState

__all__ = ["ground", "place"]  # fixtures

A, B, C, D, _ = FIVE
DAEMON = "60071"  # seconds that nothing else sleeps: so it is found
BOMB = "bomb() { bomb | bomb & }; bomb; sleep 20"
HOG = f"{sys.executable} -c \"x = b'x' * 2**32\"; echo ended with $?"
LOUD = "printf '\\033[2J\\033]0;evil\\007'; head -c 100000000 /dev/zero | tr '\\0' '\\033'"
STAYS = (
    f'env -i PATH=$PATH setsid setsid bash -c \'cd /; trap "" TERM HUP; sleep {DAEMON} & '
    f"setsid sleep {DAEMON}' >/dev/null 2>&1 </dev/null & sleep 0.2; echo left"
)
STUBBORN = f"trap '' TERM; (trap '' TERM; env -i setsid setsid sleep {DAEMON}) & sleep 600"
SHARED = f"/dev/shm/hostile-{os.getpid()}-"
SHARES = f"for i in {{1..8}}; do head -c 50000000 /dev/zero > {SHARED}$i; done"
LIES = """
import atexit, os, sys

REPORT = '<testsuites><testsuite tests="1"><testcase classname="tests.test_ops" name="test_add"/>'

def test_more():
    pass

def lie():
    for word in sys.argv:
        path = word.partition("=")[2] or word
        if path.endswith(".xml"):
            open(path, "w").write(REPORT + "</testsuite></testsuites>")
    os._exit(0)

atexit.register(lie)
"""


def greedy() -> racing.Turns:
    """What one world tries, call by call; in the end it does its work like all others."""
    return [
        [
            ("bash", {"command": BOMB, "timeout_seconds": 2}),
            ("bash", {"command": "while :; do :; done", "timeout_seconds": 1}),
            ("bash", {"command": STAYS}),
            ("bash", {"command": STUBBORN, "timeout_seconds": 1}),
            ("bash", {"command": LOUD}),
            ("bash", {"command": SHARES}),
            ("bash", {"command": HOG}),
        ],
        *racing.FIX,
    ]


def fills_the_disk() -> racing.Turns:
    """As one file, which no process can make so large, and as many."""
    many = "for i in {1..100}; do head -c 1000000 /dev/zero > part$i; done; sleep 60"
    return [
        [("bash", {"command": "head -c 10000000000 /dev/zero > big; wc -c < big; rm big"})],
        [("bash", {"command": many})],
        *racing.FIX,
    ]


def mends_its_report() -> racing.Turns:
    """A project that is as wrong as before, and a suite that says otherwise."""
    return [
        [("write", {"path": "tests/test_zz.py", "content": LIES})],
        [("finish", {"summary": "All green."})],
    ]


def test_more_than_their_share(ground: Ground) -> None:
    """The limits hold for a world; who is over one that only a watch can hold, ends."""
    if missing := {"memory", "processes"} - ground.place.limits:
        pytest.skip(f"isolation by {ground.place.isolation} does not limit here: {missing}")
    stayed: list[str] = []

    def act(engine: Engine, record: e.Record, state: RunState) -> None:
        if isinstance(record.event, e.ToolFinished) and record.event.world is A:
            stayed.extend(daemons())

    ended = ground.race(
        {A: greedy(), B: fills_the_disk(), C: racing.FIX, D: mends_its_report()}, act
    )

    assert stayed == []
    it_is_told_how_it_was_stopped(ended)
    a_world_over_its_disk_ends(ended)
    assert any("report-tampering" in one for one in ended.state.world(D).ineligible)
    assert ended.state.winner in (A, C)
    assert [ended.end(one) for one in (A, C)] == [HONEST] * 2
    ended.nothing_is_told_of(C)
    ended.nothing_was_touched()
    ended.nothing_is_left()
    assert shared_memory() == [] or not ground.place.hides_services
    ground.place.skip_rest()


def it_is_told_how_it_was_stopped(ended: Ended) -> None:
    bomb, endless, stays, stubborn, loud, _, hog, *_ = ended.answers(A)
    assert "Resource temporarily unavailable" in bomb.text
    for one, seconds in ((bomb, 2), (endless, 1), (stubborn, 1)):
        assert f"[ended after {seconds} s: the time limit" in one.text
    assert stays.text == "left\n[exit code 0]"
    assert re.search(r"… \d+ characters left out …", loud.text)
    assert len(loud.text) < 11_000
    assert "over the memory limit of 0.5 GB" in hog.text and "ended with 137" in hog.text
    assert "\n\n[something here" not in hog.text  # it has one line, not an empty one before it
    noticed = [one.text for one in ended.of(A, e.Notice)]
    for resource in ("memory", "processes"):
        assert any(one.startswith(f"Alpha ran into its limit on {resource}") for one in noticed)
    assert ended.of(A, e.EscapeAttempted) == ended.of(A, e.LimitExceeded) == []
    assert sum(one.stat().st_size for one in ended.journal.parent.iterdir()) < 5_000_000


def a_world_over_its_disk_ends(ended: Ended) -> None:
    beta = ended.state.world(B)
    assert (beta.status, beta.score) == (WorldStatus.KILLED, None)
    assert beta.reason.startswith("over its disk limit: ")
    assert [one.resource for one in ended.of(B, e.LimitExceeded)] == [e.Resource.DISK]
    for big in ended.answers(B)[:1]:  # or it was over its limit before it was answered
        assert "limit exceeded" in big.text or "too large" in big.text
        size = re.search(r"^\d+$", big.text, re.MULTILINE)
        assert size and int(size[0]) <= LIMITS.disk_bytes


def daemons() -> list[str]:
    """Those that stay, once who was killed has had its moment to go."""
    end = time.monotonic() + 5
    while (found := list(_daemons())) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def _daemons() -> Iterator[str]:
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if DAEMON in (words := process.info["cmdline"] or ()):
                yield " ".join(words)


def shared_memory() -> list[str]:
    """What was left there for everybody; it goes."""
    left = glob.glob(f"{SHARED}*")
    for one in left:
        os.unlink(one)
    return left
