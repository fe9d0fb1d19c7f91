"""Dependencies that a change adds: look-alikes, foreign sources, open versions, lock files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.security.lookalike import looks_like
from miyabi_tui.engine.security.manifests import CRATES, GEMS, NPM, PYPI
from miyabi_tui.engine.security.threats import Severity, Threat
from tests.security_changes import change

if TYPE_CHECKING:
    from pathlib import Path

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
PROJECT = "[project]\nname = 'a'\ndependencies = [%s]\n"


@pytest.mark.parametrize(
    ("name", "registry", "known"),
    [
        ("reqeusts", PYPI, "requests"),
        ("request", PYPI, "requests"),
        ("requestss", PYPI, "requests"),
        ("requ3sts", PYPI, "requests"),
        ("python-dateutils", PYPI, "python-dateutil"),
        ("pythondateutil", PYPI, "python-dateutil"),
        ("urllib", PYPI, "urllib3"),
        ("nurnpy", PYPI, "numpy"),
        ("lodahs", NPM, "lodash"),
        ("cross_env", NPM, "cross-env"),
        ("serde-json", CRATES, "serde_json"),
        ("rest_client", GEMS, "rest-client"),
        ("requests", PYPI, ""),
        ("Python_DateUtil", PYPI, ""),
        ("pytest-timeout", PYPI, ""),
        ("left-pad", NPM, ""),
        ("blak", PYPI, "black"),
        ("flack", NPM, ""),
    ],
)
def test_names_that_look_like_others(name: str, registry: str, known: str) -> None:
    assert looks_like(name, registry) == known


@pytest.mark.parametrize(
    ("path", "content", "rule", "severity"),
    [
        ("requirements.txt", "reqeusts==2.0\n", "look-alike", HIGH),
        ("requirements.txt", "requ\u0435sts==2.0\n", "look-alike", HIGH),
        ("requirements-dev.txt", "left==1\n", "added", LOW),
        ("requirements.txt", "left\n", "unpinned", MEDIUM),
        ("requirements.txt", "git+https://x.example/left.git#egg=left\n", "foreign-source", MEDIUM),
        ("requirements.txt", "left @ https://x.example/l.whl\n", "foreign-source", MEDIUM),
        ("requirements.txt", "--extra-index-url https://x.example/s\n", "foreign-source", MEDIUM),
        ("requirements.txt", "-e ../left\n", "foreign-source", MEDIUM),
        ("pyproject.toml", PROJECT % "'left>=1'", "added", LOW),
        ("pyproject.toml", PROJECT % "'flaks>=1'", "look-alike", HIGH),
        ("pyproject.toml", "[build-system]\nrequires = ['setuptool']\n", "look-alike", HIGH),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.11'\nleft = '*'\n",
         "unpinned", MEDIUM),
        ("pyproject.toml", "[tool.uv.sources]\nleft = { git = 'https://x.example/l' }\n",
         "foreign-source", MEDIUM),
        ("pyproject.toml", "[[tool.uv.index]]\nurl = 'https://x.example/simple'\n",
         "foreign-host", MEDIUM),
        ("pyproject.toml", "[project\n", "unreadable-manifest", MEDIUM),
        ("setup.cfg", "[options]\ninstall_requires =\n    left>=1\n    reqeusts\n",
         "look-alike", HIGH),
        ("package.json", '{"dependencies": {"lodahs": "1"}}', "look-alike", HIGH),
        ("package.json", '{"devDependencies": {"left": "latest"}}', "unpinned", MEDIUM),
        ("package.json", '{"dependencies": {"left": "x/left#main"}}', "foreign-source", MEDIUM),
        ("package.json", '{"dependencies": {"left": "npm:raect@1"}}', "look-alike", HIGH),
        ("package.json", '["no", "table"]', "unreadable-manifest", MEDIUM),
        ("Cargo.toml", "[dependencies]\nleft = { git = 'https://x.example' }\n",
         "foreign-source", MEDIUM),
        ("Cargo.toml", "[dependencies]\nserde_jsom = '1'\n", "look-alike", HIGH),
        ("go.mod", "module a\n\nrequire github.com/gin-gonic/ginn v1.2.3\n", "look-alike", HIGH),
        ("go.mod", "replace github.com/a/b => ../b\n", "foreign-source", MEDIUM),
        ("Gemfile", "gem 'nokogirl', '1'\n", "look-alike", HIGH),
        ("Gemfile", "gem 'left', git: 'https://x.example/l'\n", "foreign-source", MEDIUM),
        ("Gemfile", "source 'https://gems.x.example'\n", "foreign-source", MEDIUM),
        (".npmrc", "registry=https://npm.x.example/\n", "foreign-source", MEDIUM),
        ("package-lock.json", '{"resolved": "https://x.example/a.tgz"}', "foreign-host", MEDIUM),
        ("poetry.lock", 'url = "http://x.example/simple"\n', "plain-http", MEDIUM),
        ("Cargo.lock", 'source = "git+https://github.com/x/y?rev=1#2"\n', "foreign-host", MEDIUM),
    ],
)  # fmt: skip
def test_what_is_added(
    tmp_path: Path, path: str, content: str, rule: str, severity: Severity
) -> None:
    found = change(tmp_path, {path: content})
    same = [one for one in found if one.rule == rule and one.threat is Threat.DEPENDENCY]
    assert [one.severity for one in same] == [severity], [str(one) for one in found]
    assert change(tmp_path, {path: content}, {path: content}) == []


def test_only_what_is_added_is_said_with_its_name_and_line(tmp_path: Path) -> None:
    old, new = PROJECT % "'left>=1'", PROJECT % "'left>=2',\n 'right>=1'"
    found = change(tmp_path, {"pyproject.toml": new}, {"pyproject.toml": old})
    assert list(map(str, found)) == ["pyproject.toml:4 added adds right (PyPI) (dependency)"]


def test_the_usual_registries_and_the_projects_own_folders_are_fine(tmp_path: Path) -> None:
    found = change(
        tmp_path,
        {
            "package-lock.json": '{"resolved": "https://registry.npmjs.org/a/-/a-1.tgz"}',
            "Cargo.lock": 'source = "registry+https://github.com/rust-lang/crates.io-index"\n',
            "uv.lock": 'source = { registry = "https://pypi.org/simple" }\n',
            "Gemfile": "source 'https://rubygems.org'\n",
        },
    )
    assert found == []
    inside = "[dependencies]\ncore = { path = 'crates/core' }\n"
    (one,) = change(tmp_path / "2", {"Cargo.toml": inside})
    assert (one.rule, one.severity) == ("added", LOW)


def test_a_login_in_an_address_is_not_shown(tmp_path: Path) -> None:
    line = "--index-url https://bob:s3cr3tpass@x.example/simple\n"
    said = " ".join(map(str, change(tmp_path, {"requirements.txt": line})))
    assert "x.example" in said and "s3cr3t" not in said
