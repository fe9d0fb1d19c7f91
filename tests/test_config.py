"""Settings: what they change, and the one clear line for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui import config
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.worlds import Effort, PromptVariant, WorldId

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str, name: str = config.FILE) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_without_a_file_the_requirement_holds(tmp_path: Path) -> None:
    worlds = config.build_worlds(config.load(tmp_path, {}), env={"ANTHROPIC_API_KEY": "k"})

    assert [world.temperature for world in worlds] == [0.3, 0.7, 1.2, 0.7, 0.7]
    assert [world.effort for world in worlds] == ["low", "medium", "high", "medium", "medium"]
    assert worlds[3].prompt is PromptVariant.ALTERNATIVE_A
    assert worlds[4].model != worlds[0].model
    assert {world.model.split("/")[0] for world in worlds} == {"anthropic"}


def test_each_world_can_be_changed(tmp_path: Path) -> None:
    text = """
        model = "openai/gpt-6.1-sol"
        merge = "auto"
        [worlds.gamma]
        model = "local/qwen"
        effort = "low"
        prompt = "alternative-b"
        instructions = "Use no loops."
        [providers.local]
        kind = "openai-chat"
        base_url = "http://127.0.0.1:1/v1"
        [limits]
        steps = 3
    """
    settings = config.load(write(tmp_path, text), {})
    alpha, gamma = config.build_worlds(settings, ("alpha", "Gamma"))

    assert settings.merge is MergePolicy.AUTO
    assert (settings.limits.steps, settings.limits.cost_usd) == (3, 1.0)
    assert alpha.model == "openai/gpt-6.1-sol"
    assert (gamma.id, gamma.model, gamma.effort) == (WorldId.GAMMA, "local/qwen", Effort.LOW)
    assert gamma.instructions == "Use no loops."
    assert registry.check(gamma.model, settings.providers, {}).base_url == "http://127.0.0.1:1/v1"


def test_environment_is_above_the_file(tmp_path: Path) -> None:
    write(tmp_path, '[tool.miyabi]\nmodel = "a/b"\ntarget = "dev"\n', "pyproject.toml")

    settings = config.load(tmp_path, {"MIYABI_MODEL": "c/d"})

    assert (settings.model, settings.target) == ("c/d", "dev")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model = 3\n", "miyabi.toml:1: model: Expected `str`, got `int`"),
        ('\n[limits]\nsteps = "x"\n', "miyabi.toml:3: limits.steps: Expected `int`, got `str`"),
        ('[worlds.beta]\nheat = 1\n', "miyabi.toml:2: worlds.beta.heat: there is no setting"),
        ('[worlds.beta]\neffort = "max"\n', "miyabi.toml:2: worlds.beta.effort: Invalid enum"),
        ('[worlds.zeta]\neffort = "low"\n', "miyabi.toml:1: worlds.zeta: there is no world 'zeta'"),
        ('merge = "later"\n', "one of ask, auto, never"),
        ("a = 1\nmodel = \n", "miyabi.toml:2 is not valid TOML"),
        ('[providers.x]\nbase_url = "u"\n', "Object missing required field `kind`"),
    ],
)  # fmt: skip
def test_a_broken_file_names_file_line_and_key(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(write(tmp_path, text), {})

    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("sonnet", "names no provider"),
        ("nowhere/model", "add [providers.nowhere] to miyabi.toml"),
        ("anthropic/claude-sonnet-5", "ANTHROPIC_API_KEY is not set"),
        ("openai-chat/qwen", "OPENAI_API_KEY is not set"),
        ("replay//no/such/folder", "there is no recording in /no/such/folder"),
    ],
)
def test_a_model_that_cannot_be_had_says_why(model: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.check(model, {}, {})

    assert says in str(caught.value)


def test_an_empty_base_url_variable_is_no_base_url() -> None:
    env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": ""}

    assert registry.check("openai/gpt", {}, env).base_url is None
