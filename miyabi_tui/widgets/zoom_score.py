"""The score of a zoomed world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.widgets.score_page import write_score
from miyabi_tui.widgets.zoom_sheet import ZoomPage

if TYPE_CHECKING:
    from miyabi_tui.widgets.page import Facts, Page


class ZoomScore(ZoomPage):
    """The tab Score."""

    def write(self, page: Page, facts: Facts) -> None:
        """See `ZoomPage.write`."""
        write_score(page, facts)
