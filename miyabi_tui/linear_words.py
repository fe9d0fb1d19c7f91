"""The words of `--linear`: what can be typed, and which world is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState, WorldState

HELP = (
    ("status", "how each world stands, in lines"),
    ("questions", "what is asked, with the numbers of the choices"),
    ("answer 1", "take choice 1; an amount of dollars may follow"),
    ("pause beta", "freeze a world at once"),
    ("go beta", "let a paused world go on"),
    ("kill beta", "end a world, after a question; yes behind it answers that"),
    ("tell beta …", "say something to a world; tell all … to all at work"),
    ("winner alpha", "make a world the winner, after a question"),
    ("merge", "merge the winner"),
    ("undo", "take back the last kill, choice or pause"),
    ("steps beta", "the checkpoints of a world"),
    ("back beta 3", "take a world back to its checkpoint after step 3"),
    ("fork beta 3 …", "one world more from there; what follows is said to it"),
    ("score beta", "its points in five parts, and why each lost one is"),
    ("tests beta", "which of its tests pass and which fail"),
    ("cost beta", "its dollars, tokens and waits, and what each step cost"),
    ("compare", "the worlds side by side; compare alpha beta: those two, and their diff"),
    ("events 50", "the newest 50 events of the run; without a number 20"),
    ("diff beta", "what a world changed against the base"),
    ("output beta", "what its last command printed"),
    ("path beta", "where its files are, and its branch"),
    ("edit beta", "its worktree in $EDITOR; the lines wait until you are back"),
    ("shell beta", "a shell in its worktree, likewise; exit comes back"),
    ("issue", "the text of the issue"),
    ("quit", "leave, after a question while the race is on"),
)
ALL = "all"


def help_lines() -> list[str]:
    """All commands; a world is meant by its name, the beginning of it, or its digit."""
    lines = [f"{words}: {about}" for words, about in HELP]
    return [*lines, "A world is beta, bet or 2."]


def world_of(word: str, run: RunState) -> WorldState | None:
    """The world that is meant, if exactly one is."""
    found = [
        one
        for one in run.worlds
        if word == one.id.key or (word and one.id.value.lower().startswith(word.lower()))
    ]
    exact = [one for one in found if one.id.value.lower() == word.lower()]
    found = exact or found
    return found[0] if len(found) == 1 else None


def worlds_named(run: RunState) -> str:
    """All worlds, as they can be typed."""
    return ", ".join(f"{one.id.key} {one.id.value.lower()}" for one in run.worlds) or "none yet"


def status_lines(run: RunState) -> list[str]:
    """How it stands: the run, then each world by rank, one line each."""
    winner = f", winner {run.winner}" if run.winner else ""
    lines = [f"{run.phase}{winner}, ${run.meter_usd:.2f} spent"]
    lines += [_standing(world) for world in run.ranking]
    if run.questions:
        asked = len(run.questions)
        lines.append(f"{asked} question{'s' * (asked > 1)}: see questions")
    if run.merge_ready:
        lines.append(f"{run.winner} waits to be merged: merge")
    return lines


def _standing(world: WorldState) -> str:
    """One world in one line."""
    parts = [f"{world.id}: {world.status}"]
    if world.reason:
        parts.append(world.reason)
    if world.step:
        parts.append(f"step {world.step}")
    if world.doing and not world.ended:
        parts.append(world.doing)
    if world.waiting:
        parts.append(f"waits: {world.waiting}")
    if world.score is not None:
        parts.append(f"{world.score.total:g} points")
    if world.ineligible:
        parts.append(f"may not win: {world.ineligible[0]}")
    if world.changed_lines:
        parts.append(f"+{world.lines_added} −{world.lines_deleted}")
    parts.append(f"${world.meter_usd:.2f}")
    return ", ".join(parts)
