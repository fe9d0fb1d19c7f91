"""Settings: what they change, and the one clear line for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from miyabi_tui import config
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Complexity, MergePolicy
from miyabi_tui.engine.models import registry
from miyabi_tui.engine.models.base import Usage
from miyabi_tui.engine.models.prices import cost_usd
from miyabi_tui.engine.terms import Approvals, Isolation
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
        ('complexity = "hard"\n', "miyabi.toml:1: complexity: Invalid enum value 'hard'"),
        ('complexity = "hard"\n', "one of auto, simple, medium, complex"),
        ("[levels.hard]\n", "miyabi.toml:1: levels.hard: there is no level 'hard'"),
        (
            "[levels.simple]\neffort = -1\n[levels.complex]\neffort = 2\n",
            "miyabi.toml:4: levels.complex.effort: Expected `int` <= 1",
        ),
        ('[levels.simple]\neffort = "low"\n', "one of -1, 0, 1"),
        ('on_failure = ["retry"]\n', "miyabi.toml:1: on_failure: Invalid enum value 'retry'"),
        ('on_failure = ["retry"]\n', "one of accept_partial, lower_temperature, switch_model"),
        (
            'model = "a/b"\non_failure = ["skip", "switch_model"]\n',
            "miyabi.toml:2: on_failure: switch_model needs a model to switch to "
            '(set it: [fallback] model = "PROVIDER/MODEL")',
        ),
        ("[budgets]\nwarn_at = 80\n", "miyabi.toml:2: budgets.warn_at: Expected `float` <= 1"),
        ("[retry]\nattempts = 0\n", "miyabi.toml:2: retry.attempts: Expected `int` >= 1"),
        ("budgets = 5\n", "miyabi.toml:1: budgets: Expected `object`, got `int`"),
        ('[prices.qwen3]\ninput = 1\noutput = 1\n', 'write [prices."PROVIDER/MODEL"]'),
        (
            '[prices."a/b-1.5"]\ninput = 1\noutput = 1\n[prices."a/c-1.5"]\noutput = -1\ninput=1\n',
            "miyabi.toml:5: prices.a/c-1.5.output: Expected `float` >= 0.0",
        ),
        ('[prices]\n"a/b" = {input = -1, output = 1}\n', "miyabi.toml:2: prices.a/b.input: Exp"),
        ("[limits]\nmax_tokens = 0\n", "miyabi.toml:2: limits.max_tokens: Expected `int` >= 1"),
        ("[providers.openai]\ntimeout_seconds = 0\n", "miyabi.toml:2: providers.openai.timeout"),
        ('isolation = "vm"\n', "miyabi.toml:1: isolation: Invalid enum value 'vm'"),
        ('isolation = "vm"\n', "one of auto, docker, bubblewrap, process"),
        ("[sandbox]\nmemory_gb = 0\n", "miyabi.toml:2: sandbox.memory_gb: Expected `float` > 0"),
        (
            '[sandbox]\nnetwork = ["pypi.org", "https://pypi.org"]\n',
            "miyabi.toml:2: sandbox.network: 'https://pypi.org' is no host (write example.org",
        ),
        ('[sandbox]\nnetwork = ["a.org:0"]\n', "sandbox.network: 'a.org:0' is no host"),
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


def test_every_setting_of_resilience_and_cost(tmp_path: Path) -> None:
    text = """
        on_failure = ["lower_temperature", "switch_model", "wait_for_human"]
        [retry]
        attempts = 5
        [breaker]
        seconds = 30
        [budgets]
        issue_usd = 2.5
        [cache]
        enabled = false
        [prices."openai-chat/qwen3"]
        input = 0.2
        output = 0.8
        [termination]
        steps_without_edit = 0
        [fallback]
        model = "openai/gpt-6.1-terra"
        [limits]
        cost_usd = 0
    """
    settings = config.load(write(tmp_path, text), {})

    assert [one.value for one in settings.on_failure] == [
        "lower_temperature", "switch_model", "wait_for_human"
    ]  # fmt: skip
    assert (settings.retry.attempts, settings.retry.first_seconds) == (5, 1.0)
    assert (settings.breaker.seconds, settings.budgets.issue_usd) == (30, 2.5)
    assert (settings.cache.enabled, settings.termination.steps_without_edit) == (False, 0)
    assert settings.prices["openai-chat/qwen3"].output == 0.8
    assert settings.fallback.model == "openai/gpt-6.1-terra"
    assert settings.limits.cost_usd == 0


def test_without_settings_the_requirement_holds_for_them_too(tmp_path: Path) -> None:
    settings = config.load(tmp_path, {})
    provider = registry.check("anthropic/claude", {}, {"ANTHROPIC_API_KEY": "k"}).provider

    assert (settings.retry.attempts, settings.breaker.failures) == (3, 5)
    assert (settings.budgets.issue_usd, settings.budgets.month_usd) == (5.0, 1_000.0)
    assert (settings.cache.entries, settings.cache.days) == (1_000, 7.0)
    assert (provider.requests_per_minute, provider.tokens_per_minute) == (50, 40_000)


def test_a_well_known_provider_needs_only_what_is_different(tmp_path: Path) -> None:
    text = """
        [providers.anthropic]
        requests_per_minute = 1000
        [providers.openai]
        base_url = "https://proxy.example/v1"
        count_cached_tokens = false
        timeout_seconds = 60
    """
    settings = config.load(write(tmp_path, text), {})
    env = {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}
    claude = registry.check("anthropic/claude", settings.providers, env)
    gpt = registry.check("openai/gpt", settings.providers, env)

    assert (claude.provider.kind, claude.base_url) == (registry.Kind.ANTHROPIC, None)
    assert claude.provider.requests_per_minute == 1_000
    assert claude.provider.tokens_per_minute == 40_000
    assert not claude.provider.counts_cached and not gpt.provider.counts_cached
    assert registry.Provider(registry.Kind.OPENAI).counts_cached
    assert (gpt.base_url, gpt.provider.timeout_seconds) == ("https://proxy.example/v1", 60)
    # So that the person is told where the repository sends the key.
    assert settings.providers["openai"].key_variable == "OPENAI_API_KEY"


def test_a_provider_is_silent_for_as_long_as_is_set() -> None:
    provider = registry.Provider(
        registry.Kind.OPENAI_CHAT, base_url="http://127.0.0.1:1/v1", timeout_seconds=7
    )
    model: Any = registry.create(registry.check("x/y", {"x": provider}, {}), env={})

    assert model._client.timeout.read == 7


def test_the_environment_says_budget_and_complexity(tmp_path: Path) -> None:
    write(tmp_path, 'complexity = "simple"\n[budgets]\nissue_usd = 1\nmonth_usd = 9\n')
    env = {"MIYABI_COMPLEXITY": "complex", "MIYABI_BUDGET": "$7.50"}

    settings = config.load(tmp_path, env)

    assert settings.complexity == "complex"
    assert (settings.budgets.issue_usd, settings.budgets.month_usd) == (7.5, 9)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MIYABI_BUDGET", "much", "MIYABI_BUDGET is 'much' (a number of US dollars"),
        ("MIYABI_BUDGET", "-1", "0 is no budget"),
        ("MIYABI_BUDGET", "inf", "0 is no budget"),
        ("MIYABI_COMPLEXITY", "hard", "one of auto, simple, medium, complex"),
        ("MIYABI_MERGE", "later", "one of ask, auto, never"),
        ("MIYABI_ISOLATION", "vm", "one of auto, docker, bubblewrap, process"),
    ],
)
def test_a_wrong_variable_is_told(tmp_path: Path, variable: str, value: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(tmp_path, {variable: value})

    assert variable in str(caught.value) and says in str(caught.value)


def test_what_keeps_commands_apart_can_be_set(tmp_path: Path) -> None:
    text = """
        isolation = "docker"
        [sandbox]
        network = ["pypi.org", "*.pythonhosted.org", "[::1]:8080", "10.0.0.7:8080"]
        [governor]
        at_once = 3
        [approvals]
        deny = ["rm -rf *"]
    """
    settings = config.load(write(tmp_path, text), {"MIYABI_ISOLATION": "process"})
    assert settings.isolation is Isolation.PROCESS
    assert (settings.sandbox.network[1], settings.governor.at_once) == ("*.pythonhosted.org", 3)
    assert settings.approvals.deny == ("rm -rf *",)


ASKED = ", ".join(f'"{one}"' for one in Approvals().ask)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", []),
        ('isolation = "auto"\n[sandbox]\nmemory_gb = 1\n', []),
        ('isolation = "process"\n', ["run commands as processes of this machine"]),
        ('[sandbox]\nnetwork = ["*", "a.org"]\n', ["let commands reach every host"]),
        ('[sandbox]\nnetwork = ["a.org", "b.org"]\n', ["let commands reach a.org, b.org"]),
        ('[sandbox]\nreadable = ["/etc"]\n', ["let commands read /etc"]),
        ('[sandbox]\nreadable = ["\\u001b[2J"]\n', ["let commands read �[2J"]),
        ('[sandbox]\nimage = "evil:1"\n', ["run commands in the image evil:1"]),
        ('[sandbox]\ndockerfile = "D"\n', ["run commands in an image made from D"]),
        ('env = ["*"]\n', ["let commands see the variables *"]),
        (f"[approvals]\nask = [{ASKED}]\n", []),
        (f"[approvals]\nask = []\ndeny = [{ASKED}]\n", []),
        (
            f'[approvals]\nask = [{ASKED.replace("sudo *", "x")}]\n',
            ["let commands run unasked: sudo *"],
        ),
        (
            "[approvals]\nask = []\n",
            [f"let commands run unasked: {', '.join(Approvals().ask)}"],
        ),
        (
            f"[sandbox]\nreadable = {[f'/{n}' for n in range(20)]}\n",
            ["let commands read /0, /1, /2, /3, /4, /5, /6, /7, /8 and 11 more"],
        ),
    ],
)  # fmt: skip
def test_what_settings_take_away_is_told(tmp_path: Path, text: str, told: list[str]) -> None:
    assert config.weakened(config.load(write(tmp_path, text), {})) == told


SIMPLE, MEDIUM, COMPLEX = Complexity
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("level", list(Complexity))
def test_every_level_has_models_of_known_price(tmp_path: Path, key: str, level: Complexity) -> None:
    worlds, limits = config.assigned(config.load(tmp_path, {}), level, env={key: "k"})

    assert worlds[0].model != worlds[4].model
    for world in worlds:
        assert registry.check(world.model, {}, {key: "k"})
        worst = cost_usd(world.model, Usage(output_tokens=limits.max_tokens))
        assert worst is not None and worst < limits.cost_usd  # else no call would be begun


def test_harder_tasks_get_more(tmp_path: Path) -> None:
    settings, env = config.load(tmp_path, {}), {"ANTHROPIC_API_KEY": "k"}
    found = [config.assigned(settings, level, env=env) for level in Complexity]

    assert [worlds[0].model for worlds, _ in found] == [
        "anthropic/claude-haiku-5-5", "anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5"
    ]  # fmt: skip
    assert [worlds[2].effort for worlds, _ in found] == ["medium", "high", "high"]
    assert [limits.max_tokens for _, limits in found] == [8_000, 16_000, 32_000]
    assert found[1][0] == config.build_worlds(settings, env=env)


def test_what_a_person_has_named_is_not_replaced(tmp_path: Path) -> None:
    text = """
        model = "openai/gpt-6.1-sol"
        [worlds.gamma]
        model = "openai/gpt-5.5"
        effort = "low"
        [worlds.delta]
        temperature = 0.9
        [levels.complex]
        model = "openai/gpt-6-astra"
        temperature = 0.1
    """
    settings = config.load(write(tmp_path, text), {})
    worlds, limits = config.assigned(settings, COMPLEX, env={})
    alpha, _, gamma, delta, epsilon = worlds

    assert (alpha.model, epsilon.model) == ("openai/gpt-6.1-sol", "openai/gpt-6.1-terra")
    assert (gamma.model, gamma.effort) == ("openai/gpt-5.5", Effort.LOW)
    assert (delta.temperature, delta.effort) == (0.9, Effort.MEDIUM)
    assert (alpha.temperature, alpha.effort) == (0.4, Effort.MEDIUM)
    assert limits.max_tokens == 16_000  # who knows how many it takes?
    assert config.assigned(settings, SIMPLE, env={})[1].max_tokens == 8_000


def test_levels_of_the_settings(tmp_path: Path) -> None:
    text = """
        [limits]
        max_tokens = 20000
        [levels.simple]
        model = "anthropic/claude-haiku-4-5"
        effort = 0
        [levels.complex]
        max_tokens = 64000
    """
    settings, env = config.load(write(tmp_path, text), {}), {"ANTHROPIC_API_KEY": "k"}
    found = {level: config.assigned(settings, level, env=env) for level in Complexity}

    assert [limits.max_tokens for _, limits in found.values()] == [20_000, 20_000, 64_000]
    assert found[SIMPLE][0][0].model == "anthropic/claude-haiku-4-5"
    assert found[SIMPLE][0][0].effort == found[MEDIUM][0][0].effort
    assert found[MEDIUM][0][0].model == "anthropic/claude-sonnet-5-5"
