"""What a replay can do, once: its bindings, its footer, its help and its palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.binding import Binding, BindingType

from miyabi_tui.screens.commands import Command, commands
from miyabi_tui.screens.doing import Doing
from miyabi_tui.screens.race_base import RaceBase
from miyabi_tui.widgets.keyline import Hint

if TYPE_CHECKING:
    from miyabi_tui.engine.state import RunState

REPLAY = (
    Command(
        "space", "play", "play", "Play, or stand still; at the end, play again", "Play / pause"
    ),
    Command(
        "right_parenthesis,shift+right", "seconds(10)", "", "10 seconds on", "10 seconds on", ")"
    ),
    Command(
        "left_parenthesis,shift+left", "seconds(-10)", "", "10 seconds back", "10 seconds back", "("
    ),
    Command(
        "right_square_bracket",
        "mark(1)",
        "",
        "To the next checkpoint of the world, or phase",
        "Next checkpoint or phase",
        "]",
    ),
    Command(
        "left_square_bracket",
        "mark(-1)",
        "",
        "To the one before",
        "Previous checkpoint or phase",
        "[",
    ),
    Command(
        "right_curly_bracket",
        "phase(1)",
        "",
        "To the next phase; ctrl+end: the end",
        "Next phase",
        "}",
    ),
    Command(
        "left_curly_bracket",
        "phase(-1)",
        "",
        "To the one before; ctrl+home: the start",
        "Previous phase",
        "{",
    ),
    Command(
        "v",
        "divergence",
        "",
        "To where two worlds first differ, and back",
        "First divergence",
    ),
    Command(
        "backspace",
        "back",
        "",
        "Back to before the last jump",
        "Back to before the last jump",
        "bksp",
    ),
    Command(
        "number_sign", "event", "", "To an event by its number, or a time", "Go to an event", "#"
    ),
    Command("greater_than_sign,plus", "speed(1)", "", "Quicker", "Play quicker", ">"),
    Command("less_than_sign,minus", "speed(-1)", "", "Slower", "Play slower", "<"),
)
LEAVE = "Leave the replay"


def steering() -> tuple[str, ...]:
    """The actions of the race screen that steer an engine: all of `Doing`, and going back."""
    parts = [part for part in Doing.__mro__ if part not in RaceBase.__mro__]
    found = [name for part in parts for name in vars(part) if name.startswith("action_")]
    return (*(name for name in found if name != "action_leave"), "action_checkpoints")


def looking() -> tuple[Command, ...]:
    """The commands of the race that only look."""
    refused = steering()
    left = [one for one in commands(False) if f"action_{one.action}" not in refused]
    return tuple(replace(one, help=LEAVE) if one.action == "leave" else one for one in left)


def replay_bindings() -> list[BindingType]:
    """The replay's own keys, over those of the race."""
    made: list[BindingType] = [
        Binding(one.keys, one.action, one.title, show=False) for one in REPLAY
    ]
    made += [
        Binding("ctrl+home", "start", "To the start", show=False),
        Binding("ctrl+end", "end", "To the end", show=False),
    ]
    return made


def replay_hints(run: RunState, *, playing: bool, ended: bool, diverged: bool) -> list[Hint]:
    """What the footer offers now."""
    play = "pause" if playing else "again" if ended else "play"
    made = [
        Hint("space", play, "play"),
        Hint("( )", "10 s", "seconds(10)", rank=3),
        Hint("[ ]", "checkpoint", "mark(1)", short="step", rank=2),
        Hint("{ }", "phase", "phase(1)", rank=4),
    ]
    if diverged:
        made.append(Hint("v", "divergence", "divergence", short="differ", rank=1))
    made += [Hint("< >", "speed", "speed(1)", rank=2), Hint("#", "event", "event", rank=6)]
    if len(run.worlds) > 1:
        keys = f"{run.worlds[0].id.key}–{run.worlds[-1].id.key}"
        made.append(Hint(keys, "world", "turn(1)", short="go", rank=5))
    if run.worlds:
        made += [Hint("z", "zoom", "zoom", rank=5), Hint("d", "diff", "diff", rank=5)]
    if run.run_id:
        others = [("c", "compare"), ("t", "time line"), ("i", "issue")]
        made += [Hint(key, label, label.replace(" ", ""), rank=7) for key, label in others]
    return [*made, Hint("?", "help", "help"), Hint("q", "quit", "leave")]
