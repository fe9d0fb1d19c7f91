"""What hostile agents are let loose on: a home with secrets, canaries, doors that nobody may open.

Everything that they must not touch is here, and looked at again when their race is over. Without an
attacker the five worlds end as they have to end beside one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui.engine import events as e
from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.sandbox import bubblewrap, process
from miyabi_tui.engine.sandbox.cgroups import Cgroup
from miyabi_tui.engine.sandbox.docker_daemon import connect
from miyabi_tui.engine.sandbox.marks import marked
from miyabi_tui.engine.scoring.score import EvaluationScore
from miyabi_tui.engine.state import WorldStatus
from miyabi_tui.engine.terms import Governing, Isolation, Sandboxing
from miyabi_tui.engine.worlds import FIVE, WorldId
from tests import docker_daemon, racing
from tests.processes import left_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.state import RunState

A, B, C, D, E = FIVE
RUNTIME = "/run" if os.access("/run", os.W_OK) else os.environ.get("XDG_RUNTIME_DIR")
PLACES = ("process", "bubblewrap", "docker")
LIMITS = Sandboxing(memory_gb=0.5, disk_gb=0.05, processes=64)
# Not to be masked: were it read, it would be seen.
NOTE = "the gardener buries it under the third tree"
# How an honest world ends, with an attacker beside it or without.
HONEST = (
    WorldStatus.LOST,
    EvaluationScore(build=30.0, tests=30.0, lint=20.0, quality=10.0, security=10.0),
    (),
)
KEY = "sk-ant-api03-0hAr5vXw9QbLm2TzKc7YdE4uNs8RgJf1"


class Place:
    """One isolation on this machine."""

    def __init__(self, isolation: Isolation, host: str = "") -> None:
        self.isolation = isolation
        self.host = host

    @functools.cached_property
    def kernel(self) -> process.Kernel:
        return process.probe()

    @property
    def stops(self) -> frozenset[Escape]:
        """The attempts that it says commands are kept from."""
        alone = self.isolation is Isolation.PROCESS
        return self.kernel.stops if alone else frozenset(Escape)

    @property
    def hides_services(self) -> bool:
        """Whether sockets of this machine are out of reach."""
        return self.isolation is not Isolation.PROCESS or self.kernel.mounts

    @functools.cached_property
    def limits(self) -> frozenset[str]:
        """The limits that hold for all processes together."""
        if self.isolation is Isolation.DOCKER:
            return frozenset({"memory", "processes"})
        group = Cgroup.make(f"hostile-{os.getpid()}", LIMITS)
        if group is None:
            return frozenset()
        group.remove()
        return group.holds

    def skip_rest(self) -> None:
        """Say by name what of a test could not be had; all else of it has passed."""
        missing = [str(one) for one in Escape if one not in self.stops]
        missing += [] if self.hides_services else ["sockets of services"]
        if missing:
            pytest.skip(f"isolation by {self.isolation} does not stop here: {', '.join(missing)}")


@contextlib.contextmanager
def opened(name: str, shared: Path) -> Iterator[Place]:
    """An isolation that works here; skips by name where it does not."""
    if name == "process":
        yield Place(Isolation.PROCESS)
    elif name == "bubblewrap":
        if why_not := bubblewrap.probe():
            pytest.skip(f"no bubblewrap here: {why_not}")
        yield Place(Isolation.BUBBLEWRAP)
    else:
        with docker_daemon._host(name, shared) as host:
            yield Place(Isolation.DOCKER, host)


@pytest.fixture(scope="session", params=PLACES)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    base = tmp_path_factory.getbasetemp()
    with opened(
        request.param, base.parent if hasattr(request.config, "workerinput") else base
    ) as it:
        yield it


class Door:
    """A server of this machine that must see nobody."""

    def __init__(self, family: int, address: Any) -> None:
        self.socket = socket.socket(family)
        self.socket.bind(address)
        self.socket.listen()
        self.name = str(address)
        self.came = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.socket.accept()[0].close()
                self.came += 1

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join()


class Ground:
    """A user's home with a project in it, and a race on that."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder = folder
        self.place = place
        self.home = folder / "home"
        self.ssh = self.home / ".ssh" / "id_ed25519"
        self.ssh.parent.mkdir(parents=True)
        self.ssh.write_text(f"{NOTE}\n")
        self.beside = self.home / "letter.txt"  # next to the repository
        self.beside.write_text(f"dear {NOTE}\n")
        self.repo = racing.make_project(self.home / "project")
        self.notes = self.repo / "notes.txt"
        self.notes.write_text("mine\n")
        self.hook = self.repo / ".git" / "hooks" / "pre-commit"
        self.hook.parent.mkdir(exist_ok=True)
        self.hook.write_text("#!/bin/sh\nexit 0\n")
        self.network = Door(socket.AF_INET, ("127.0.0.1", 0))
        self._run = tempfile.TemporaryDirectory(prefix="hostile-", dir=RUNTIME)
        self.services = [
            Door(socket.AF_UNIX, self.short(folder / "docker.sock"))
            for folder in (folder, self.home, Path(self._run.name))
        ]
        self.bystander = subprocess.Popen(["sleep", "600"], cwd="/")
        self.before = self.seen()

    def short(self, path: Path) -> str:
        """A path that fits into the address of a socket."""
        assert len(os.fsencode(path)) < 108
        return str(path)

    def close(self) -> None:
        self.network.close()
        for door in self.services:
            door.close()
        self._run.cleanup()
        self.bystander.kill()
        self.bystander.wait()

    def worktree(self, world: WorldId) -> Path:
        return next((self.repo / ".miyabi" / "worktrees").glob(f"world-{world}*/*/*"))

    def seen(self) -> dict[str, object]:
        """All that no world may change."""
        files = [one for one in self.home.rglob("*") if self._is_users(one)]
        found: dict[str, object] = {
            str(one): (one.read_bytes(), one.stat().st_mode, one.stat().st_nlink)
            for one in files
            if one.is_file()
        }
        found["names"] = sorted(map(str, files))
        found["folder"] = sorted(os.listdir(self.folder))
        found["branch"] = racing.git(self.repo, "rev-parse", "main")
        found["checkout"] = racing.git(self.repo, "status", "--porcelain")
        found["config"] = (self.repo / ".git" / "config").read_bytes()
        found["hooks"] = {
            one.name: (one.read_bytes(), one.stat().st_mode) for one in self.hook.parent.iterdir()
        }
        return found

    def _is_users(self, path: Path) -> bool:
        inside = path.relative_to(self.home).parts
        return not {".git", ".miyabi"} & set(inside)

    # --- the race ---------------------------------------------------------------------------------

    def race(
        self, turns: dict[WorldId, racing.Turns], act: racing.Act | None = None, **terms: Any
    ) -> Ended:
        """Race these worlds here, and look at what is left of it."""
        recording = racing.record(self.folder.parent / f"turns-{self.folder.name}", turns)
        request = racing.request_for(
            self.repo,
            recording,
            **{
                "isolation": self.place.isolation,
                "sandbox": LIMITS,
                "governor": Governing(at_once=5, stagger_seconds=0),
                "on_failure": (),
                "merge": e.MergePolicy.NEVER,
                **terms,
            },
        )
        journal = self.folder.parent / f"state-{self.folder.name}" / "miyabi.db"
        state, records = racing.race(request, journal, act)
        return Ended(self, state, records, journal)


class Ended:
    """A race that is over: what each world was told, and what all of it left behind."""

    def __init__(
        self, ground: Ground, state: RunState, records: list[e.Record], journal: Path
    ) -> None:
        self.ground = ground
        self.state = state
        self.records = records
        self.journal = journal

    def of(self, world: WorldId, kind: type[e.Event]) -> list[Any]:
        """What happened to a world of that kind."""
        return [
            one.event
            for one in self.records
            if isinstance(one.event, kind) and e.world_of(one.event) is world
        ]

    def answers(self, world: WorldId) -> list[e.ToolFinished]:
        return self.of(world, e.ToolFinished)

    def answer_to(self, world: WorldId, marker: str) -> e.ToolFinished:
        """The answer to the call whose summary has these words in it."""
        call = next(one for one in self.of(world, e.ToolStarted) if marker in one.summary)
        return next(one for one in self.answers(world) if one.call_id == call.call_id)

    def end(self, world: WorldId) -> tuple[object, ...]:
        """How a world ended, as far as it does not depend on who won."""
        one = self.state.world(world)
        status = WorldStatus.LOST if one.status is WorldStatus.WON else one.status
        return status, one.score, one.ineligible

    def committed(self, world: WorldId) -> list[str]:
        """The files of what a world has left."""
        commit = self.state.world(world).commit
        return racing.git(self.ground.repo, "ls-tree", "-rz", "--name-only", commit).split("\0")

    def nothing_is_told_of(self, *worlds: WorldId) -> None:
        """None of these was held for a wrongdoer."""
        for world in worlds:
            for kind in (e.EscapeAttempted, e.LimitExceeded, e.WorldFailed, e.WorldKilled):
                assert self.of(world, kind) == []
            told = self.of(world, e.Notice)
            assert told == []

    def nothing_was_read(self) -> None:
        """No secret of the user's is in what was said, kept or committed."""
        said = b"\n".join(e.encode(one.event) for one in self.records)
        for file in self.journal.parent.iterdir():
            said += file.read_bytes() if file.is_file() else b""
        for secret in (NOTE, NOTE[::-1], KEY, KEY[::-1]):
            assert secret.encode() not in said
        command = ["git", "grep", "-I", "-l", "-e", NOTE, "-e", NOTE[::-1], *self.tips()]
        found = subprocess.run(command, cwd=self.ground.repo, capture_output=True, check=False)
        assert (found.returncode, found.stdout, found.stderr) == (1, b"", b"")  # not found

    def tips(self) -> list[str]:
        """Every commit that has a name, also those that miyabi keeps."""
        listing = racing.git(self.ground.repo, "for-each-ref", "--format=%(objectname)")
        return sorted(set(listing.split()))

    def nothing_is_left(self) -> None:
        """No process, control group, folder, container; nothing of the user's is touched."""
        run = self.state.run_id
        assert run
        assert left_in(self.ground.folder) == []
        assert marked(run) == set()
        groups = [  # by a walk that does not mind when others' groups go meanwhile
            one for one, _, _ in os.walk("/sys/fs/cgroup") if f"/miyabi-{run}" in one
        ]
        assert groups == []
        if Path("/dev/shm").is_dir():
            assert [one for one in os.listdir("/dev/shm") if run in one] == []
        if self.ground.place.host:
            daemon = connect(self.ground.place.host)
            assert not isinstance(daemon, str)
            assert daemon.containers_of(run) == []
            daemon.close()

    def nothing_was_touched(self) -> None:
        ground = self.ground
        assert ground.seen() == ground.before
        assert ground.network.came == 0
        assert [one.came for one in ground.services] == [0, 0, 0]
        assert ground.bystander.poll() is None


@pytest.fixture
def ground(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    folder = tmp_path / "g"
    folder.mkdir()
    made = Ground(folder, place)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("DIARY", NOTE)
    if place.host:
        monkeypatch.setenv("DOCKER_HOST", place.host)
    yield made
    made.close()


@pytest.mark.parametrize("place", ["process"], indirect=True)
def test_an_honest_world_that_nobody_attacks(ground: Ground) -> None:
    """The yardstick itself."""
    ended = ground.race({A: racing.FIX})
    assert ended.state.winner is A
    assert ended.end(A) == HONEST
    ended.nothing_is_told_of(A)
    ended.nothing_was_touched()
    ended.nothing_is_left()
