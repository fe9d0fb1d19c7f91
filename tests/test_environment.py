"""What a world's commands see of the user's environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.worlds import WorldId
from tests.places import bare

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRETS = [
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "GITHUB_TOKEN",
    "PIP_TOKEN",
    "UV_INDEX_PRIVATE_PASSWORD",
    "db_password",
    "GPG_PASSPHRASE",
    "SSH_KEY_FILE",
    "NPM_AUTH",
    "GOOGLE_APPLICATION_CREDENTIALS",
]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("extra", [(), ("*",)], ids=["by default", "whatever a setting says"])
def test_secrets_never_get_in(name: str, extra: Iterable[str]) -> None:
    assert name not in world_environment(WorldId.ALPHA, extra=extra, base={name: "hush"})


def test_only_what_is_listed_gets_in() -> None:
    base = {"PATH": "/bin", "LC_ALL": "C", "FOO": "1", "BAR_A": "2", "PYTHONPATH": "/user"}
    env = world_environment(WorldId.BETA, extra=("BAR_*",), base=base)
    assert (env["PATH"], env["LC_ALL"], env["BAR_A"]) == ("/bin", "C", "2")
    assert not {"FOO", "PYTHONPATH"} & env.keys()


@pytest.mark.parametrize("name", ["PIP_INDEX_URL", "UV_INDEX_URL", "https_proxy"])
def test_an_address_with_a_password_needs_to_be_asked_for(name: str) -> None:
    for address, let_in in (("https://me:hush@host/", False), ("https://host:80/a@b", True)):
        base = {name: address}
        assert (name in world_environment(WorldId.ALPHA, base=base)) is let_in
        assert name in world_environment(WorldId.ALPHA, extra=(name,), base=base)


def test_the_path_of_the_project_comes_first() -> None:
    env = world_environment(None, path_first=(Path("/venv/bin"),), base={"PATH": "/bin"})
    assert env["PATH"] == "/venv/bin:/bin"
    assert world_environment(None, path_first=(Path("/v"),), base={})["PATH"].startswith("/v:")


def test_a_world_knows_itself_and_its_ports() -> None:
    env = world_environment(WorldId.ALPHA, ports=range(20_000, 20_020), base={})
    assert (env["MIYABI_WORLD"], env["PORT"]) == ("Alpha", "20000")
    assert (env["MIYABI_PORT_FIRST"], env["MIYABI_PORT_LAST"]) == ("20000", "20019")
    base = world_environment(None, base={})
    assert base["MIYABI_WORLD"] == "base"
    assert "PORT" not in base


@pytest.mark.anyio
async def test_a_command_has_this_environment_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hush")
    monkeypatch.setenv("UNLISTED", "hush")
    sandbox = bare(world_environment(WorldId.ALPHA))
    result = await sandbox.exec(("env",), cwd=tmp_path, time_limit=60, env={"MORE": "1"})
    names = {line.split("=")[0] for line in result.output.splitlines()}
    assert "hush" not in result.output
    assert {"PATH", "MIYABI_WORLD", "NO_COLOR", "MORE"} <= names
    assert "UNLISTED" in os.environ
