"""The prompts, kept in files that a person can read and edit: `agents/prompts/*.md`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from miyabi_tui.engine.events import Issue
    from miyabi_tui.engine.worlds import WorldConfig

CORRECTION = (
    "Your last answer called no tool. Call at least one of the tools, or call `finish` with a "
    "summary if the work is done."
)


def system_prompt(world: WorldConfig, worktree: Path, folder: str = "") -> str:
    """What a world's model is told about itself; `folder` may hold a person's own versions.

    Raises:
        UsageError: a prompt file cannot be read.
    """
    common = _read("common", folder)  # a person's own text may hold other braces
    common = common.replace("{world}", world.id.value).replace("{worktree}", str(worktree))
    parts = [common, _read(world.prompt.value, folder), world.instructions]
    return "\n".join(part.strip() + "\n" for part in parts if part.strip())


def first_message(issue: Issue) -> str:
    """The issue, as the first message of a conversation."""
    name = f"#{issue.number} " if issue.number is not None else ""
    return f"Issue {name}— {issue.title}\n\n{issue.text.strip()}\n"


def _read(name: str, folder: str) -> str:
    own = Path(folder, f"{name}.md") if folder else None
    try:
        if own is not None and own.is_file():
            return own.read_text(encoding="utf-8")
        prompts = resources.files("miyabi_tui.engine.agents") / "prompts"
        return (prompts / f"{name}.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the prompt {own or name}", str(error)) from error
