"""The five analyses, and the dependencies, over what a world changed: a program of its own.

    python -P -m miyabi_tui.engine.security.scan REQUEST REPORT

The request is JSON: `root` and `before`, the folders with the new and the old versions of the
files, and `files`, the changed paths in both. The report is `{"findings": […], "remark": "…"}`;
the remark says what could not be analysed because of a fault of ours.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.repo.git import printable
from miyabi_tui.engine.scoring.score import Finding
from miyabi_tui.engine.security import (
    dependencies,
    filesystem,
    malicious,
    network,
    protected,
    secrets,
    tampering,
    unsafe,
)
from miyabi_tui.engine.security.hits import Hit, Known, digest, fresh
from miyabi_tui.engine.security.reading import LARGEST, Kind, Version, read
from miyabi_tui.engine.security.source import Language, Source, language
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Analysis = Callable[[Source], Iterable[Hit]]

ANALYSES: tuple[Analysis, ...] = (
    *(malicious.look, tampering.look, unsafe.look, network.look, filesystem.look),
    *(dependencies.look,),
)
MOST_IN_A_FILE = 40  # findings that are told one by one, the worst first
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_PROGRAM = re.compile(r"\.(?:so|dll|dylib|exe|jar|whl|egg|class|pyc|node)$", re.IGNORECASE)


class Scan:
    """One scan; `remarks` collects what could not be analysed."""

    def __init__(self, root: Path, before: Path) -> None:
        self.remarks: list[str] = []
        self._root = root
        self._before = before

    def run(self, files: Sequence[str]) -> list[Finding]:
        """What the new versions of `files` have and the old ones have not. Blocks."""
        gone = [name for name in files if read(self._root, name).kind is Kind.ABSENT]
        lost: list[Hit] = []
        for name in gone:
            old = read(self._before, name)
            lost.extend(self._hits(name, old, Version(Kind.ABSENT), new=False))
        elsewhere = Known(lost)
        missing = frozenset(gone)
        findings = []
        for name in files:
            if name in missing:
                found = list(protected.gone(shown(name)))
            else:
                found = self._file(name, elsewhere)
            findings += [_finding(name, hit) for hit in _worst(found)]
        return findings

    def _file(self, name: str, elsewhere: Known) -> list[Hit]:
        old, new = read(self._before, name), read(self._root, name)
        known = Known(self._hits(name, old, new, new=False))
        return fresh(known, self._hits(name, new, old, new=True), elsewhere)

    def _hits(self, name: str, one: Version, other: Version, *, new: bool) -> list[Hit]:
        """All hits of one version; what cannot be read is one only where it is the new version."""
        if one.kind is Kind.LINK:
            found = list(filesystem.link(shown(name), one.target))
            return found + list(protected.look(shown(name), one.target.encode("utf-8", "replace")))
        if one.kind is Kind.PLAIN:
            return [*self._plain(name, one, other), *_odd_name(name)]
        return list(_unread(name, one)) if new else []

    def _plain(self, name: str, one: Version, other: Version) -> Iterator[Hit]:
        source = Source(shown(name), one.data)
        seen = frozenset(Source(source.path, other.data).lines)
        looks: tuple[Analysis, ...] = (*ANALYSES, functools.partial(secrets.look, seen=seen))
        for look in looks:
            try:
                yield from list(look(source))
            except (RecursionError, MemoryError):
                mark = digest(one.data)
                message = "is nested too deeply to be analysed"
                yield Hit(Threat.MALICIOUS, "not-analysed", 0, message, Severity.HIGH, mark)
            except Exception as error:  # a fault of ours must not let anything pass
                self.remarks.append(f"{source.path}: {type(error).__name__} in the analysis")


def analyse(root: Path, before: Path, files: Sequence[str]) -> list[Finding]:
    """What is new in the `files` below `root` against those below `before`. Blocks."""
    return Scan(root, before).run(files)


def shown(name: str) -> str:
    """A text of others for people and terminals: no control characters, no broken bytes."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", printable(name))


def _finding(name: str, hit: Hit) -> Finding:
    message = f"{hit.message} ({hit.threat})"
    return Finding(shown(name), hit.line, hit.rule, shown(message), hit.severity, hit.threat)


def _odd_name(name: str) -> Iterator[Hit]:
    if _CONTROL.search(name):
        message = "a file name with signs that are not seen"
        yield Hit(Threat.FILESYSTEM, "file-name", 0, message, Severity.MEDIUM)


def _unread(name: str, version: Version) -> Iterator[Hit]:
    """What is said of a version that is not analysed."""
    written = language(name)
    code = written not in (Language.PROSE, Language.DATA) or bool(_PROGRAM.search(name))
    threat, severity = Threat.MALICIOUS, Severity.HIGH if code else Severity.MEDIUM
    match version.kind:
        case Kind.TOO_LARGE:
            rule, message = (
                "not-analysed",
                f"is larger than {LARGEST // 1_000_000} MB: not analysed",
            )
        case Kind.UNREADABLE:
            rule, message, severity = "not-analysed", "cannot be read", Severity.HIGH
        case Kind.FOLDER:
            rule, message = "submodule", "is another repository, which is not analysed"
            threat, severity = Threat.FILESYSTEM, Severity.MEDIUM
        case Kind.SPECIAL:
            rule, message = "special-file", "is no plain file"
            threat, severity = Threat.FILESYSTEM, Severity.HIGH
        case _:
            return
    yield Hit(threat, rule, 0, message, severity)


def _worst(hits: list[Hit]) -> list[Hit]:
    """The hits by line; where there are too many, the worst and how many more there are."""
    if len(hits) > MOST_IN_A_FILE:
        ordered = sorted(hits, key=lambda hit: -hit.severity.rank)
        hits, rest = ordered[:MOST_IN_A_FILE], ordered[MOST_IN_A_FILE:]
        message = f"and {len(rest)} more findings in this file"
        hits.append(Hit(rest[0].threat, "more", 0, message, rest[0].severity))
    return sorted(hits, key=lambda hit: hit.line)


def main() -> None:
    """Read the request, write the report."""
    request, report = map(Path, sys.argv[1:3])
    asked = json.loads(request.read_bytes())  # names that are not UTF-8 come back as they were
    scan = Scan(Path(asked["root"]), Path(asked["before"]))
    findings = scan.run([*asked["files"], *asked.get("deleted", ())])
    remark = "; ".join(scan.remarks[:3])
    report.write_bytes(msgspec.json.encode({"findings": findings, "remark": remark}))


if __name__ == "__main__":
    main()
