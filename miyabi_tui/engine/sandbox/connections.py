"""Open network connections of processes, by their sockets and the kernel's lists of them."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Key = TypeVar("Key")

PROC = "/proc"
FILES_AT_MOST = 4_000  # open files that are looked at in all; beyond, the counts are a lower bound
LIST_AT_MOST = 2_000_000  # bytes of one list of the kernel's
LISTENING, CONNECTED = b"0A", b"01"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def connections(worlds: Mapping[Key, Iterable[int]]) -> dict[Key, int]:
    """How many connections the processes of each world have; a listening socket is none. Blocks.

    A connection that several processes share counts once.
    """
    room = FILES_AT_MOST
    lists: dict[str, frozenset[bytes]] = {}
    found: dict[Key, int] = {}
    for world, pids in worlds.items():
        open_there: set[tuple[str, bytes]] = set()
        for pid in pids:
            files = _links(pid, room)
            room -= len(files)
            sockets = {match[1].encode() for one in files if (match := _SOCKET.match(one))}
            if sockets:
                network = _network(pid)
                if network not in lists:
                    lists[network] = _connected(pid)
                open_there |= {(network, one) for one in sockets & lists[network]}
        found[world] = len(open_there)
    return found


def _links(pid: int, at_most: int) -> list[str]:
    """What the open files of a process are."""
    found = []
    folder = f"{PROC}/{pid}/fd"
    with contextlib.suppress(OSError):  # ended just now, or somebody else's
        for name in os.listdir(folder)[:at_most]:
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"{folder}/{name}"))
    return found


def _network(pid: int) -> str:
    """The network namespace of a process."""
    try:
        return os.readlink(f"{PROC}/{pid}/ns/net")
    except OSError:
        return f"of {pid}"


def _connected(pid: int) -> frozenset[bytes]:
    """The numbers of all connected sockets in the network of a process."""
    found: set[bytes] = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        with (
            contextlib.suppress(OSError),
            open(f"{PROC}/{pid}/net/{name}", "rb", buffering=0) as file,
        ):
            lines = _text(file.fileno()).splitlines()[1:]
            rows = [fields for line in lines if len(fields := line.split()) > 9]
            if name.startswith("tcp"):
                found |= {fields[9] for fields in rows if fields[3] != LISTENING}
            else:
                found |= {fields[9] for fields in rows if fields[3] == CONNECTED}
    return frozenset(found)


def _text(handle: int) -> bytes:
    """The kernel gives a page at a time."""
    parts, size = [], 0
    while size < LIST_AT_MOST and (part := os.read(handle, 65_536)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
