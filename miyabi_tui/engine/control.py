"""What a screen, or any other front end, may ask of an engine, from any thread.

The engine runs a loop and thread of its own; every command here returns at once and its effect is
seen as events. `Engine` is one implementation; one behind a socket can be another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypedDict

import msgspec

from miyabi_tui.engine.worlds import Effort, PromptVariant, WorldId

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Unpack

    from miyabi_tui.engine.events import Record


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """Another future from the checkpoint after `step` of `source`.

    In the pane of `source` itself, or as an extra world. What is empty stays as it was in the
    source; `added` is said to the agent there.
    """

    source: WorldId
    step: int
    extra: bool = False
    model: str = ""
    temperature: float | None = None
    effort: Effort | None = None
    prompt: PromptVariant | None = None
    added: str = ""


class Which(TypedDict, total=False):
    """Which records are asked for; see `Control.records`."""

    world: WorldId | None
    after: int
    before: int | None
    streams: bool
    newest: int | None


class Subscription(Protocol):
    """A reader's own bounded buffer of the run's events."""

    def drain(self) -> list[Record]:
        """Everything new since the last call, in order; neighbouring output may be joined."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until something is there to drain or the run is over; False after `timeout` s."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the run is over and everything has been drained."""
        ...


class Control(Protocol):
    """A run, as its user steers it.

    `attached` says that the engine is another process, which goes on when this front end leaves.
    """

    attached: bool

    def start(self) -> None:
        """Begin the race."""
        ...

    def subscribe(self) -> Subscription:
        """All events from the first one on."""
        ...

    def pause(self, world: WorldId) -> None:
        """Freeze the world's commands at once and hold its next turn."""
        ...

    def proceed(self, world: WorldId) -> None:
        """Let a paused world go on."""
        ...

    def kill(self, world: WorldId) -> None:
        """End the world; its worktree and branch stay."""
        ...

    def fork(self, fork: Fork) -> None:
        """Take a world back to a checkpoint, or let an extra one begin there.

        A world that was killed, failed or scored comes back so; the future it had is archived.
        """
        ...

    def tell(self, world: WorldId, text: str) -> None:
        """Say something to a world; its model reads it with the next turn."""
        ...

    def answer(self, question: str, choice: str, amount: float | None = None) -> None:
        """Answer the question of that id with the name of a choice, and an amount in US dollars."""
        ...

    def pick(self, world: WorldId) -> None:
        """Make this world the winner, whatever the evidence says; worlds still at work end."""
        ...

    def unpick(self) -> None:
        """Take a person's choice back while it is not merged: the evidence chooses.

        Worlds that the choice had ended stay so; `fork` brings each back.
        """
        ...

    def merge(self) -> None:
        """Merge the winner."""
        ...

    def stop(self) -> None:
        """End the run: with a chosen winner it ends selected, else interrupted."""
        ...

    def diff(self, world: WorldId) -> str:
        """The unified diff of the world's present content against the base.

        Blocks for a git call: from a thread, never from an event loop.
        """
        ...

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        """The unified diff from one world's present content to another's.

        Blocks for git calls: from a thread.
        """
        ...

    def records(self, **which: Unpack[Which]) -> list[Record]:
        """What the journal has of the run, in order: events with `after` < number < `before`.

        Of one world where it is named; without `streams` neither its text nor its gauges; of many
        only the `newest` so many. Blocks for a read of the file: from a thread.

        Raises:
            StoreError: they cannot be read.
        """
        ...

    def worktree(self, world: WorldId) -> Path | None:
        """Where the world's files are; None before it has any."""
        ...
