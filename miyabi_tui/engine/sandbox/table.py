"""All processes of this machine by one pass over /proc; psutil where there is no /proc.

Five worlds share one reading. What it costs to know more of a process than its numbers (whose mark
it carries, in which namespace it lives) is paid once for each process: a `TableReader` remembers.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from miyabi_tui.engine.sandbox.base import Reading
from miyabi_tui.engine.sandbox.marks import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

PROC = "/proc"
KERNEL_THREAD = 0x0020_0000  # a bit of the flags in /proc/PID/stat
# What nobody has asked for is read again only so seldom, once it is so many seconds old: until then
# it may begin a session of its own.
FOREIGN_AGAIN, YOUNG = 10, 5.0
# Between fork and exec a process shows its parent's environment and namespace: a look counts as
# the last one when the process is this old, in seconds, at its first and its second look.
SETTLED, SETTLED_TWICE = 2.0, 0.2
_MARKED = re.compile(rf"(?:^|\0){MARK}=([^\0]*)".encode())


class Row(msgspec.Struct, frozen=True, gc=False):
    """A process: CPU seconds and bytes it uses, and its start in seconds since the boot."""

    pid: int
    parent: int
    session: int
    cpu_seconds: float
    memory_bytes: int
    started: float


class _Look(NamedTuple):
    """What was seen of a process that began at `started`, at which reading, and if for good."""

    started: float
    value: str
    reading: int
    settled: bool


class _Looks:
    """Something that each process has for all its life, read only when it is new."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._known: dict[int, _Look] = {}

    def settled(self, row: Row) -> str | None:
        """What is known of a process for good; None where it has to be looked at."""
        known = self._known.get(row.pid)
        return known.value if known and known.settled and known.started == row.started else None

    def of(self, row: Row, reading: int, now: float, inherited: str = "") -> str:
        """What is known of a process, after a look at it if one is due.

        What was seen once stays where nothing is seen at the second look.
        """
        known = self._known.get(row.pid)
        if known is not None and known.started != row.started:
            known = None  # the number was given to another process
        if known is not None and (known.settled or known.reading == reading):
            return known.value
        value = self._read(row.pid) or (known.value if known else inherited)
        settled = now - row.started >= (SETTLED_TWICE if known else SETTLED)
        self._known[row.pid] = _Look(row.started, value, reading, settled)
        return value

    def forget_all_but(self, alive: Collection[int]) -> None:
        """Drop what is known of processes that have ended."""
        if len(self._known) > 2 * len(alive) + 100:
            self._known = {pid: one for pid, one in self._known.items() if pid in alive}


class _Line(NamedTuple):
    """A line of /proc/PID/stat, and what it says; None of a zombie and a thread of the kernel."""

    text: bytes
    row: Row | None


class _Memory:
    """What lasts from one reading to the next. `asked` are processes that somebody cares for."""

    def __init__(self) -> None:
        self.marks = _Looks(_mark_of)
        self.namespaces = _Looks(_namespace_of)
        self.lines: dict[int, _Line] = {}
        self.asked: set[int] = set()
        self.reading = 0


class TableReader:
    """Reads process tables one after another. For one thread at a time."""

    def __init__(self) -> None:
        self._memory = _Memory()

    def read(self) -> ProcessTable:
        """The processes of this moment; zombies and threads of the kernel are left out. Blocks.

        Of old processes that nobody asked for it holds what was so some readings ago.
        """
        memory = self._memory
        memory.reading += 1
        if not os.path.exists(f"{PROC}/self/stat"):
            return ProcessTable(_psutil_rows(), memory)
        before, memory.lines = memory.lines, {}
        young_since = _since_boot() - YOUNG
        for name in os.listdir(PROC):
            if name.isdecimal():
                pid = int(name)
                known = before.get(pid)
                if known is None or self._due(pid, known, young_since):
                    known = _look(pid, known)
                memory.lines[pid] = known
        rows = {pid: line.row for pid, line in memory.lines.items() if line.row}
        memory.asked.intersection_update(memory.lines)
        memory.marks.forget_all_but(rows)
        memory.namespaces.forget_all_but(rows)
        return ProcessTable(rows, memory)

    def _due(self, pid: int, known: _Line, young_since: float) -> bool:
        if pid in self._memory.asked or (self._memory.reading + pid) % FOREIGN_AGAIN == 0:
            return True
        return known.row is not None and known.row.started > young_since


def _look(pid: int, known: _Line | None) -> _Line:
    """A process as it is now; `known` again where nothing has changed."""
    text = _read(f"{PROC}/{pid}/stat", 1024)
    if known is not None and known.text == text:
        return known
    # The name of the program stands in brackets, and may hold brackets and spaces.
    fields = text[text.rfind(b")") + 2 :].split(None, 22)
    if len(fields) < 22 or int(fields[6]) & KERNEL_THREAD:
        return _Line(text, None)
    if fields[0] in b"ZX" and int(fields[17]) <= 1:  # its other threads may live on
        return _Line(text, None)
    row = Row(
        pid,
        int(fields[1]),
        int(fields[3]),
        (int(fields[11]) + int(fields[12])) / _TICKS,
        int(fields[21]) * _PAGE,
        int(fields[19]) / _TICKS,
    )
    return _Line(text, row)


class ProcessTable:
    """The processes of one moment, and how they belong together."""

    def __init__(self, rows: dict[int, Row], memory: _Memory) -> None:
        self.rows = rows
        self._memory = memory
        self._reading = memory.reading
        self._children: dict[int, list[int]] = {}
        self._by_mark: dict[str, set[int]] = {}
        self._by_namespace: dict[str, set[int]] = {}

    @classmethod
    def read(cls) -> ProcessTable:
        """A table by a reader of its own; whoever needs more than one keeps a `TableReader`."""
        return TableReader().read()

    def descendants(self, leaders: Iterable[int]) -> set[int]:
        """These processes, as far as they live, and all that they have begun."""
        if not self._children:
            for row in self.rows.values():
                self._children.setdefault(row.parent, []).append(row.pid)
        found: set[int] = set()
        left = [pid for pid in leaders if pid in self.rows]
        while left:
            pid = left.pop()
            if pid not in found:
                found.add(pid)
                left += self._children.get(pid, ())
        return self._cared_for(found)

    def of_sessions(self, sessions: Collection[int]) -> set[int]:
        """The processes whose session has one of these leaders."""
        found = {row.pid for row in self.rows.values() if row.session in sessions}
        return self._cared_for(found)

    def of_namespace(self, pid: int) -> set[int]:
        """All that share the PID namespace of a process; none where that cannot be told.

        Of a process on the host these are all processes of the host.
        """
        if pid not in self.rows:
            return set()
        looks, now = self._memory.namespaces, _since_boot()
        if not self._by_namespace:
            for row in self.rows.values():
                name = looks.of(row, self._reading, now)
                self._by_namespace.setdefault(name, set()).add(row.pid)
        name = looks.of(self.rows[pid], self._reading, now)
        return self._cared_for(set(self._by_namespace[name])) if name else set()

    def marked(self, mark: str, known: Iterable[int] = ()) -> set[int]:
        """The processes of this user whose environment holds `mark`, or whose parent's did.

        Those `known` already are in it too, as far as they live.
        """
        if not self._by_mark:
            self._sort_by_mark()
        found = self._by_mark.get(mark, set()) if mark else set()
        return self._cared_for(found | (set(known) & self.rows.keys()))

    def _sort_by_mark(self) -> None:
        looks, now = self._memory.marks, _since_boot()
        marks = {pid: looks.settled(row) for pid, row in self.rows.items()}
        new = [self.rows[pid] for pid, mark in marks.items() if mark is None]
        for row in sorted(new, key=_by_age):  # a parent before its children
            marks[row.pid] = looks.of(row, self._reading, now, marks.get(row.parent) or "")
        for pid, mark in marks.items():
            self._by_mark.setdefault(mark or "", set()).add(pid)

    def _cared_for(self, found: set[int]) -> set[int]:
        """The same; its processes are read every time from now on."""
        self._memory.asked |= found
        return found

    def reading(self, pids: Iterable[int]) -> Reading:
        """What these processes use together; shared memory counts for each of them."""
        rows = [self.rows[pid] for pid in self._cared_for(set(pids)) if pid in self.rows]
        return Reading(
            cpu_seconds=sum(row.cpu_seconds for row in rows),
            memory_bytes=sum(row.memory_bytes for row in rows),
            processes=len(rows),
            pids=frozenset(row.pid for row in rows),
        )

    def fair_memory(self, pids: Iterable[int]) -> int:
        """Bytes of these processes, shared memory divided among its users, swapped out or not.

        Dear for large processes, as the kernel counts their pages: ask only where it matters.
        """
        rows = [self.rows[pid] for pid in set(pids) if pid in self.rows]
        return sum(_fair(row.pid, row.memory_bytes) for row in rows)


def _by_age(row: Row) -> tuple[float, int]:
    return row.started, row.pid


def _read(path: str, size: int) -> bytes:
    """The beginning of a file, empty where it cannot be read; without Python's own buffers."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, size)
    except OSError:  # it ended just now
        return b""
    finally:
        os.close(file)


def _mark_of(pid: int) -> str:
    """The mark in a process's environment, if it is one of this user's."""
    folder = f"{PROC}/{pid}"
    try:
        if not os.path.exists(folder):
            return _psutil_mark(pid)
        if os.stat(folder).st_uid != os.getuid():
            return ""
        with open(f"{folder}/environ", "rb", buffering=0) as file:
            found = _MARKED.search(file.read())
    except OSError:
        return ""
    return os.fsdecode(found[1]) if found else ""


def _namespace_of(pid: int) -> str:
    try:
        return os.readlink(f"{PROC}/{pid}/ns/pid")
    except OSError:
        return ""


def _fair(pid: int, otherwise: int) -> int:
    text = _read(f"{PROC}/{pid}/smaps_rollup", 4096)
    sizes = [int(size) for size in re.findall(rb"^(?:Pss|SwapPss): +(\d+)", text, re.MULTILINE)]
    return 1024 * sum(sizes) if sizes else otherwise


def _since_boot() -> float:
    """Seconds on the clock of `Row.started`."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if clock is None else time.clock_gettime(clock)


def _psutil_rows() -> dict[int, Row]:
    """The same rows, slowly, for a machine without /proc; times are Unix times there."""
    import psutil

    rows: dict[int, Row] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            times, parent = process.cpu_times(), process.ppid()
            rows[process.pid] = Row(
                process.pid,
                parent,
                os.getsid(process.pid),
                times.user + times.system,
                process.memory_info().rss,
                process.create_time(),
            )
    return rows


def _psutil_mark(pid: int) -> str:
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.uids().real == os.getuid():
            return str(process.environ().get(MARK, ""))
    return ""


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
