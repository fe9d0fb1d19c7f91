"""Ports of its own for every world, also next to other runs on the machine; and a word on a clash.

A range is held by a lock on a file, which dies with the process: what a killed run held is free.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import re
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.sandbox.environment import FIRST_PORT, LAST_PORT, PORTS_PER_WORLD

if TYPE_CHECKING:
    from miyabi_tui.engine.worlds import WorldId

# Where a server can be met: each a family and its address for all, or for loopback.
PLACES = (
    (socket.AF_INET, "0.0.0.0"),
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::"),
    (socket.AF_INET6, "::1"),
)
NEAR = 2  # lines around the complaint, in which the port may be named

_TAKEN = re.compile(
    r"EADDRINUSE|AddrInUse|address already in use|errno (?:98|48)\b"
    r"|port\b.{0,20}\b(?:is|was) already (?:in use|allocated)|connection in use",
    re.I,
)
_PORT = re.compile(
    r"\bport\W{1,4}(\d{2,5})\b"  # port 8000, port: 8000
    r"|['\"], ?(\d{2,5})\b"  # ('127.0.0.1', 8000)
    r"|(?:::|\]:|\*:|[\s(]:|\blocalhost:|\d+\.\d+\.\d+\.\d+:)(\d{2,5})\b",  # an address with it
    re.I,
)


def ports_folder() -> Path:
    """Where this user's runs lock their ports, whatever state folder they have."""
    return Path(tempfile.gettempdir(), f"miyabi-{os.getuid()}", "ports")


class PortRanges:
    """The ports of one run's worlds, from any thread; its calls block for milliseconds.

    `folder` is for the locks of all runs of this user. Where it cannot be used, ports are only
    looked at, and another run may take them between that and their use. `seed` is for tests.
    """

    def __init__(self, folder: Path, *, seed: int | None = None) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._held: dict[WorldId | None, tuple[range, int | None]] = {}
        self._turn = threading.Lock()

    def reserve(self, world: WorldId | None) -> range:
        """A range for this world (None: the base) that nobody else has, the same as before if free.

        An empty one when all are taken.
        """
        with self._turn:
            before, lock = self._held.get(world, (range(0), None))
            if before and _unused(before):
                return before
            found = self._find()
            self._held[world] = found
            _let_go(lock)  # only now, or it could have been found again
            return found[0]

    def release(self, world: WorldId | None) -> None:
        """Leave this world's range to others."""
        with self._turn:
            _, lock = self._held.pop(world, (range(0), None))
            _let_go(lock)

    def release_all(self) -> None:
        """Leave all ranges to others."""
        for world in tuple(self._held):
            self.release(world)

    def _find(self) -> tuple[range, int | None]:
        own = {ports for ports, _ in self._held.values()}
        starts = list(range(FIRST_PORT, LAST_PORT, PORTS_PER_WORLD))
        self._random.shuffle(starts)
        ours = self._make_folder()
        for start in starts:
            ports = range(start, start + PORTS_PER_WORLD)
            if ports in own:
                continue
            try:
                lock = _lock(self._folder / f"{start}.lock") if ours else None
            except BlockingIOError:
                continue
            except OSError:  # a disk on which nothing can be written or locked
                lock = None
            if _unused(ports):
                return ports, lock
            _let_go(lock)
        return range(0), None

    def _make_folder(self) -> bool:
        """Whether there is one that nobody else made."""
        both = (self._folder.parent, self._folder)
        try:
            for one in both:
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
            return all(one.lstat().st_uid == os.getuid() for one in both)
        except OSError:
            return False


def _lock(path: Path) -> int:
    """The file, locked as long as it is open.

    Raises:
        BlockingIOError: another has it.
        OSError: nobody can have it.
    """
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(opened)
        raise
    return opened


def _let_go(lock: int | None) -> None:
    # The file stays: whoever removed it could take a name from under another's lock.
    if lock is not None:
        os.close(lock)


def _unused(ports: range) -> bool:
    return all(_free(port, family, address) for port in ports for family, address in PLACES)


def _free(port: int, family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family) as probe:
            if family is socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as error:  # any other one: there is no such family or address here
        return error.errno not in (errno.EADDRINUSE, errno.EACCES)
    return True


def port_hint(output: str, ports: range) -> str:
    """One line for the model if a command's output says that a port is taken; else nothing.

    `ports` are the world's own.
    """
    lines = output.splitlines()
    complaints = [number for number, line in enumerate(lines) if _TAKEN.search(line)]
    if not complaints:
        return ""
    port = _named_port(lines, complaints[-1])
    if port is not None and port in ports:
        return f"port {port} is this world's own, but something that runs here already uses it"
    which = "a port" if port is None else f"port {port}"
    text = f"{which} is in use on this machine"
    if not ports:
        return text
    own = f"{ports[0]}–{ports[-1]} (PORT, MIYABI_PORT_FIRST…LAST)"
    return f"{text}; this world's own ports are {own}"


def _named_port(lines: list[str], complaint: int) -> int | None:
    """The port that is spoken of: in that line, else in the nearest one."""
    near = range(max(0, complaint - NEAR), min(len(lines), complaint + NEAR + 1))
    for number in sorted(near, key=lambda one: abs(one - complaint)):
        for found in _PORT.finditer(lines[number]):
            port = int(next(filter(None, found.groups())))
            if 0 < port < 65_536:
                return port
    return None
