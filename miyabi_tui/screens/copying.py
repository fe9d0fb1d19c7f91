"""What of a world goes to the clipboard: a small menu, and a word on how much was taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Button, Static

from miyabi_tui import clipboard
from miyabi_tui.engine import events as e
from miyabi_tui.engine.errors import MiyabiError
from miyabi_tui.screens.veiled import Veiled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult

    from miyabi_tui.engine.control import Control
    from miyabi_tui.engine.state import WorldState
    from miyabi_tui.screens.race_base import RaceBase

PIPES = (e.Channel.STDOUT, e.Channel.STDERR)
LOOKED_AT = 2_000  # events from the end


@dataclass(frozen=True)
class Item:
    """One thing to copy: its key, its name, and where it comes from (git, the journal: slow)."""

    key: str
    name: str
    read: Callable[[Control, WorldState], str]


def _diff(control: Control, world: WorldState) -> str:
    return control.diff(world.id)


def _path(control: Control, world: WorldState) -> str:
    return str(control.worktree(world.id) or world.config.worktree)


def _summary(control: Control, world: WorldState) -> str:
    """What the agent said at its end, or last."""
    if world.summary:
        return world.summary
    records = control.records(world=world.id, streams=False, newest=LOOKED_AT)
    said = (one.event.message.text for one in records if isinstance(one.event, e.TurnFinished))
    return next((text for text in reversed([*said]) if text.strip()), "")


def _output(control: Control, world: WorldState) -> str:
    """What the last command printed."""
    records = control.records(world=world.id, newest=LOOKED_AT)
    return last_output([one.event for one in records if isinstance(one.event, e.Output)])


def last_output(outputs: Sequence[e.Output]) -> str:
    """The output of the last command that had any."""
    pipes = [one for one in outputs if one.channel in PIPES]
    return "".join(one.text for one in pipes if one.call_id == pipes[-1].call_id)


ITEMS = (
    Item("d", "diff", _diff),
    Item("o", "last output", _output),
    Item("s", "summary", _summary),
    Item("b", "branch", lambda _control, world: world.config.branch),
    Item("p", "path", _path),
)


class CopyScreen(Veiled[Item]):
    """What is to be copied?"""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(one.key, f"take('{one.key}')", one.name, show=False) for one in ITEMS),
        Binding("escape,q,y,n", "close", "Close", show=False),
        Binding("up,left", "app.focus_previous", "Up", show=False),
        Binding("down,right", "app.focus_next", "Down", show=False),
    ]
    AUTO_FOCUS = "Button"

    def __init__(self, world: WorldState) -> None:
        super().__init__()
        self._world = world

    def compose(self) -> ComposeResult:
        """A button for each."""
        about = {
            "d": change(self._world),
            "o": "of its last command",
            "s": "what it said at its end, or last",
            "b": self._world.config.branch,
            "p": self._world.config.worktree,
        }
        with VerticalScroll(classes="dialog -copy", can_focus=False):
            title = f"Copy from {self._world.id}"
            yield Static(title, classes="dialog-title", markup=False)
            for one in ITEMS:
                label = Content(f"{one.key}  {one.name:<12} ") + Content(about[one.key])
                yield Button(label, id=f"copy-{one.key}", compact=True, classes="copy-item")

    def action_take(self, key: str) -> None:
        """Choose and close."""
        self.dismiss(next(one for one in ITEMS if one.key == key))

    def action_close(self) -> None:
        """Nothing after all."""
        self.dismiss(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is its key."""
        event.stop()
        self.action_take(str(event.button.id).removeprefix("copy-"))


class Copying:
    """Asks what, reads it in a thread, and hands it to the terminal."""

    def __init__(self, race: RaceBase, control: Control) -> None:
        self._race = race
        self._control = control

    def ask(self, world: WorldState) -> None:
        """Ask what of this world."""

        def chosen(item: Item | None) -> None:
            if item is not None:
                self._race.run_worker(
                    lambda: self._read(world, item), thread=True, group="copy", exclusive=True
                )

        self._race.app.clear_notifications()
        self._race.app.push_screen(CopyScreen(world), chosen)

    def _read(self, world: WorldState, item: Item) -> None:
        app, whose = self._race.app, f"{world.id}'s {item.name}"
        try:
            text, dropped = clipboard.harmless(item.read(self._control, world))
        except MiyabiError as error:
            app.call_from_thread(self._race.say, f"{whose} cannot be read: {error}")
            return
        if not text.strip():
            app.call_from_thread(self._race.say, f"{world.id} has no {item.name} yet.")
            return
        size = len(text.encode("utf-8", "replace"))
        if size > clipboard.BYTES_AT_MOST:
            said = f"{whose} is {amount(text)}: too much for a clipboard. ! opens a shell there."
            app.call_from_thread(self._race.say, said)
            return
        by_tmux = clipboard.tell_tmux(text, os.environ)
        app.call_from_thread(self._hand_over, text, told(whose, text, dropped, by_tmux=by_tmux))

    def _hand_over(self, text: str, said: str) -> None:
        app = self._race.app
        app.copy_to_clipboard(text)
        through = clipboard.wrapped(text, os.environ)
        if through and app._driver is not None:
            app._driver.write(through)
        self._race.notify(said, timeout=6, markup=False)


def change(world: WorldState) -> str:
    """How much the diff is, as far as it is known."""
    if not world.changed_lines:
        return "against the base"
    return f"+{world.lines_added} −{world.lines_deleted} against the base"


def told(whose: str, text: str, dropped: int, *, by_tmux: bool = False) -> str:
    """What was copied and how much, and what may be wrong with it."""
    said = f"Copied {whose}: {amount(text)}."
    if dropped:
        said += f" {dropped} control character{'s' * (dropped > 1)} left out."
    if len(text.encode("utf-8", "replace")) > clipboard.SAFE_BYTES and not by_tmux:
        said += " Some terminals take no more than 75 kB."
    return said


def amount(text: str) -> str:
    """How much text that is."""
    lines = len(text.splitlines())
    size = len(text.encode("utf-8", "replace"))
    many = f"{size:,} bytes" if size < 10_000 else f"{size / 1_000:,.0f} kB"
    return f"{lines} lines, {many}" if lines > 1 else many
