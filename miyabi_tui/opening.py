"""The screen's start: the terminal is asked, the app imported meanwhile, drawn as it answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui import ending, terminal_ground, terminal_kind
from miyabi_tui.engine.errors import UsageError
from miyabi_tui.quick import quick
from miyabi_tui.screen_settings import Screen, said
from miyabi_tui.settings_file import FILE, SettingsFile
from miyabi_tui.terminal_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from miyabi_tui.app import MiyabiApp
    from miyabi_tui.engine.control import Control


class Opening:
    """One screen over one run; `leave` ends it, also before it is there."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._app: MiyabiApp | None = None

    def run(self, control: Control, build: Callable[..., MiyabiApp] | None = None) -> MiyabiApp:
        """Show the run until the person leaves; the app of which it was, which `build` may make."""
        env = os.environ
        asked = terminal_ground.asked(env if self._screen.theme == "auto" else {})
        with ending.stops_as_before(), quick(), guarded(), asked as question:
            from miyabi_tui.app import MiyabiApp

            look = terminal_kind.look(self._screen, env, question.ground())
            self._app = (build or MiyabiApp)(control, look=look, question=question)
            self._app.run(mouse=look.mouse)
        return self._app

    def leave(self) -> None:
        """Leave the screen."""
        if self._app is None:
            raise KeyboardInterrupt
        self._app.exit()


def screen_of(folder: str = ".", theme: str = "", env: Mapping[str, str] | None = None) -> Screen:
    """How the screen is to look: by the settings of the repository around a folder, and `--theme`.

    A file that is broken is told where it matters, by the command that goes by it.

    Raises:
        UsageError: a variable of the environment holds what it cannot.
    """
    env = os.environ if env is None else env
    chosen = said(env)
    try:
        written = SettingsFile(_root(Path(folder).absolute())).data.get("screen", {})
        screen = msgspec.convert(written | chosen, Screen)
    except (UsageError, msgspec.ValidationError, TypeError):
        screen = msgspec.convert(chosen, Screen)
    return msgspec.structs.replace(screen, theme=theme or screen.theme)


def _root(folder: Path) -> Path:
    """The folder with the settings: the nearest one above, up to the repository's."""
    for one in (folder, *folder.parents):
        if (one / FILE).is_file() or (one / ".git").exists():
            return one
    return folder
