"""The prompts: files that a person can read and replace."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from miyabi_tui.engine.agents.prompting import first_message, system_prompt
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.events import Issue
from miyabi_tui.engine.worlds import default_worlds

WORLDS = default_worlds("a/b", "c/d")
ALPHA = WORLDS[0]


def test_every_world_is_told_who_and_where_it_is() -> None:
    prompts = {world.prompt: system_prompt(world, Path("/w/tree")) for world in WORLDS}
    assert len(set(prompts.values())) == 3
    for world in WORLDS:
        prompt = system_prompt(world, Path("/w/tree"))
        assert f"World: {world.id}. Working directory: /w/tree." in prompt
        assert "{" not in prompt


def test_a_persons_own_prompts_may_hold_braces(tmp_path: Path) -> None:
    (tmp_path / "common.md").write_text('I am {world}. Answer {"like": "this"} or {} or }{.')
    world = msgspec.structs.replace(ALPHA, instructions="Speak softly. {x}")
    prompt = system_prompt(world, Path("/w"), str(tmp_path))
    assert prompt.startswith('I am Alpha. Answer {"like": "this"} or {} or }{.\n')
    assert "Work in this order" in prompt  # the other files are miyabi's
    assert prompt.endswith("Speak softly. {x}\n")


def test_a_prompt_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "standard.md").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"cannot read the prompt .*standard\.md"):
        system_prompt(ALPHA, Path("/w"), str(tmp_path))


@pytest.mark.parametrize(
    ("number", "text"),
    [(270, "Issue #270 — Wrong\n\nIt is.\n"), (None, "Issue — Wrong\n\nIt is.\n")],
)
def test_the_issue_comes_first(number: int | None, text: str) -> None:
    assert first_message(Issue("issue", "Wrong", " It is.\n\n", number)) == text
