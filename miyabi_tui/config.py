"""The settings: one typed tree. Defaults < miyabi.toml or [tool.miyabi] < environment < flags."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from miyabi_tui.engine.costs.complexity import Level, applied, level_of
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Complexity, MergePolicy
from miyabi_tui.engine.models.registry import PROVIDERS, Kind, Provider, completed
from miyabi_tui.engine.sandbox.base import EVERYWHERE
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.terms import (
    Approvals,
    Breaker,
    Budgets,
    Cache,
    Checkpoints,
    Fallback,
    Governing,
    Isolation,
    Limits,
    Positive,
    Price,
    Retry,
    Sandboxing,
    Strategy,
    Termination,
)
from miyabi_tui.engine.worlds import (
    FIVE,
    Effort,
    PromptVariant,
    WorldConfig,
    WorldId,
    default_worlds,
    effort_for,
)
from miyabi_tui.screen_settings import CHOICES as SCREEN_CHOICES
from miyabi_tui.screen_settings import Screen
from miyabi_tui.screen_settings import said as screen_said
from miyabi_tui.settings_file import FILE, SettingsFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["FILE", "Settings", "WorldSettings", "assigned", "build_worlds", "load", "weakened"]

AUTO = "auto"
LISTED = 9  # names in one line
# The provider whose key is there first decides; the alternative is another model of it. OpenAI's
# dearer gpt-6-astra is nobody's default: one whole answer of it costs more than a world may.
DEFAULT_MODELS = {
    "ANTHROPIC_API_KEY": {
        Complexity.MEDIUM: ("anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5"),
        Complexity.SIMPLE: ("anthropic/claude-haiku-5-5", "anthropic/claude-sonnet-5-5"),
        Complexity.COMPLEX: ("anthropic/claude-opus-5-5", "anthropic/claude-sonnet-5-5"),
    },
    "OPENAI_API_KEY": {
        Complexity.MEDIUM: ("openai/gpt-6.1-sol", "openai/gpt-6.1-terra"),
        Complexity.SIMPLE: ("openai/gpt-6.1-terra", "openai/gpt-6-luna"),
        Complexity.COMPLEX: ("openai/gpt-6.1-sol", "openai/gpt-6.1-terra"),
    },
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "merge": tuple(MergePolicy),
    "effort": tuple(Effort),
    "prompt": tuple(PromptVariant),
    "kind": tuple(Kind),
    "levels.effort": ("-1", "0", "1"),
    "complexity": (AUTO, *Complexity),
    "on_failure": tuple(Strategy),
    "isolation": tuple(Isolation),
    **{f"screen.{name}": choices for name, choices in SCREEN_CHOICES.items()},
}


class WorldSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one world does differently from its default."""

    model: str = ""
    temperature: float | None = None
    effort: Effort | None = None
    prompt: PromptVariant | None = None
    instructions: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set, with its default.

    `model`, `alternative_model`: PROVIDER/MODEL; empty picks by the key that is there.
    `merge`: what happens to the winner. `target`: the branch to merge into; empty makes a new one.
    `prompts`: a folder with your own versions of the prompt files, relative to the repository.
    `env`: further environment variables (patterns) that commands may see; never keys.
    `test_seconds`: the time limit of each build, test, lint and scan.
    `complexity`: "auto" estimates how hard an issue is; `levels` say what each level races with.
    `on_failure`: what is tried, one after another, when too few worlds succeed; see `fallback`.
    `prices`: by PROVIDER/MODEL, in place of the price list's.
    `isolation`: what keeps commands apart from the machine; `sandbox` what they may use and reach.
    `governor`: how much heavy work runs at once. `approvals`: which commands are asked about.
    `screen`: how the screen looks.
    """

    model: str = ""
    alternative_model: str = ""
    merge: MergePolicy = MergePolicy.ASK
    target: str = ""
    prompts: str = ""
    env: tuple[str, ...] = ()
    test_seconds: Positive = 600.0
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    commands: Commands = Commands()
    providers: dict[str, Provider] = {}
    worlds: dict[str, WorldSettings] = {}
    complexity: Literal["auto", "simple", "medium", "complex"] = "auto"
    levels: dict[str, Level] = {}
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    budgets: Budgets = Budgets()
    cache: Cache = Cache()
    prices: dict[str, Price] = {}
    termination: Termination = Termination()
    on_failure: tuple[Strategy, ...] = (Strategy.WAIT_FOR_HUMAN,)
    fallback: Fallback = Fallback()
    isolation: Isolation = Isolation.AUTO
    sandbox: Sandboxing = Sandboxing()
    governor: Governing = Governing()
    approvals: Approvals = Approvals()
    screen: Screen = Screen()


def load(repo: Path, env: Mapping[str, str] | None = None) -> Settings:
    """The settings of a repository: its `miyabi.toml`, or [tool.miyabi] of its pyproject.toml.

    Raises:
        UsageError: a file is broken; the message names file, line and key.
    """
    file = SettingsFile(repo)
    data = file.data
    _from_environment(data, os.environ if env is None else env)
    _filled(data)
    try:
        settings = msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        raise file.invalid(error, _CHOICES, _culprit(data, error)) from error
    _check(settings, file)
    providers = {name: completed(name, one) for name, one in settings.providers.items()}
    return msgspec.structs.replace(settings, providers=providers)


def _culprit(data: dict[str, Any], error: msgspec.ValidationError) -> str:
    """The name that msgspec leaves out: of the world, level, provider or price that is wrong."""
    table = re.search(r"`\$\.(\w+)\[\.\.\.\]", str(error))
    if table is None or not isinstance(entries := data.get(table[1]), dict):
        return ""
    for name, one in entries.items():
        try:
            msgspec.convert({table[1]: {name: one}}, Settings)
        except msgspec.ValidationError:
            return str(name)
    return ""


def _from_environment(data: dict[str, Any], env: Mapping[str, str]) -> None:
    """Put what the environment says over what the file does.

    Raises:
        UsageError: a variable holds what it cannot.
    """
    for name in ("model", "alternative_model", "merge", "target", "complexity", "isolation"):
        variable = f"MIYABI_{name.upper()}"
        if value := env.get(variable):
            if value not in _CHOICES.get(name, (value,)):
                choices = ", ".join(_CHOICES[name])
                raise UsageError(f"{variable} is {value!r}", "", f"one of {choices}")
            data[name] = value
    if value := env.get("MIYABI_BUDGET"):
        budgets = data.setdefault("budgets", {})
        if isinstance(budgets, dict):  # what else it is, is told with its place
            budgets["issue_usd"] = _dollars("MIYABI_BUDGET", value)
    if (found := screen_said(env)) and isinstance(screen := data.setdefault("screen", {}), dict):
        screen.update(found)


def _dollars(variable: str, value: str) -> float:
    try:
        number = float(value.removeprefix("$"))
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UsageError(
            f"{variable} is {value!r}", "", "a number of US dollars for an issue; 0 is no budget"
        )
    return number


def _filled(data: dict[str, Any]) -> None:
    """Fill in what follows from what is written; what is no table is left to be told as wrong."""
    providers = data.get("providers")
    for name, table in providers.items() if isinstance(providers, dict) else ():
        if isinstance(table, dict) and name in PROVIDERS:
            table.setdefault("kind", PROVIDERS[name].kind.value)
    limits = data.get("limits")
    if isinstance(limits, dict) and "max_tokens" in limits:  # said for all levels
        levels = data.setdefault("levels", {})
        for name in Complexity if isinstance(levels, dict) else ():
            if isinstance(table := levels.setdefault(name.value, {}), dict):
                table.setdefault("max_tokens", limits["max_tokens"])


def _check(settings: Settings, file: SettingsFile) -> None:
    """What the types cannot say.

    Raises:
        UsageError: an unknown name, no host, or a strategy without what it needs.
    """
    worlds = {world.lower() for world in FIVE}
    for name in sorted(name for name in settings.worlds if name.lower() not in worlds):
        names = ", ".join(world.lower() for world in FIVE)
        place = file.place("worlds", name)
        raise UsageError(f"{place}there is no world {name!r}", "", f"the worlds are {names}")
    for name in sorted(settings.levels.keys() - set(Complexity)):
        place = file.place("levels", name)
        raise UsageError(
            f"{place}there is no level {name!r}", "", f"the levels are {', '.join(Complexity)}"
        )
    for name in settings.prices:
        if not all(name.partition("/")):
            place = file.place("prices", *name.split("."))
            raise UsageError(
                f"{place}a price is for one model", "", 'write [prices."PROVIDER/MODEL"]'
            )
    _check_hosts(settings.sandbox.network, file)
    if Strategy.SWITCH_MODEL in settings.on_failure and not settings.fallback.model:
        raise UsageError(
            f"{file.place('on_failure')}switch_model needs a model to switch to",
            "",
            'set it: [fallback] model = "PROVIDER/MODEL"',
        )


def _check_hosts(hosts: tuple[str, ...], file: SettingsFile) -> None:
    """Each entry alone, so that it is told which is no host.

    Raises:
        UsageError: one is none.
    """
    from miyabi_tui.engine.sandbox.allowed import AllowList

    for host in hosts:
        try:
            AllowList((host,))
        except UsageError as error:
            place = file.place("sandbox", "network")
            raise UsageError(f"{place}{host!r} is no host", "", error.next_step) from error


def weakened(settings: Settings) -> list[str]:
    """What settings take away of what keeps commands apart: a repository's own need a look."""
    sandbox, approvals = settings.sandbox, settings.approvals
    unasked = [one for one in Approvals().ask if one not in (*approvals.ask, *approvals.deny)]
    everywhere = EVERYWHERE in sandbox.network
    found = {
        "run commands as processes of this machine": settings.isolation is Isolation.PROCESS,
        "let commands reach every host": everywhere,
        f"let commands reach {_listed(sandbox.network)}": sandbox.network and not everywhere,
        f"let commands read {_listed(sandbox.readable)}": sandbox.readable,
        f"let commands see the variables {_listed(settings.env)}": settings.env,
        f"run commands in the image {_listed((sandbox.image,))}": sandbox.image,
        f"run commands in an image made from {_listed((sandbox.dockerfile,))}": sandbox.dockerfile,
        f"let commands run unasked: {_listed(unasked)}": unasked,
    }
    return [text for text, holds in found.items() if holds]


def _listed(names: Sequence[str]) -> str:
    """The first few of them, in one line that does nothing to a terminal."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    text = ", ".join(names[:LISTED]) + more
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def resolve_models(
    settings: Settings,
    env: Mapping[str, str] | None = None,
    complexity: Complexity = Complexity.MEDIUM,
) -> tuple[str, str]:
    """The model and the alternative one: as set, else of the level, by the first key there is."""
    source = os.environ if env is None else env
    present = [models for name, models in DEFAULT_MODELS.items() if source.get(name)]
    model, alternative = (present or list(DEFAULT_MODELS.values()))[0][complexity]
    if named := settings.model or level_of(settings.levels, complexity).model:
        pairs = (two for models in DEFAULT_MODELS.values() for two in models.values())
        pair = next((two for two in pairs if named in two), ())
        model, alternative = named, next((name for name in pair if name != named), named)
    return model, settings.alternative_model or alternative


def assigned(
    settings: Settings,
    complexity: Complexity,
    only: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[tuple[WorldConfig, ...], Limits]:
    """The worlds that race on a task of this complexity, and their limits.

    A model that a person has named may take fewer tokens than ours: its limit is not raised for a
    complex task, unless `levels` say so.

    Raises:
        UsageError: `only` names a world that does not exist.
    """
    own = {WorldId(name.title()): change for name, change in settings.worlds.items()}
    level = level_of(settings.levels, complexity)
    said = settings.levels.get(complexity.value, Level()).max_tokens is not None
    named = settings.model or settings.alternative_model or any(one.model for one in own.values())
    if (named or level.model) and not said:
        at_most = settings.limits.max_tokens
        level = msgspec.structs.replace(level, max_tokens=min(level.max_tokens or at_most, at_most))
    return applied(
        build_worlds(settings, only, env, complexity),
        settings.limits,
        level,
        own_effort={world for world, one in own.items() if one.effort is not None},
        own_temperature={world for world, one in own.items() if one.temperature is not None},
    )


def build_worlds(
    settings: Settings,
    only: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    complexity: Complexity = Complexity.MEDIUM,
) -> tuple[WorldConfig, ...]:
    """The worlds that race: the five defaults, changed by the settings, reduced to `only`.

    Raises:
        UsageError: `only` names a world that does not exist.
    """
    names = {world.value.lower(): world for world in FIVE}
    for name in only:
        if name.lower() not in names:
            raise UsageError(
                f"there is no world {name!r}", "", f"the worlds are {', '.join(names)}"
            )
    wanted = {names[name.lower()] for name in only} or set(FIVE)
    changes = {name.lower(): change for name, change in settings.worlds.items()}
    model, alternative = resolve_models(settings, env, complexity)
    return tuple(
        _changed(world, changes.get(world.id.value.lower(), WorldSettings()))
        for world in default_worlds(model, alternative)
        if world.id in wanted
    )


def _changed(world: WorldConfig, change: WorldSettings) -> WorldConfig:
    temperature = world.temperature if change.temperature is None else change.temperature
    return msgspec.structs.replace(
        world,
        model=change.model or world.model,
        temperature=temperature,
        effort=change.effort or effort_for(temperature),
        prompt=change.prompt or world.prompt,
        instructions=change.instructions,
    )
