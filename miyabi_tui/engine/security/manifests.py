"""The dependencies that a project's files name: Python, JavaScript, Rust, Go, Ruby."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PYPI, NPM, CRATES, GO, GEMS = "PyPI", "npm", "crates.io", "Go", "RubyGems"
_REQUIREMENTS = re.compile(
    r"(^|/)(?:requirements[^/]*|constraints[^/]*)\.(?:txt|in)$|(^|/)requirements/[^/]+\.(?:txt|in)$"
)
_PEP_508 = re.compile(r"^\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*(.*)$", re.DOTALL)
_GEM = re.compile(r"""^\s*gem\s*\(?\s*['"]([^'"]+)['"]\s*(.*)$""", re.MULTILINE)
_GO = re.compile(r"^\s*(?:require\s+)?([\w.-]+\.[a-z]{2,}/[\w./~-]+)\s+(v[^\s/]+)", re.MULTILINE)
_REPLACED = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s*=>\s*(\S+)", re.MULTILINE)


class Dependency(msgspec.Struct, frozen=True):
    """A package that is asked for; `version` as it is written, `origin` where not a registry."""

    name: str
    registry: str
    version: str = ""
    origin: str = ""
    line: int = 0


def is_manifest(path: str) -> bool:
    """Whether `dependencies` can read such a file."""
    return bool(_REQUIREMENTS.search(path)) or path.rpartition("/")[2] in _READERS


def dependencies(path: str, text: str) -> list[Dependency]:
    """What a file asks for.

    Raises:
        ValueError: the file is none of its kind.
    """
    if _REQUIREMENTS.search(path):
        found = list(_requirements(text))
    else:
        try:
            found = list(_READERS[path.rpartition("/")[2]](text))
        except (AttributeError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path} cannot be read") from error
    return [one if one.line else _at(one, text) for one in found]


def _at(one: Dependency, text: str) -> Dependency:
    place = text.find(one.name)
    line = text.count("\n", 0, place) + 1 if place >= 0 else 0
    return msgspec.structs.replace(one, line=line)


def _requirements(text: str) -> Iterator[Dependency]:
    for number, line in enumerate(text.replace("\\\n", "  ").split("\n"), 1):
        words = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if words.startswith("-"):
            match = re.match(r"(?:-e|--editable)[ =]*(\S+)", words)
            if match:
                yield Dependency(match[1], PYPI, origin=match[1], line=number)
        elif words:
            for one in _pep_508([words]):
                yield msgspec.structs.replace(one, line=number)


def _pep_508(items: Iterable[Any]) -> Iterator[Dependency]:
    for item in items:
        text = str(item).strip()
        if re.match(r"(?:\w+\+)?\w+://|\.{0,2}/", text):
            yield Dependency(text.rpartition("egg=")[2] or text, PYPI, origin=text)
        elif match := _PEP_508.match(text):
            rest = match[2].partition(";")[0].partition(" --")[0].strip()
            origin = rest.removeprefix("@").strip() if rest.startswith("@") else ""
            yield Dependency(match[1], PYPI, "" if origin else rest, origin)


def _pyproject(text: str) -> Iterator[Dependency]:
    document = tomllib.loads(text)
    project, tool = document.get("project", {}), document.get("tool", {})
    yield from _pep_508(project.get("dependencies", ()))
    yield from _pep_508(document.get("build-system", {}).get("requires", ()))
    for group in project.get("optional-dependencies", {}).values():
        yield from _pep_508(group)
    for group in document.get("dependency-groups", {}).values():
        yield from _pep_508(one for one in group if isinstance(one, str))
    for name, where in tool.get("uv", {}).get("sources", {}).items():
        for one in where if isinstance(where, list) else [where]:
            if origin := one.get("git") or one.get("url") or one.get("path") or one.get("index"):
                yield Dependency(name, PYPI, origin=str(origin))
    poetry = tool.get("poetry", {})
    groups = [poetry, *poetry.get("group", {}).values()]
    for group in groups:
        for key in ("dependencies", "dev-dependencies"):
            yield from _table(group.get(key, {}), PYPI, skip="python")


def _table(table: dict[str, Any], registry: str, skip: str = "") -> Iterator[Dependency]:
    """Cargo's and poetry's tables: a version, or a table with a version or an origin."""
    for name, value in table.items():
        if name == skip:
            continue
        if isinstance(value, dict):
            origin = value.get("git") or value.get("url") or value.get("path") or ""
            origin = origin or value.get("registry") or value.get("source") or ""
            version = "workspace" if value.get("workspace") else str(value.get("version", ""))
            yield Dependency(str(value.get("package", name)), registry, version, str(origin))
        else:
            yield Dependency(name, registry, str(value))


def _setup_cfg(text: str) -> Iterator[Dependency]:
    """The lists under install_requires, setup_requires and extras_require."""
    section, listing = "", False
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if line.startswith("["):
            section, listing = words, False
            continue
        if words and not line[0].isspace():
            key, _, words = (part.strip() for part in line.partition("="))
            listing = key in ("install_requires", "setup_requires", "tests_require")
            listing = listing or section == "[options.extras_require]"
        if words and listing and not words.startswith("#"):
            for one in _pep_508([words]):
                yield msgspec.structs.replace(one, line=number)


def _package_json(text: str) -> Iterator[Dependency]:
    document = json.loads(text)
    for kind in ("", "dev", "peer", "optional"):
        key = f"{kind}Dependencies" if kind else "dependencies"
        for name, version in document.get(key, {}).items():
            version = str(version)
            alias = re.match(r"npm:(@?[^@]+)(?:@(.*))?$", version)
            if alias:
                yield Dependency(alias[1], NPM, alias[2] or "")
            elif re.match(r"workspace:|catalog:", version):
                yield Dependency(name, NPM, "workspace")
            elif re.search(r"[:/]", version):
                yield Dependency(name, NPM, origin=version)
            else:
                yield Dependency(name, NPM, version)


def _cargo(text: str) -> Iterator[Dependency]:
    document = tomllib.loads(text)
    tables = [document, *document.get("target", {}).values(), document.get("workspace", {})]
    for table in tables:
        for key in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from _table(table.get(key, {}), CRATES)
    for table in document.get("patch", {}).values():
        yield from _table(table, CRATES)


def _go_mod(text: str) -> Iterator[Dependency]:
    for match in _REPLACED.finditer(text):
        yield Dependency(match[1], GO, origin=match[2])
    for match in _GO.finditer(text):
        if "=>" not in match[0]:
            yield Dependency(match[1], GO, match[2])


def _gemfile(text: str) -> Iterator[Dependency]:
    for match in _GEM.finditer(text):
        rest = match[2]
        origin = re.search(r"\b(?:git|github|path|source|gist|bitbucket)\b\W{1,4}([^'\"]+)", rest)
        version = re.search(r"['\"]([~<>=! \d][^'\"]*)['\"]", rest)
        yield Dependency(match[1], GEMS, version[1] if version else "", origin[1] if origin else "")


_READERS = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
    "go.mod": _go_mod,
    "Gemfile": _gemfile,
}
