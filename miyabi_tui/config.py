"""The settings: one typed tree. Defaults < miyabi.toml or [tool.miyabi] < environment < flags."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import MergePolicy
from miyabi_tui.engine.models.registry import Kind, Provider
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.terms import Checkpoints, Limits
from miyabi_tui.engine.worlds import (
    FIVE,
    Effort,
    PromptVariant,
    WorldConfig,
    default_worlds,
    effort_for,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "miyabi.toml"
DEFAULT_MODELS = {
    # The provider whose key is there first decides; the alternative is another model of it.
    "ANTHROPIC_API_KEY": ("anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5"),
    "OPENAI_API_KEY": ("openai/gpt-6.1-sol", "openai/gpt-6.1-terra"),
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
    """

    model: str = ""
    alternative_model: str = ""
    merge: MergePolicy = MergePolicy.ASK
    target: str = ""
    prompts: str = ""
    env: tuple[str, ...] = ()
    test_seconds: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    commands: Commands = Commands()
    providers: dict[str, Provider] = {}
    worlds: dict[str, WorldSettings] = {}


def load(repo: Path, env: Mapping[str, str] | None = None) -> Settings:
    """The settings of a repository: its `miyabi.toml`, or [tool.miyabi] of its pyproject.toml.

    Raises:
        UsageError: a file is broken; the message names file, line and key.
    """
    data, file, text = _read(repo)
    for name in ("model", "alternative_model", "merge", "target"):
        variable = f"MIYABI_{name.upper()}"
        if value := (os.environ if env is None else env).get(variable):
            if name == "merge" and value not in set(MergePolicy):
                choices = ", ".join(MergePolicy)
                raise UsageError(f"{variable} is {value!r}", "", f"one of {choices}")
            data[name] = value
    try:
        settings = msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        raise _invalid(error, file, text) from error
    unknown = sorted(name for name in settings.worlds if name.title() not in FIVE)
    if unknown:
        raise UsageError(
            _place(file, text, ("worlds", unknown[0])) + f"there is no world {unknown[0]!r}",
            "",
            f"the worlds are {', '.join(world.lower() for world in FIVE)}",
        )
    return settings


def _read(repo: Path) -> tuple[dict[str, Any], Path, str]:
    own, project = repo / FILE, repo / "pyproject.toml"
    file = own if own.is_file() else project
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, own, ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", str(error)) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if file is project:  # somebody else's file: not ours to complain about
            return {}, own, ""
        line = re.search(r"line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else str(file)
        raise UsageError(f"{where} is not valid TOML", str(error), "mend that line") from error
    if file is project:
        data = data.get("tool", {}).get("miyabi", {})
    return data, file, text


def _invalid(error: msgspec.ValidationError, file: Path, text: str) -> UsageError:
    """`Expected `int`, got `str` - at `$.limits.steps`` with its file, line and key."""
    message, _, path = str(error).partition(" - at `$")
    keys = [key for key in re.split(r"\.|\[(?:\.\.\.|\d+)\]", path.rstrip("`")) if key]
    if unknown := re.search(r"unknown field `(\w+)`", message):
        keys.append(unknown[1])
        message = f"there is no setting {unknown[1]!r}"
    choices = _CHOICES.get(keys[-1] if keys else "")
    next_step = f"one of {', '.join(choices)}" if choices else "see the settings in the README"
    return UsageError(f"{_place(file, text, tuple(keys))}{message}", "", next_step)


_CHOICES: dict[str, tuple[str, ...]] = {
    "merge": tuple(MergePolicy),
    "effort": tuple(Effort),
    "prompt": tuple(PromptVariant),
    "kind": tuple(Kind),
}


def _place(file: Path, text: str, keys: tuple[str, ...]) -> str:
    """`file:line: key: `, as near to `keys` as the text allows.

    msgspec writes […] for the key of a mapping, so `worlds.alpha.effort` is found by its ends.
    """
    found, table, best = ".".join(keys), "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = header[1].replace('"', "").removeprefix("tool.miyabi").lstrip(".")
            full = table
        elif pair := re.match(r"\s*([\w.\"-]+)\s*=", line):
            full = f"{table}.{pair[1]}".strip(".").replace('"', "")
        else:
            continue
        if not best and _matches(full, keys):
            found, best = full, number
    return f"{file}:{best}: {found}: " if best else f"{file}: {found}: "


def _matches(full: str, keys: tuple[str, ...]) -> bool:
    """Whether the dotted name has all of `keys` in order, and ends with the last."""
    parts = iter(full.split("."))
    return all(key in parts for key in keys) and full.split(".")[-1:] == list(keys[-1:])


def resolve_models(settings: Settings, env: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The model and the alternative model: as set, else by the first key that is there."""
    source = os.environ if env is None else env
    present = [models for name, models in DEFAULT_MODELS.items() if source.get(name)]
    model, alternative = (present or list(DEFAULT_MODELS.values()))[0]
    chosen = settings.model or model
    if settings.model and not settings.alternative_model:
        pair = next((two for two in DEFAULT_MODELS.values() if chosen in two), None)
        other = next((name for name in pair or () if name != chosen), chosen)
        return chosen, other
    return chosen, settings.alternative_model or alternative


def build_worlds(
    settings: Settings, only: tuple[str, ...] = (), env: Mapping[str, str] | None = None
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
    model, alternative = resolve_models(settings, env)
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
