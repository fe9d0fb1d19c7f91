"""Tells of every attempt of a world to leave its place, once, and whether it was kept from it."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine import events as e
from miyabi_tui.engine.escapes import escapes_in, holds_secrets, is_below, users

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from miyabi_tui.engine.publisher import Publisher
    from miyabi_tui.engine.worlds import WorldId

    Refusal = tuple[e.Escape | e.Resource, str]

LINES_AT_MOST, LINE_AT_MOST = 400, 500  # of an output that are looked at, and characters of each
TOLD_AT_MOST = 100  # of one world

_REFUSED = re.compile(
    r"read-only file system|permission denied|operation not permitted|\bEROFS\b|\bEACCES\b"
    r"|\bEPERM\b",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(r"read-only file system|\bEROFS\b", re.IGNORECASE)
_READS = re.compile(
    r"^(?:cat|head|tail|less|more|ls|grep|find|wc|stat)\b|cannot (?:open|access|read)",
    re.IGNORECASE,
)
# A path in quotes, or after a space or a colon up to where the message goes on.
_PATH = re.compile(r"['\"‘`](/[^'\"’`]+)['\"’`]|(?<![\w/.'\"‘`-])(/[^\s:'\"’`]+)")
_KILL = re.compile(r"\bkill: \(?(-?\d+)\)?.*operation not permitted", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"network is unreachable|temporary failure in name resolution|could not resolve host"
    r"|name or service not known|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|temporary failure resolving"
    r"|no address associated with hostname",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"(?:could not resolve host(?:name)?:? |getaddrinfo \w+ |resolving '|host='|://)"
    r"([\w.-]+\w)",
    re.IGNORECASE,
)
_SCARCE = (
    (
        re.compile(r"cannot allocate memory|\bENOMEM\b|^MemoryError\b|^\[.*over the memory", re.I),
        e.Resource.MEMORY,
    ),
    (
        re.compile(r"(?:fork|thread|process|clone).*resource temporarily unavailable", re.I),
        e.Resource.PROCESSES,
    ),
    (
        re.compile(
            r"file too large|file size limit|\bEFBIG\b|no space left|^\[exit code 153\]", re.I
        ),
        e.Resource.DISK,
    ),
)


def refusals_in(output: str, worktree: Path) -> list[Refusal]:
    """What the kernel refused, by a command's output, with what it was about.

    Files of the worktree itself are left out, its git data not. A resource says that a limit of
    the sandbox was met, which is no attempt to leave.
    """
    own = os.path.normpath(worktree)
    found: dict[Refusal, None] = {}
    for line in output.splitlines()[-LINES_AT_MOST:]:
        for refusal in _refused(line[:LINE_AT_MOST], own):
            found[refusal] = None
    return list(found)


def _refused(line: str, own: str) -> Iterator[Refusal]:
    if match := _KILL.search(line):
        yield e.Escape.PROCESS, f"process {match[1]}"
    elif _REFUSED.search(line):
        for match in _PATH.finditer(line):
            path = os.path.normpath(match[1] or match[2])
            inside = path == own or path.startswith(f"{own}/")
            if "/.git/" in f"{path}/":
                yield e.Escape.GIT, path
            elif not inside and not _is_free(path, own):
                reads = _READS.search(line.strip()) or holds_secrets(path)
                reads = reads and not _READ_ONLY.search(line)
                yield e.Escape.READ if reads else e.Escape.WRITE, path
            break
    if _NO_NETWORK.search(line):
        host = _HOST.search(line)
        yield e.Escape.NETWORK, host[1] if host else "the network"
    for pattern, resource in _SCARCE:
        if pattern.search(line):
            yield resource, line.strip()


def _is_free(path: str, worktree: str) -> bool:
    """Whether nobody minds a refusal there."""
    if path == "/" or path.startswith(("/dev/", "//")):
        return True
    return path.startswith("/tmp/") and not is_below(path, users(worktree))


class Lookout:
    """Looks at each command of one world.

    `stops` are the attempts that the world's isolation really keeps it from; `allowed` are places
    that are the world's own besides its worktree. Where it may use the network, that is none.
    """

    def __init__(
        self,
        publisher: Publisher,
        world: WorldId,
        worktree: Path,
        *,
        stops: Collection[e.Escape],
        allowed: Sequence[Path] = (),
        network: bool = False,
    ) -> None:
        self._publisher = publisher
        self._world = world
        self._worktree = worktree
        self._stops = stops
        self._allowed = allowed
        self._network = network
        self._told: set[tuple[str, str]] = set()

    def saw(self, command: str, output: str, call_id: str = "") -> None:
        """Tell of what a command tried, by its words and by its `output`. Takes a millisecond."""
        refusals = refusals_in(output, self._worktree)
        refused = {kind for kind, _ in refusals}
        named: set[e.Escape] = set()
        for kind, detail in escapes_in(command, self._worktree, self._allowed):
            named.add(kind)
            self.tell(kind, detail, stopped=kind in self._stops or kind in refused, call_id=call_id)
        for refusal, what in refusals:
            if isinstance(refusal, e.Resource):
                self._met(refusal, what)
            elif refusal not in named:  # what its words do not say: a program did it
                self.tell(refusal, f"refused: {what}", stopped=True, call_id=call_id)

    def tell(self, kind: e.Escape, detail: str, *, stopped: bool, call_id: str = "") -> None:
        """Tell of one attempt, unless it was told before."""
        if (kind is e.Escape.NETWORK and self._network) or not self._new(kind, detail):
            return
        self._publisher.post(
            e.EscapeAttempted(
                world=self._world, kind=kind, detail=detail, stopped=stopped, call_id=call_id
            )
        )

    def _met(self, resource: e.Resource, line: str) -> None:
        if self._new(resource, ""):
            said = line.removeprefix("[").removesuffix("]")
            text = f"{self._world} ran into its limit on {resource}: {said}"
            notice = e.Notice(level=e.Level.WARNING, text=text, world=self._world)
            self._publisher.post(notice)

    def _new(self, kind: str, detail: str) -> bool:
        if (kind, detail) in self._told or len(self._told) >= TOLD_AT_MOST:
            return False
        self._told.add((kind, detail))
        return True
