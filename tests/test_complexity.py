"""How hard an issue looks, why, and what the worlds of each level race with."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.costs.complexity import (
    LEVELS,
    Level,
    applied,
    chosen,
    estimate,
    level_of,
)
from miyabi_tui.engine.events import Complexity, Issue
from miyabi_tui.engine.terms import Limits
from miyabi_tui.engine.worlds import (
    Effort,
    PromptVariant,
    WorldConfig,
    WorldId,
    default_worlds,
)

FILES = (
    "README.md",
    "docs/README.md",
    "tally/__init__.py",
    "tally/store.py",
    "tally/report.py",
    "tally/cli.py",
    "tally/text.py",
    "tests/__init__.py",
    "tests/test_store.py",
)
FIVE = default_worlds("a/main", "a/other")
SIMPLE, MEDIUM, COMPLEX = Complexity


def issue(title: str, text: str = "") -> Issue:
    return Issue("issue-1", title, text)


@pytest.mark.parametrize(
    ("title", "text", "level"),
    [
        ("Fix a typo in the usage line", "", SIMPLE),
        ("Rename `spent` to `worked`", "Everywhere in tally/report.py.", SIMPLE),
        ("Docs", "The README.md should say that entries past midnight work. " * 5, SIMPLE),
        ("Durations like 1h30 are read as 1h 3m", "", MEDIUM),
        ("store.py fails on an empty file", "```\nTraceback: redesign, migrate\n```", MEDIUM),
        ("Escape names against injection in the report", "", MEDIUM),
        ("Refactor the docs", "", MEDIUM),
        ("Rewrite the store for concurrent writers", "", COMPLEX),
        ("Migrate", "The schema needs a new column.\n\n- one\n- two\n- three\n", COMPLEX),
        ("Several things", "- do this\n" * 6 + "in store.py, report.py, cli.py, text.py", COMPLEX),
    ],
)
def test_the_level_of_an_issue(title: str, text: str, level: Complexity) -> None:
    assert estimate(issue(title, text), FILES).level is level


def test_every_point_has_its_reason_in_words() -> None:
    text = "In tally/store.py, report.py, ./tally/cli.py and text.py; __init__.py, no.py.\n" + (
        "1. this\n2. that\n3. more\n" + "word " * 500
    )

    assert estimate(issue("Refactor and migrate; fix typos", text), FILES).reasons == (
        "long: 519 words (+1)",
        "says typos (-2)",
        "says refactor, migrate (+3)",
        "lists 3 points (+1)",
        "names 4 files of the repository (+1)",
    )
    nothing = estimate(issue("word " * 100), FILES)
    assert nothing.reasons == ("nothing tells that it is simple or complex",)


@pytest.mark.parametrize("level", list(Complexity))
def test_a_person_can_say_the_level(level: Complexity) -> None:
    said = chosen(level.value, issue("Fix a typo"), FILES)

    assert (said.level, said.by_person) == (level, True)
    assert chosen("auto", issue("Fix a typo"), FILES) == estimate(issue("Fix a typo"), FILES)


def efforts(worlds: tuple[WorldConfig, ...]) -> list[str]:
    return [world.effort.value for world in worlds]


def test_levels_change_efforts_and_tokens_and_leave_five_different_worlds() -> None:
    limits = Limits(steps=7)
    simple, few = applied(FIVE, limits, LEVELS[SIMPLE])
    medium, some = applied(FIVE, limits, LEVELS[MEDIUM])
    complex_, many = applied(FIVE, limits, LEVELS[COMPLEX])

    assert [one.max_tokens for one in (few, some, many)] == [8_000, 16_000, 32_000]
    assert {one.steps for one in (few, some, many)} == {7}
    assert medium == FIVE
    # Beta stays: at low it would be Alpha again, for a model that takes no temperature.
    assert efforts(simple) == ["low", "medium", "medium", "low", "low"]
    assert efforts(complex_) == ["medium", "high", "high", "high", "high"]


def test_what_a_world_has_of_its_own_stays() -> None:
    level = Level(effort=1, temperature=0.5, max_tokens=5)

    worlds, _ = applied(
        FIVE, Limits(), level, own_effort={WorldId.ALPHA}, own_temperature={WorldId.DELTA}
    )

    assert efforts(worlds) == ["low", "high", "high", "medium", "high"]
    assert [world.temperature for world in worlds] == [0.8, 1.2, 1.7, 0.7, 1.2]


def test_temperatures_stay_where_an_api_takes_them() -> None:
    cold, _ = applied(FIVE, Limits(), Level(temperature=-1.0))
    hot, _ = applied(FIVE, Limits(), Level(temperature=1.5))

    assert [world.temperature for world in cold] == [0.0, 0.0, 0.2, 0.0, 0.0]
    assert {world.temperature for world in hot} == {1.8, 2.0}


def test_a_level_of_the_settings_changes_only_what_it_says() -> None:
    level = level_of({"simple": Level(model="x/y", effort=0)}, SIMPLE)

    assert level == Level(model="x/y", effort=0, temperature=0.0, max_tokens=8_000)
    assert level_of({}, COMPLEX) == LEVELS[COMPLEX]


WORLDS = st.lists(
    st.builds(
        lambda model, effort, prompt: (model, effort, prompt),
        st.sampled_from(["a", "b"]),
        st.sampled_from(list(Effort)),
        st.sampled_from(list(PromptVariant)[:2]),
    ),
    min_size=2,
    max_size=9,
    unique=True,
)


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(WORLDS, st.sampled_from([-1, 0, 1]), st.sets(st.sampled_from(list(WorldId))))
def test_different_worlds_stay_different(
    given: list[tuple[str, Effort, PromptVariant]], effort: int, fixed: set[WorldId]
) -> None:
    worlds = tuple(
        WorldConfig(id=world, model=model, temperature=0.7, effort=own, prompt=prompt)
        for world, (model, own, prompt) in zip(WorldId, given, strict=False)
    )

    shifted, _ = applied(worlds, Limits(), Level(effort=effort), own_effort=fixed)

    assert len({(world.model, world.effort, world.prompt) for world in shifted}) == len(worlds)
    assert all(a == b for a, b in zip(worlds, shifted, strict=True) if a.id in fixed)
