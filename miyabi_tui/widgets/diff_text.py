"""A unified diff as git prints it, taken apart once: files, hunks, and the kind of every line.

Only the lines that a hunk's head announces are content: `-- x` deleted reads `--- x`, as a file's
head does. What is wrong in it is shown as it is.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.widgets.rows import Span

FILE, HUNK, ADDED, DELETED, SAME, NO_END, META, ODD = range(8)
"""Kinds of lines: a file's head, a hunk's, content, `\\ No newline`, git's words, anything else."""

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)", re.DOTALL)
_MARKS = {"+": ADDED, "-": DELETED, " ": SAME, "": SAME, "\\": NO_END}
_RUNS = re.compile(rb"(.)\1*", re.DOTALL)
_QUOTED = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}
_META = (
    *("index ", "--- ", "+++ ", "old mode ", "new mode ", "new file mode ", "deleted file mode "),
    *("similarity index ", "dissimilarity index ", "rename from ", "rename to ", "copy from "),
    *("copy to ", "Binary files "),
)


@dataclass
class Hunk:
    """Lines `start` (its head) up to `stop`; `place` is what git says where it is."""

    start: int
    stop: int
    old: int
    new: int
    place: str


@dataclass
class FileDiff:
    """What happened to one file; `old_path` is another one if it was renamed or copied.

    `old_mode` and `new_mode` are git's, where they changed.
    """

    path: str
    start: int
    stop: int = 0
    old_path: str = ""
    how: str = "changed"
    binary: bool = False
    old_mode: str = ""
    new_mode: str = ""
    added: int = 0
    deleted: int = 0
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What happened besides changed lines, in words; empty where nothing did."""
        said = [] if self.how == "changed" else [self.how]
        if self.how in ("renamed", "copied"):
            said = [f"{self.how} from {self.old_path}"]
        if self.binary:
            said.append("binary, not shown")
        if self.old_mode and self.new_mode:
            said.append(_mode_change(self.old_mode, self.new_mode))
        elif self.new_mode in ("120000", "160000") or self.new_mode == "100755":
            said.append(_MODES[self.new_mode])
        if not self.hunks and not said:
            said.append("empty" if self.how != "changed" else "no line changed")
        return ", ".join(said)


_MODES = {"120000": "a link", "160000": "another repository", "100755": "executable"}


def _mode_change(old: str, new: str) -> str:
    if (old, new) == ("100644", "100755"):
        return "now executable"
    if (old, new) == ("100755", "100644"):
        return "no longer executable"
    return f"mode {old} → {new}"


@dataclass
class Diff:
    """All lines with their kinds and numbers; `old` and `new` are 0 where a side has no line."""

    lines: list[str] = field(default_factory=list)
    kinds: bytearray = field(default_factory=bytearray)
    old: array[int] = field(default_factory=lambda: array("l"))
    new: array[int] = field(default_factory=lambda: array("l"))
    files: list[FileDiff] = field(default_factory=list)

    @property
    def added(self) -> int:
        """Added lines of all files."""
        return sum(one.added for one in self.files)

    @property
    def deleted(self) -> int:
        """Deleted lines of all files."""
        return sum(one.deleted for one in self.files)

    @property
    def hunks(self) -> list[Hunk]:
        """The hunks of all files."""
        return [hunk for one in self.files for hunk in one.hunks]

    def summary(self) -> str:
        """How big it is, in words."""
        many = len(self.files)
        return f"{many:,} file{'s' * (many != 1)} · +{self.added:,} −{self.deleted:,}"

    def file_at(self, line: int) -> FileDiff | None:
        """The file that a line is about."""
        at = bisect_right(self.files, line, key=lambda one: one.start) - 1
        return self.files[at] if at >= 0 else None

    def text(self, hunk: Hunk) -> str:
        """A hunk as a patch that `git apply` takes, with its file's head."""
        file = self.file_at(hunk.start)
        first = file.hunks[0].start if file else hunk.start
        head = self.lines[file.start : first] if file else []
        return "\n".join([*head, *self.lines[hunk.start : hunk.stop], ""])


def parse(text: str) -> Diff:
    """Take a unified diff apart."""
    # only \n ends a line of a diff: splitlines() would also split at form feeds and the like
    return _Parser(text.removesuffix("\n").split("\n") if text.strip() else []).diff


class _Parser:
    """One pass over the lines."""

    def __init__(self, lines: list[str]) -> None:
        self.diff = Diff(lines, bytearray(len(lines)))
        self.diff.old = array("l", bytes(array("l").itemsize * len(lines)))
        self.diff.new = array("l", bytes(array("l").itemsize * len(lines)))
        self._marks = bytes([_MARKS.get(line[:1], ODD) for line in lines])
        at = 0
        while at < len(lines):
            at = self._hunk(at) if lines[at].startswith("@@ -") else self._outside(at)
        for one, after in zip_longest(self.diff.files, self.diff.files[1:]):
            one.stop = after.start if after else len(lines)

    def _outside(self, at: int) -> int:
        """A line between hunks."""
        line = self.diff.lines[at]
        kind = ODD
        if line.startswith("diff "):
            kind = FILE
            self.diff.files.append(FileDiff(_named(line), at))
        elif self.diff.files and line.startswith(_META):
            kind = META
            _tell(self.diff.files[-1], line)
        self.diff.kinds[at] = kind
        return at + 1

    def _hunk(self, at: int) -> int:
        """A hunk's head and the lines that it announces."""
        found = _HUNK.match(self.diff.lines[at])
        if found is None or not self.diff.files:
            self.diff.kinds[at] = ODD
            return at + 1
        old, old_many, new, new_many = (int(n) if n else 1 for n in found.groups()[:4])
        hunk = Hunk(at, at + 1, old, new, found[5])
        self.diff.kinds[at] = HUNK
        hunk.stop = self._content(at + 1, old, new, (old + old_many, new + new_many))
        file = self.diff.files[-1]
        file.added += self.diff.kinds.count(ADDED, at, hunk.stop)
        file.deleted += self.diff.kinds.count(DELETED, at, hunk.stop)
        file.hunks.append(hunk)
        return hunk.stop

    def _content(self, at: int, old: int, new: int, stops: tuple[int, int]) -> int:
        """The lines from `at` on, run by run, until both sides are at their stops; what follows."""
        for run in _RUNS.finditer(self._marks, at):
            kind, most = self._marks[run.start()], run.end() - run.start()
            if kind != ADDED and kind != NO_END:
                most = min(most, stops[0] - old)
            if kind != DELETED and kind != NO_END:
                most = min(most, stops[1] - new)
            if most <= 0 or kind == ODD:
                break
            at = run.start() + most
            self.diff.kinds[run.start() : at] = bytes((kind,)) * most
            if kind in (SAME, DELETED):
                self.diff.old[run.start() : at] = array("l", range(old, old + most))
                old += most
            if kind in (SAME, ADDED):
                self.diff.new[run.start() : at] = array("l", range(new, new + most))
                new += most
            if at < run.end():
                break
        return at


def _tell(file: FileDiff, line: str) -> None:
    """What git says of a file before its hunks."""
    before, after = line[:4] == "--- ", line[:4] == "+++ "
    if before or after:
        path = _unquoted(line[4:].removesuffix("\t"))
        if path != "/dev/null" and (after or not file.old_path):
            path = path[2:] if path[:2] in ("a/", "b/") else path
            file.path = path
        return
    for start, name in (("old mode ", "old_mode"), ("new mode ", "new_mode")):
        if line.startswith(start):
            setattr(file, name, line.removeprefix(start))
    if line.startswith(("new file mode ", "deleted file mode ")):
        file.how = "new file" if line.startswith("new") else "deleted"
        file.new_mode = line.rsplit(" ", 1)[-1] if file.how == "new file" else ""
    elif line.startswith(("rename ", "copy ")):
        file.how = "renamed" if line.startswith("rename") else "copied"
        _, end, path = line.split(" ", 2)
        if end == "from":
            file.old_path = _unquoted(path)
        else:
            file.path = _unquoted(path)
    elif line.startswith("Binary files "):
        file.binary = True


def _named(line: str) -> str:
    """The path in a file's head, which has it twice: `diff --git a/x b/x`."""
    names = line.removeprefix("diff ").removeprefix("--git ")
    half = names[: (len(names) - 1) // 2]
    path = _unquoted(half)
    return path[2:] if path.startswith("a/") else names


def _unquoted(path: str) -> str:
    """A path as it is: git puts one with odd characters into quotes."""
    if not (path.startswith('"') and path.endswith('"') and len(path) > 1):
        return path

    def plain(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _ESCAPES.get(code, code)

    raw = path[1:-1].encode("utf-8", "surrogateescape")
    return _QUOTED.sub(plain, raw).decode("utf-8", "replace")


def counts(file: FileDiff) -> list[Span]:
    """The lines added to a file and deleted from it; what there is none of is left out."""
    spans: list[Span] = [(f"+{file.added:,}", "added")] if file.added else []
    if file.deleted:
        spans.append((f" −{file.deleted:,}" if spans else f"−{file.deleted:,}", "deleted"))
    return spans
