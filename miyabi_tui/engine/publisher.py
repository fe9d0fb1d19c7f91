"""How the parts of the engine tell what happens, without knowing who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from miyabi_tui.engine.events import AnyEvent
    from miyabi_tui.engine.state import RunState


class Publisher(Protocol):
    """Takes events into the run's journal, in order."""

    def post(self, event: AnyEvent) -> None:
        """Take an event that may wait for the next batch: output, gauges, progress."""
        ...

    async def emit(self, event: AnyEvent) -> None:
        """Take an event and return when it is in the journal.

        Raises:
            StoreError: the journal cannot be written.
        """
        ...


class RunPublisher(Publisher, Protocol):
    """A publisher that also knows how the run stands."""

    @property
    def state(self) -> RunState:
        """The run as the journal has it."""
        ...
