"""The costs of a zoomed world; for what it waited is read from the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.worker import get_current_worker

from miyabi_tui.widgets.cost_page import MATTERS, Waits, read_waits, write_cost
from miyabi_tui.widgets.zoom_sheet import ZoomPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.events import Record
    from miyabi_tui.engine.worlds import WorldId
    from miyabi_tui.widgets.page import Facts, Page
    from miyabi_tui.widgets.stream_window import Past


class ZoomCost(ZoomPage):
    """The tab Cost."""

    def __init__(self, world: WorldId, past: Past) -> None:
        super().__init__(world)
        self._past = past
        self._waits: Waits | None = None
        self._came: list[Record] = []
        self._said = "reading the journal …"

    def on_mount(self) -> None:
        """Read what it has waited for."""
        self.run_worker(self._read, thread=True, exclusive=True, exit_on_error=False)

    def _read(self) -> None:
        worker = get_current_worker()
        found, said = read_waits(self._past, lambda: worker.is_cancelled)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._arrived, found, said)

    def _arrived(self, found: Sequence[Record], said: str) -> None:
        self._waits = Waits()
        self._waits.take(found)
        self._waits.take(self._came)
        self._came, self._said = [], said
        self.remake()

    def feed(self, records: Sequence[Record]) -> None:
        """What it waits for now."""
        new = [one for one in records if isinstance(one.event, MATTERS)]
        if self._waits is None:
            self._came += new
        else:
            self._waits.take(new)

    def write(self, page: Page, facts: Facts) -> None:
        """See `ZoomPage.write`."""
        write_cost(page, facts, self._waits, self._said)
