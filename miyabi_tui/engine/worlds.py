"""The worlds: who races, with which model, effort, temperature and prompt."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class WorldId(StrEnum):
    """The worlds in the order in which they are shown: the five, then those that fork from them."""

    ALPHA = "Alpha"
    BETA = "Beta"
    GAMMA = "Gamma"
    DELTA = "Delta"
    EPSILON = "Epsilon"
    ZETA = "Zeta"
    ETA = "Eta"
    THETA = "Theta"
    IOTA = "Iota"

    @property
    def key(self) -> str:
        """The digit key that focuses this world, "1" to "9"."""
        return str(list(WorldId).index(self) + 1)


FIVE = (WorldId.ALPHA, WorldId.BETA, WorldId.GAMMA, WorldId.DELTA, WorldId.EPSILON)


class PromptVariant(StrEnum):
    """Which of the strategies in `engine/agents/prompts/` a world follows."""

    STANDARD = "standard"
    ALTERNATIVE_A = "alternative-a"
    ALTERNATIVE_B = "alternative-b"


class Effort(StrEnum):
    """How hard a model is asked to think, where the provider takes an effort."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def less(self) -> Effort:
        """The next lower effort, or the lowest."""
        return list(Effort)[max(0, list(Effort).index(self) - 1)]


class WorldConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What one world races with.

    `model` is `PROVIDER/MODEL`. `temperature` is sent only where the model takes one; elsewhere
    `effort` and the prompt carry the diversity, and the pane shows what was really sent.
    """

    id: WorldId
    model: str
    temperature: float
    effort: Effort
    prompt: PromptVariant = PromptVariant.STANDARD
    instructions: str = ""
    worktree: str = ""
    branch: str = ""


def effort_for(temperature: float) -> Effort:
    """The effort that stands for a temperature: 0.3 low, 0.7 medium, 1.2 high."""
    if temperature < 0.5:
        return Effort.LOW
    return Effort.MEDIUM if temperature < 1.0 else Effort.HIGH


def default_worlds(model: str, alternative_model: str) -> tuple[WorldConfig, ...]:
    """The five defaults of CR-1, racing `model`, and `alternative_model` in Epsilon."""
    table = (
        (WorldId.ALPHA, model, 0.3, PromptVariant.STANDARD),
        (WorldId.BETA, model, 0.7, PromptVariant.STANDARD),
        (WorldId.GAMMA, model, 1.2, PromptVariant.ALTERNATIVE_B),
        (WorldId.DELTA, model, 0.7, PromptVariant.ALTERNATIVE_A),
        (WorldId.EPSILON, alternative_model, 0.7, PromptVariant.STANDARD),
    )
    return tuple(
        WorldConfig(
            id=world,
            model=name,
            temperature=temperature,
            effort=effort_for(temperature),
            prompt=prompt,
        )
        for world, name, temperature, prompt in table
    )
