"""Every command of the race screen, once: bindings, footer, help and palette are made from it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from textual.binding import Binding, BindingType

from miyabi_tui.engine.state import RunState, WorldStatus
from miyabi_tui.screens.refusals import (
    at_work,
    why_no_podium,
    why_not_go_back,
    why_not_kill,
    why_not_pause,
    why_not_pick,
    why_not_tell,
)
from miyabi_tui.widgets.keyline import Hint
from miyabi_tui.widgets.words import asks_for_a_pick

if TYPE_CHECKING:
    from miyabi_tui.engine.state import WorldState


class Concern(StrEnum):
    """What a command is about; the help has a part for each."""

    WORLD = "The focused world"
    RACE = "The race"
    SCREEN = "The screen"


class Command(msgspec.Struct, frozen=True):
    """A key, the action behind it, its label (and a shorter one) and its help.

    Where the footer has no room, the highest `rank` goes first. `concern` is what it is about.
    """

    keys: str
    action: str
    label: str
    help: str
    title: str = ""
    shown: str = ""
    short: str = ""
    rank: int = 0
    concern: Concern = Concern.WORLD

    @property
    def key(self) -> str:
        """The key as people know it."""
        return self.shown or self.keys.split(",")[0]


_RACE, _SCREEN = Concern.RACE, Concern.SCREEN
COMMANDS = (
    Command("p", "pause", "pause", "Freeze it at once, or let it go on", "Pause / go on"),
    Command("k", "kill", "kill", "End it; r brings it back", "Kill the world", rank=1),
    Command("s", "tell", "tell", "Say something to it", "Tell the world", rank=1),
    Command(
        "r",
        "checkpoints",
        "checkpoints",
        "Go back to a checkpoint, or fork from one",
        "Checkpoints",
        short="steps",
        rank=2,
    ),
    Command(
        "w",
        "pick",
        "winner",
        "Make it the winner, after a look",
        "Pick as winner",
        short="win",
        rank=3,
    ),
    Command("d", "diff", "diff", "What it changed against the base", "Show the diff", rank=4),
    Command("z", "zoom", "zoom", "Read it: stream, diff, tests, score, cost …", "Zoom", rank=5),
    Command("slash", "search", "search", "Search its stream, all of it", "Search", "/", rank=9),
    Command("o", "edit", "edit", "Its worktree in $EDITOR, and back", "Open in $EDITOR", rank=9),
    Command("exclamation_mark", "shell", "shell", "A shell in its worktree", "Shell", "!", rank=9),
    Command("y", "copy", "copy", "Copy its branch, path, diff, output …", "Copy", rank=8),
    Command("a", "answer", "answer", "Answer what is asked", "Answer", concern=_RACE),
    Command("m", "merge", "merge", "Merge the winner", "Merge the winner", concern=_RACE),
    Command(
        "u",
        "undo",
        "undo",
        "Take back the last kill, choice or pause",
        "Undo",
        short="undo",
        rank=7,
        concern=_RACE,
    ),
    Command(
        "S",
        "tell_all",
        "tell all",
        "Say something to all at work",
        "Tell all",
        rank=9,
        concern=_RACE,
    ),
    Command(
        "c",
        "compare",
        "compare",
        "The worlds side by side, and any two of them",
        "Compare",
        rank=6,
        concern=_RACE,
    ),
    Command(
        "b",
        "podium",
        "podium",
        "When it is decided: the podium, and back",
        "Podium",
        rank=6,
        concern=_RACE,
    ),
    Command(
        "t", "timeline", "time line", "Every event of the run", "Time line", rank=8, concern=_RACE
    ),
    Command(
        "i", "issue", "issue", "The issue, its base and its run", "The issue", rank=8, concern=_RACE
    ),
    Command(
        "M",
        "mouse",
        "mouse",
        "Leave the mouse to the terminal, and back",
        "Mouse on / off",
        rank=9,
        concern=_SCREEN,
    ),
    Command("question_mark,f1", "help", "help", "All keys and signs", "Help", "?", concern=_SCREEN),
    Command("q", "leave", "quit", "Leave; asks while the race is on", "Quit", concern=_SCREEN),
)
DETACH = "Leave the screen; the race goes on without it"

MOVES = (
    ("1 … 9", "Turn to a world"),
    ("tab  shift+tab", "Turn to the next, the previous world; also ← →"),
    ("↑ ↓  pgup pgdn", "Scroll the stream; so does the wheel"),
    ("home  end", "Oldest line; newest line, and follow"),
    ("ctrl+p", "All commands and themes"),
    ("ctrl+c", "As q; twice leaves at once"),
    ("ctrl+z", "Stop, and the worlds with it, until fg (or bg)"),
    ("ctrl+l", "Paint the screen anew"),
)

READING = (
    (",  .", "Previous, next tab of a zoomed world; z goes back"),
    ("enter  space", "Fold the call, show its ends, show all of it"),
    ("[  ]  -  +", "Previous, next call; fold, unfold all"),
    ("n  N", "The next, the previous match of a search"),
    ("f  g", "The newest, and follow; the very first"),
)


def commands(attached: bool) -> tuple[Command, ...]:
    """All commands; leaving an engine in another process ends nothing."""
    return tuple(
        replace(one, label="detach", help=DETACH, title="Detach")
        if attached and one.action == "leave"
        else one
        for one in COMMANDS
    )


def bindings() -> list[BindingType]:
    """The key bindings of the race screen."""
    made: list[BindingType] = [
        Binding(one.keys, one.action, one.label, show=False) for one in COMMANDS
    ]
    made += [Binding(str(n), f"turn_to({n})", f"World {n}", show=False) for n in range(1, 10)]
    made += [
        Binding("tab,right,l", "turn(1)", "Next world", show=False),
        Binding("shift+tab,left,h", "turn(-1)", "Previous world", show=False),
        Binding("enter", "zoom_in", "Zoom", show=False),
        Binding("full_stop", "tab(1)", "Next tab", show=False),
        Binding("comma", "tab(-1)", "Previous tab", show=False),
        Binding("escape", "unzoom", "Back", show=False),
    ]
    made += [  # before the panes' own, where the podium lies over them
        Binding(key, f"podium_rows({rows})", "Scroll the podium", show=False, priority=True)
        for key, rows in (("up", -1), ("down", 1), ("pageup", -10), ("pagedown", 10))
    ]
    return made


def _of(run: RunState, world: WorldState) -> set[str]:
    """What can be done with this world now."""
    refused = {
        "pause": why_not_pause(run, world),
        "kill": why_not_kill(run, world),
        "checkpoints": why_not_go_back(run, world),
        "pick": why_not_pick(run, world),
        "tell": why_not_tell(run, world),
    }
    offered = {"zoom", "diff"} | {action for action, why_not in refused.items() if not why_not}
    if world.worktree_ready:
        offered |= {"edit", "shell", "copy"}
    if len(run.worlds) > 1:
        offered.add("compare")
    return offered


def hints(
    run: RunState,
    world: WorldState | None,
    zoomed: bool,
    attached: bool = False,
    *,
    undo: str = "",
) -> list[Hint]:
    """What the footer offers now: only what would do something."""
    offered = {"mouse", "help", "leave"} | ({"timeline", "issue"} if run.run_id else set())
    labels = {"zoom": "back" if zoomed else "zoom"}
    urgent = set()
    if world is not None:
        offered |= _of(run, world)
        if "pick" in offered and asks_for_a_pick(run):
            urgent.add("pick")
        if world.status is WorldStatus.PAUSED:
            labels["pause"] = "go on"
    if len(at_work(run)) > 1:
        offered.add("tell_all")
    if undo:
        offered.add("undo")
        labels["undo"] = f"undo {undo}"
    if run.questions:
        offered.add("answer")
        urgent.add("answer")
    if not why_no_podium(run):
        offered.add("podium")
    if run.merge_ready:
        offered.add("merge")
        urgent.add("merge")
    made = [
        Hint(
            one.key,
            labels.get(one.action, one.label),
            one.action,
            one.action in urgent,
            one.short,
            one.rank,
        )
        for one in commands(attached)
        if one.action in offered
    ]
    made.sort(key=lambda hint: not hint.urgent)
    if len(run.worlds) > 1:
        keys = f"{run.worlds[0].id.key}–{run.worlds[-1].id.key}"
        made.insert(len(urgent), Hint(keys, "world", "turn(1)", short="go", rank=6))
    return made
