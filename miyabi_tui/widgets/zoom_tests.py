"""The tests of a zoomed world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miyabi_tui.widgets.tests_page import write_tests
from miyabi_tui.widgets.zoom_sheet import ZoomPage

if TYPE_CHECKING:
    from miyabi_tui.widgets.page import Facts, Page


class ZoomTests(ZoomPage):
    """The tab Tests."""

    def write(self, page: Page, facts: Facts) -> None:
        """See `ZoomPage.write`."""
        write_tests(page, facts)
