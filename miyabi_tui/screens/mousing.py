"""The mouse: the app's, for clicks and the wheel, or the terminal's, for selecting text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

OFF = "The mouse is the terminal's: select text as anywhere. M gives it back; every key works."
ON = "The mouse is the screen's: click a world, a key, a question; the wheel scrolls."
NONE = "There is no mouse on this terminal."


def switch_mouse(app: App[Any]) -> str:
    """Give the mouse to the terminal, or take it back; what to say."""
    driver: Any = app._driver
    if not hasattr(driver, "_enable_mouse_support"):
        return NONE
    if driver._mouse:
        driver._disable_mouse_support()
        driver._mouse = False  # so that it stays off when the terminal was given away and is back
        return OFF
    driver._mouse = True
    driver._enable_mouse_support()
    return ON
