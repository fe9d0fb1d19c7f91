"""What a replay cannot do: steer what is over. The screen refuses these with words before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_tui.engine.control import Fork
    from miyabi_tui.engine.worlds import WorldId

NOT_STEERED = "This is a replay: nothing can be steered."


class NotSteered:
    """The commands of a `Control` that steer, none of which changes what has happened."""

    attached = False

    def pause(self, world: WorldId) -> None:
        """Nothing."""

    def proceed(self, world: WorldId) -> None:
        """Nothing."""

    def kill(self, world: WorldId) -> None:
        """Nothing."""

    def fork(self, fork: Fork) -> None:
        """Nothing."""

    def tell(self, world: WorldId, text: str) -> None:
        """Nothing."""

    def answer(self, question: str, choice: str, amount: float | None = None) -> None:
        """Nothing."""

    def pick(self, world: WorldId) -> None:
        """Nothing."""

    def unpick(self) -> None:
        """Nothing."""

    def merge(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""
