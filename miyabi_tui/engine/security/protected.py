"""Files that run by themselves, with the rights of whoever merges or works on the project."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


class Place(msgspec.Struct, frozen=True):
    """Paths that mean something to a program, and what changing them does."""

    rule: str
    pattern: str
    message: str
    severity: Severity


PLACES = (
    Place("git-data", r"(^|/)\.git(/|$)", "is git's own data", CRITICAL),
    Place("miyabi-data", r"^\.miyabi(/|$)", "is miyabi's own data", HIGH),
    Place("miyabi-settings", r"^\.?miyabi\.toml$", "changes miyabi's settings", HIGH),
    Place(
        "ci",
        r"(?i)^\.(?:github/(?:workflows|actions)|gitea/workflows|forgejo/workflows|circleci"
        r"|buildkite|woodpecker|teamcity|semaphore|gitlab/ci)/"
        r"|(^|/)(?:\.gitlab-ci|\.travis|\.drone|\.woodpecker|\.cirrus|\.?appveyor|buildspec"
        r"|bitbucket-pipelines|azure-pipelines[^/]*|cloudbuild|wercker|codeship-\w+)\.ya?ml$"
        r"|(^|/)jenkinsfile[^/]*$|^azure-pipelines/|(^|/)action\.ya?ml$",
        "runs in CI, with the project's rights",
        HIGH,
    ),
    Place(
        "git-hook",
        r"(?i)^\.(?:husky|githooks|git-hooks)/|(^|/)\.pre-commit-config\.ya?ml$|(^"
        r"|/)\.?lefthook[^/]*\.ya?ml$"
        r"|(^|/)\.overcommit\.yml$|(^|/)\.pre-commit-hooks\.ya?ml$|(^|/)hooks/(?:pre"
        r"|post)-(?:commit"
        r"|push|merge|checkout|rewrite|receive)$",
        "runs when somebody uses git here",
        HIGH,
    ),
    Place("git-modules", r"(^|/)\.gitmodules$", "brings in another repository", HIGH),
    Place("git-settings", r"(^|/)\.(?:gitconfig|lfsconfig)$", "changes git's settings", HIGH),
    Place(
        "runs-on-entry",
        r"(^|/)\.(?:envrc|mise\.toml|autoenv|env\.sh)$|(^|/)\.exrc$|(^|/)\.(?:n?vimrc|nvim\.lua)$"
        r"|(^|/)\.dir-locals\.el$",
        "runs when somebody enters or opens the folder",
        HIGH,
    ),
    Place(
        "editor-settings",
        r"(^|/)\.vscode/(?:tasks|launch|settings)\.json$|(^|/)\.devcontainer(?:/|\.json$)"
        r"|(^|/)\.idea/(?:runConfigurations|watcherTasks)",
        "may run in an editor",
        MEDIUM,
    ),
    Place(
        "cargo-settings",
        r"(^|/)\.cargo/config(?:\.toml)?$",
        "may put a program into builds",
        MEDIUM,
    ),
    Place(
        "agent-settings",
        r"(^|/)\.(?:claude|cursor|codex|gemini)/|(^|/)\.mcp\.json$",
        "steers other agents",
        MEDIUM,
    ),
    Place("owners", r"(^|/)CODEOWNERS$", "changes who must agree", MEDIUM),
)
_PLACES = tuple((place, re.compile(place.pattern)) for place in PLACES)
_ATTRIBUTE = re.compile(r"(?:^|\s)(filter|diff|merge)(?:=|\s|$)")


def look(path: str, data: bytes) -> Iterator[Hit]:
    """The hits of a file that means something by its place; any change of it is one."""
    for place, pattern in _PLACES:
        if pattern.search(path):
            yield _hit(place.rule, place.message, place.severity, digest(data))
            break
    name = path.rpartition("/")[2]
    if name == ".gitattributes":
        yield from _attributes(data.decode("utf-8", "replace"))
    elif name == "pyproject.toml":
        yield from _settings(data.decode("utf-8", "replace"))


def gone(path: str) -> Iterator[Hit]:
    """The hits of such a file that the change deletes."""
    for place, pattern in _PLACES:
        if pattern.search(path):
            yield _hit(place.rule, "is deleted", min(place.severity, MEDIUM, key=_rank), "gone")
            break


def _rank(severity: Severity) -> int:
    return severity.rank


def _hit(rule: str, message: str, severity: Severity, mark: str, line: int = 0) -> Hit:
    return Hit(Threat.FILESYSTEM, rule, line, message, severity, mark)


def _attributes(text: str) -> Iterator[Hit]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if words.startswith("#"):
            continue
        if found := _ATTRIBUTE.search(words.partition(" ")[2]):
            known = re.search(r"filter=lfs\b", words)
            message = f"makes git run a {found[1]} program on files"
            yield _hit("git-attributes", message, MEDIUM if known else HIGH, words, number)
        elif "working-tree-encoding" in words:
            message = "makes files other than they are reviewed"
            yield _hit("git-attributes", message, MEDIUM, words, number)


def _settings(text: str) -> Iterator[Hit]:
    """miyabi's table in pyproject.toml."""
    try:
        table = tomllib.loads(text).get("tool", {}).get("miyabi")
        mark = json.dumps(table, sort_keys=True, default=str)
    except (tomllib.TOMLDecodeError, AttributeError, RecursionError):
        table = mark = text if "miyabi" in text else ""
    if table:
        number = next((n for n, line in enumerate(text.splitlines(), 1) if "miyabi" in line), 0)
        message = "changes miyabi's settings"
        yield _hit("miyabi-settings", message, HIGH, digest(mark), number)
