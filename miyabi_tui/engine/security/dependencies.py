"""Dependencies that are added: look-alikes, foreign sources, versions left open, lock files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.lookalike import has_foreign_letters, looks_like
from miyabi_tui.engine.security.manifests import dependencies, is_manifest
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.manifests import Dependency
    from miyabi_tui.engine.security.source import Source

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_OPEN = frozenset({"", "*", "latest", "x", "any", ">=0", ">= 0"})
_INDEX = re.compile(
    r"^\s*(?:-i\b|--index-url|--extra-index-url|--find-links|-f\b|--trusted-host|index-url"
    r"|extra-index-url|registry|@[\w-]+:registry|npmRegistryServer:)\s*[ =]\s*[\"']?(\S+)",
    re.MULTILINE,
)
_SETTINGS = re.compile(r"(^|/)(?:\.npmrc|\.yarnrc(?:\.yml)?|pip\.conf|pip\.ini|\.pypirc|uv\.toml)$")
_GEM_SOURCE = re.compile(r"^\s*source\s*\(?\s*['\"]([^'\"]+)", re.MULTILINE)
_LOCK = re.compile(
    r"(^|/)(?:[^/]+\.lock|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|uv\.lock"
    r"|requirements[^/]*\.txt|Package\.resolved)$"
)
_ORIGIN = re.compile(
    r"(?:\bresolved|\bregistry|\bsource|\bremote|\btarball|(?<!\")\burl|\bgit)\b[\"']?\W{1,4}?"
    r"(?:registry\+|git\+|sparse\+)?((?:https?|git|ssh)://[^\s\"',}]+)"
)
_KNOWN_HOSTS = frozenset(
    {
        *("registry.npmjs.org", "registry.yarnpkg.com", "pypi.org", "files.pythonhosted.org"),
        *("crates.io", "static.crates.io", "index.crates.io", "rubygems.org", "proxy.golang.org"),
        *(
            "repo.packagist.org",
            "github.com/rust-lang/crates.io-index",
        ),
    }
)


def look(source: Source) -> Iterator[Hit]:
    """What a manifest or lock file asks for."""
    if source.is_binary:
        return
    name = source.path.rpartition("/")[2]
    if is_manifest(source.path):
        try:
            found = dependencies(source.path, source.text)
        except ValueError:
            mark = digest(source.data)
            yield _hit("unreadable-manifest", 0, "its dependencies cannot be read", MEDIUM, mark)
            found = []
        for one in found:
            yield _judge(one)
        yield from _indexes(source, _INDEX)
        if name == "Gemfile":
            yield from _indexes(source, _GEM_SOURCE)
        if name == "pyproject.toml":
            yield from _hosts(source)  # [[tool.uv.index]], [[tool.poetry.source]]
    elif _SETTINGS.search(source.path):
        yield from _indexes(source, _INDEX)
    if _LOCK.search(source.path):
        yield from _hosts(source)


def _hit(rule: str, line: int, message: str, severity: Severity, mark: str = "") -> Hit:
    return Hit(Threat.DEPENDENCY, rule, line, message, severity, mark)


def _judge(one: Dependency) -> Hit:
    name = f"{one.name[:100]} ({one.registry})"
    if has_foreign_letters(one.name):
        message = f"{name} has letters that look like others"
        return _hit("look-alike", one.line, message, HIGH)
    if not one.origin and (known := looks_like(one.name, one.registry)):
        return _hit("look-alike", one.line, f"{name} looks like {known}, and is not", HIGH)
    if one.origin and not _stays_inside(one.origin):
        message = f"{name} comes from {_without_login(one.origin)}, not from the registry"
        return _hit("foreign-source", one.line, message, MEDIUM)
    if one.version in _OPEN and not one.origin:
        return _hit("unpinned", one.line, f"adds {name} in any version", MEDIUM)
    return _hit("added", one.line, f"adds {name}", LOW)


def _stays_inside(origin: str) -> bool:
    """Whether it is a folder of the project itself."""
    path = re.sub(r"^(?:file|link|portal):(?://)?", "", origin)
    return bool(re.match(r"(?:\./)?\w[\w./-]*$", path)) and ".." not in path and "://" not in origin


def _without_login(address: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//…@", address)[:120]


def _indexes(source: Source, pattern: re.Pattern[str]) -> Iterator[Hit]:
    for match in pattern.finditer(source.text):
        host = _host(match[1])
        if host not in _KNOWN_HOSTS:
            message = f"takes packages from {_without_login(match[1])}"
            yield _hit("foreign-source", source.line_of(match.start()), message, MEDIUM)


def _hosts(source: Source) -> Iterator[Hit]:
    seen: set[str] = set()
    for match in _ORIGIN.finditer(source.text):
        address = match[1]
        host = _host(address)
        if host in ("github.com", "gitlab.com"):  # there, whose it is matters
            host = "/".join(re.sub(r"^\w+://(?:[^/@]*@)?", "", address).split("/")[:3])
            host = re.sub(r"(?:\.git)?(?:[?#].*)?$", "", host)
        if host in _KNOWN_HOSTS or host in seen:
            continue
        seen.add(host)
        severity = MEDIUM
        line = source.line_of(match.start())
        yield _hit("foreign-host", line, f"packages come from {host[:120]}", severity)
        if address.startswith("http://"):
            yield _hit("plain-http", line, f"packages come unencrypted from {host[:120]}", MEDIUM)


def _host(address: str) -> str:
    return re.sub(r"^[\w+]*://(?:[^/@]*@)?", "", address).partition("/")[0].partition(":")[0]
