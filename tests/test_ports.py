"""Ports of each world's own: several runs on one machine, and what is said when one is taken."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.sandbox import ports as module
from miyabi_tui.engine.sandbox.environment import FIRST_PORT, LAST_PORT, PORTS_PER_WORLD
from miyabi_tui.engine.sandbox.ports import PortRanges, port_hint, ports_folder
from miyabi_tui.engine.worlds import WorldId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALPHA, BETA = WorldId.ALPHA, WorldId.BETA
OWN = range(20_000, 20_020)

OTHER_RUN = """
import sys
from pathlib import Path
from miyabi_tui.engine.sandbox.ports import PortRanges
ranges = PortRanges(Path(sys.argv[1]), seed=int(sys.argv[2]))
print(*(ranges.reserve(number)[0] for number in range(int(sys.argv[3]))), flush=True)
sys.stdin.read()
"""


@contextmanager
def other_run(folder: Path, seed: int, count: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process that holds so many ranges until it is ended."""
    command = [sys.executable, "-c", OTHER_RUN, str(folder), str(seed), str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_ports(process: subprocess.Popen[str]) -> set[int]:
    assert process.stdout is not None
    return {int(one) for one in process.stdout.readline().split()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "miyabi" / "ports"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Another one for every test: some bind ports, and others may run at the same time."""
    return zlib.crc32(request.node.name.encode())


def first_range(folder: Path, seed: int) -> range:
    """What a run takes first, when nobody else is there."""
    alone = PortRanges(folder, seed=seed)
    found = alone.reserve(ALPHA)
    alone.release_all()
    return found


def test_worlds_have_ranges_apart_below_the_ephemeral_ports(folder: Path) -> None:
    mine = PortRanges(folder)
    found = [mine.reserve(world) for world in (None, *WorldId)]
    assert len({port for ports in found for port in ports}) == len(found) * PORTS_PER_WORLD
    assert all(FIRST_PORT <= ports[0] and ports[-1] < LAST_PORT for ports in found)


def test_a_world_keeps_its_range_as_long_as_it_is_free(folder: Path) -> None:
    mine = PortRanges(folder)
    before = mine.reserve(ALPHA)
    assert mine.reserve(ALPHA) == before
    with socket.socket() as left_over:
        left_over.bind(("127.0.0.1", before[2]))
        after = mine.reserve(ALPHA)
    assert after != before
    assert len(after) == PORTS_PER_WORLD


def test_two_runs_that_would_choose_the_same(folder: Path, seed: int) -> None:
    expected = first_range(folder, seed)
    with other_run(folder, seed=seed) as process:
        assert first_ports(process) == {expected[0]}
        mine = PortRanges(folder, seed=seed).reserve(ALPHA)
        assert mine
        assert mine != expected
    # Killed, not ended: its lock died with it.
    assert PortRanges(folder, seed=seed).reserve(ALPHA) == expected


def test_processes_that_compete_never_share(folder: Path) -> None:
    with (
        other_run(folder, 1, 40) as one,
        other_run(folder, 1, 40) as two,
        other_run(folder, 1, 40) as three,
    ):
        found = [first_ports(process) for process in (one, two, three)]
    assert [len(ports) for ports in found] == [40, 40, 40]
    assert len(set.union(*found)) == 120


def test_released_ranges_are_for_others(folder: Path, seed: int) -> None:
    mine, other = PortRanges(folder, seed=seed), PortRanges(folder, seed=seed)
    first, second = mine.reserve(ALPHA), mine.reserve(BETA)
    mine.release(ALPHA)
    assert other.reserve(ALPHA) == first
    mine.release_all()
    assert other.reserve(BETA) == second
    mine.release_all()


def test_a_command_does_not_inherit_the_lock(folder: Path, seed: int) -> None:
    mine = PortRanges(folder, seed=seed)
    expected = mine.reserve(ALPHA)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as command:
        mine.release_all()
        assert PortRanges(folder, seed=seed).reserve(ALPHA) == expected
        assert command.stdin is not None
        command.stdin.close()


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_a_range_with_a_port_in_use_is_left_out(
    folder: Path, seed: int, family: socket.AddressFamily, address: str
) -> None:
    expected = first_range(folder, seed)
    with socket.socket(family) as used:
        if family is socket.AF_INET6:
            used.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            used.bind((address, expected[3]))
        except OSError as error:
            pytest.skip(f"no {address} on this machine: {error}")
        used.listen()
        assert PortRanges(folder, seed=seed).reserve(ALPHA) != expected


def test_all_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_PORT", FIRST_PORT + 2 * PORTS_PER_WORLD)
    mine, other = PortRanges(folder), PortRanges(folder)
    assert sum(len(mine.reserve(world)) for world in (ALPHA, BETA)) == 2 * PORTS_PER_WORLD
    assert not other.reserve(ALPHA)
    mine.release(BETA)
    assert other.reserve(ALPHA)


def test_without_a_folder_to_lock_in_there_are_ports_still(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    mine = PortRanges(tmp_path / "file" / "ports")
    found = {mine.reserve(world) for world in WorldId}
    assert len(found) == len(WorldId)
    assert all(found)


def test_the_folder_is_for_this_user_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = ports_folder()
    assert folder == tmp_path / f"miyabi-{os.getuid()}" / "ports"
    PortRanges(folder).reserve(None)
    assert (
        stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    )


@pytest.mark.parametrize(
    ("output", "port"),
    [
        ("Error: listen EADDRINUSE: address already in use :::3000\n    at Server", "port 3000"),
        ("Error: listen EADDRINUSE: address already in use 127.0.0.1:3000", "port 3000"),
        ("  code: 'EADDRINUSE',\n  errno: -98,\n  port: 8080\n}", "port 8080"),
        ("OSError: [Errno 98] Address already in use", "a port"),
        ("OSError: [Errno 48] Address already in use", "a port"),
        (
            "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): "
            "address already in use",
            "port 8000",
        ),
        ("Address already in use\nPort 5000 is in use by another program.", "port 5000"),
        ("listen tcp :8080: bind: address already in use", "port 8080"),
        ("listen tcp 0.0.0.0:8080: bind: address already in use", "port 8080"),
        ("nginx: [emerg] bind() to [::]:80 failed (98: Address already in use)", "port 80"),
        ("Web server failed to start. Port 8080 was already in use.", "port 8080"),
        ("Error: Port 5173 is already in use", "port 5173"),
        ("Error: That port is already in use.", "a port"),
        ("[ERROR] Connection in use: ('127.0.0.1', 8000)", "port 8000"),
        ('Os { code: 98, kind: AddrInUse, message: "Address already in use" }', "a port"),
        ("java.net.BindException: Address already in use (Bind failed)", "a port"),
        (
            "12:30:45 Errno::EADDRINUSE: Address already in use - "
            'bind(2) for "127.0.0.1" port 4567',
            "port 4567",
        ),
    ],
)
def test_a_taken_port_is_explained(output: str, port: str) -> None:
    own = "this world's own ports are 20000–20019 (PORT, MIYABI_PORT_FIRST…LAST)"
    assert port_hint(f"> start\n{output}\n", OWN) == f"{port} is in use on this machine; {own}"


def test_a_port_of_its_own_is_another_matter() -> None:
    hint = port_hint("listen EADDRINUSE: address already in use :::20003", OWN)
    assert hint == "port 20003 is this world's own, but something that runs here already uses it"


def test_without_ports_of_its_own_only_the_fact_is_told() -> None:
    text = "bind: address already in use :::99999\nport 8000"
    assert port_hint(text, range(0)) == "port 8000 is in use on this machine"


@pytest.mark.parametrize(
    "output",
    [
        "",
        "Port 3000 is in use, trying another one instead...\nready on http://localhost:3001",
        "12 passed in 0.40s",
        "connect ECONNREFUSED 127.0.0.1:8000",
    ],
)
def test_nothing_is_said_about_anything_else(output: str) -> None:
    assert port_hint(output, OWN) == ""
