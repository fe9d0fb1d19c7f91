"""How hard an issue looks (REQ-COST-5), by plain rules that each say why, and what follows from it.

Nobody is asked and nothing is learnt: the same issue in the same files always gives the same level.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.events import Complexity
from miyabi_tui.engine.worlds import Effort

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from miyabi_tui.engine.events import Issue
    from miyabi_tui.engine.terms import Limits
    from miyabi_tui.engine.worlds import WorldConfig, WorldId

SIMPLE_AT_MOST, COMPLEX_AT_LEAST = -3, 3
SHORT, LONG, VERY_LONG = 40, 400, 900  # words
A_LIST = 3  # points
HOTTEST = 2.0  # the highest temperature that any API takes

# A word that tells, as it begins; the points are for the first of them, and one for each further.
_EASY = (
    "typo|typos|misspell\\w*|spelling|rename[sd]?|wording|reword|comment|comments|docstring\\w*|"
    "docs|documentation|readme|changelog|broken link|bump|error message|log message"
)
_HARD = (
    "refactor\\w*|rewrit\\w*|redesign\\w*|re-?architect\\w*|architecture|migrat\\w*|"
    "concurren\\w*|race conditions?|deadlock\\w*|thread[- ]?safe\\w*|parallel\\w*|async\\w*|"
    "distributed|transaction\\w*|security|vulnerab\\w*|injection|authenti\\w*|authoriz\\w*|"
    "encrypt\\w*|performance|scalab\\w*|memory leak\\w*|protocol|schema|"
    "backwards?[- ]compatib\\w*"
)
_EASY_POINTS, _HARD_POINTS, _HARD_AT_MOST = -2, 2, 4
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_DEMAND = re.compile(r"(?m)^\s*(?:[-*+]|\d+[.)])\s+\S")
_PATH = re.compile(r"[\w./-]*\w\.\w+|\w[\w.-]*/[\w./-]*\w")


class Estimate(msgspec.Struct, frozen=True):
    """A level and why; `by_person` where it was set and not estimated."""

    level: Complexity
    reasons: tuple[str, ...]
    by_person: bool = False


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What tasks of one level are given; what is not said is as by default.

    `model`: PROVIDER/MODEL in place of the default one. `effort`: steps up or down from each
    world's own, -1 to 1. `temperature`: added to each world's own. `max_tokens` of one answer.
    """

    model: str = ""
    effort: Annotated[int, msgspec.Meta(ge=-1, le=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=-HOTTEST, le=HOTTEST)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


LEVELS = {
    Complexity.SIMPLE: Level(effort=-1, temperature=0.0, max_tokens=8_000),
    Complexity.MEDIUM: Level(effort=0, temperature=0.0, max_tokens=16_000),
    Complexity.COMPLEX: Level(effort=1, temperature=0.0, max_tokens=32_000),
}


def level_of(levels: Mapping[str, Level], complexity: Complexity) -> Level:
    """What the settings say of a level, and the defaults for the rest."""
    own, default = levels.get(complexity.value, Level()), LEVELS[complexity]
    return Level(
        model=own.model or default.model,
        effort=default.effort if own.effort is None else own.effort,
        temperature=default.temperature if own.temperature is None else own.temperature,
        max_tokens=own.max_tokens or default.max_tokens,
    )


# --- the estimate ---------------------------------------------------------------------------------


def chosen(setting: str, issue: Issue, files: Sequence[str]) -> Estimate:
    """The level that `setting` names, or for "auto" the estimate; see `estimate`."""
    if setting in set(Complexity):
        return Estimate(Complexity(setting), ("chosen by a person",), by_person=True)
    return estimate(issue, files)


def estimate(issue: Issue, files: Sequence[str]) -> Estimate:
    """How hard `issue` looks in a repository that holds `files` (paths, with slashes)."""
    # A text of one line is its own title.
    text = issue.text if issue.text == issue.title else f"{issue.title}\n{issue.text}"
    found = [*_rules(text, files)]
    points = sum(point for point, _ in found)
    level = Complexity.MEDIUM
    if points <= SIMPLE_AT_MOST:
        level = Complexity.SIMPLE
    elif points >= COMPLEX_AT_LEAST:
        level = Complexity.COMPLEX
    reasons = tuple(f"{reason} ({point:+d})" for point, reason in found)
    return Estimate(level, reasons or ("nothing tells that it is simple or complex",))


def _rules(text: str, files: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each rule that holds: its points, below zero for simple, and its reason."""
    prose = _CODE.sub(" ", text)  # what is pasted, output or code, is not what is demanded
    words = len(prose.split())
    hard, easy = _telling(_HARD, prose), _telling(_EASY, prose)
    demands = len(_DEMAND.findall(prose))
    if words >= VERY_LONG:
        yield 2, f"very long: {words} words"
    elif words >= LONG:
        yield 1, f"long: {words} words"
    elif words <= SHORT and not hard and demands < A_LIST:  # few words may ask for much work
        yield -1, f"short: {_count(words, 'word')}"
    if easy:
        yield _EASY_POINTS, f"says {', '.join(easy)}"
    if hard:
        yield min(_HARD_POINTS + len(hard) - 1, _HARD_AT_MOST), f"says {', '.join(hard)}"
    if demands >= A_LIST:
        yield 2 if demands >= 6 else 1, f"lists {demands} points"
    named = _named(text, files)
    if named == 1:
        yield -1, "names 1 file of the repository"
    elif named >= 4:
        yield 2 if named >= 8 else 1, f"names {named} files of the repository"


def _telling(words: str, prose: str) -> list[str]:
    """The telling words in the order in which they come, each root once."""
    found = (match[0].lower() for match in re.finditer(rf"(?i)\b(?:{words})\b", prose))
    first: dict[str, str] = {}
    for word in found:
        first.setdefault(word[:6], word)
    return list(first.values())


def _named(text: str, files: Sequence[str]) -> int:
    """How many of `files` the text names: by path, or by an end of it that no other file has."""
    mentioned = {word.removeprefix("./") for word in _PATH.findall(text)}
    names = {word.rpartition("/")[2] for word in mentioned}
    candidates = [file for file in files if file.rpartition("/")[2] in names]
    found = set()
    for word in mentioned:
        ends = [file for file in candidates if file == word or file.endswith(f"/{word}")]
        if word in ends:
            found.add(word)
        elif len(ends) == 1:
            found.add(ends[0])
    return len(found)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- what follows from it -------------------------------------------------------------------------


def applied(
    worlds: Sequence[WorldConfig],
    limits: Limits,
    level: Level,
    *,
    own_effort: Collection[WorldId] = (),
    own_temperature: Collection[WorldId] = (),
) -> tuple[tuple[WorldConfig, ...], Limits]:
    """The worlds and limits at a level. Its model is not looked at: that is chosen with the others.

    What a person has set for a world stays: its effort in the worlds of `own_effort`, temperature
    and with it the effort in those of `own_temperature`. No world becomes the same as another.
    """
    shifted = _shifted(worlds, level.effort or 0, {*own_effort, *own_temperature})
    warmed = tuple(
        world if world.id in own_temperature else _warmed(world, level.temperature or 0.0)
        for world in shifted
    )
    return warmed, replace(limits, max_tokens=level.max_tokens or limits.max_tokens)


def _shifted(
    worlds: Sequence[WorldConfig], steps: int, fixed: Collection[WorldId]
) -> tuple[WorldConfig, ...]:
    """The worlds with their efforts moved; one that would be the same as another stays.

    Those that are furthest on the way go first, and so make room for those behind.
    """
    efforts = list(Effort)
    done = {world.id: world for world in worlds if world.id in fixed}
    ahead = sorted(worlds, key=lambda world: efforts.index(world.effort), reverse=steps > 0)
    for world in ahead:
        if world.id in done:
            continue
        at = min(max(efforts.index(world.effort) + steps, 0), len(efforts) - 1)
        moved = replace(world, effort=efforts[at])
        same = any(_alike(moved, other) for other in done.values())
        done[world.id] = world if same else moved
    return tuple(done[world.id] for world in worlds)


def _alike(one: WorldConfig, other: WorldConfig) -> bool:
    """Whether a model that takes no temperature would be asked the same for both."""
    return all(
        getattr(one, field) == getattr(other, field)
        for field in ("model", "effort", "prompt", "instructions")
    )


def _warmed(world: WorldConfig, by: float) -> WorldConfig:
    return replace(world, temperature=round(min(max(world.temperature + by, 0.0), HOTTEST), 3))
