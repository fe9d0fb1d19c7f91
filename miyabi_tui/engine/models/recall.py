"""The response cache as one world sees it: its turns by what they ask, and their replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from miyabi_tui.engine.models.answers import pack, unpack, worth_keeping
from miyabi_tui.engine.models.base import deltas
from miyabi_tui.engine.models.canonical import Keys, Names
from miyabi_tui.engine.store.worker import Job, hand_over

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from miyabi_tui.engine.models.base import Item, Sampling, Turn, TurnEnd
    from miyabi_tui.engine.models.cache import ResponseCache
    from miyabi_tui.engine.models.canonical import Ground, Key

PIECE = 60  # characters of a delta when a turn is replayed, about a line


class Recall:
    """Finds and keeps the turns of one world, on one ground.

    `model` tells provider, address and model apart from all others; `sampling` is the model's own.
    Making one blocks for a moment, see `Names`.
    """

    def __init__(
        self,
        cache: ResponseCache,
        ground: Ground,
        model: str,
        sampling: Callable[[Turn], Sampling],
    ) -> None:
        self._cache = cache
        self._model = model
        self._sampling = sampling
        self._names = Names(ground)
        self._keys = Keys(ground, self._names)
        self._found: tuple[Turn, Key] | None = None  # what was asked last, and will be kept

    async def find(self, turn: Turn) -> TurnEnd | None:
        """The answer kept for the same request, fit for this worktree; it costs nothing."""
        key = self._key(turn)
        data = await self._cache.get(key.canonical)
        if data is None:
            return None
        if (end := unpack(data, key, self._names)) is None:
            await self._cache.discard(key.canonical)
        return end

    def keep(self, turn: Turn, end: TurnEnd) -> Job[None]:
        """Keep an answer, if it is whole; see `ResponseCache.put`."""
        if not end.cached and worth_keeping(end):
            key = self._key(turn)
            if data := pack(end, key, self._names):
                return self._cache.put(key.canonical, data)
        return hand_over(lambda: None)

    @staticmethod
    async def replayed(end: TurnEnd) -> AsyncGenerator[Item, None]:
        """A kept turn as a stream, as if its model spoke again; others run in between."""
        for delta in deltas(end.message, PIECE):
            await checkpoint()
            yield delta
        yield end

    def _key(self, turn: Turn) -> Key:
        if self._found is None or self._found[0] is not turn:
            self._found = (turn, self._keys.key(self._model, self._sampling(turn), turn))
        return self._found[1]
