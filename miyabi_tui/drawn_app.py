"""What an app is drawn with: its themes, how many colours, which signs, how much motion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rich.console import Console
from textual.filter import LineFilter, NoColor

from miyabi_tui import splash, terminal_kind
from miyabi_tui.job import JobApp
from miyabi_tui.kept_sheet import KeptSheet
from miyabi_tui.styles.few_colours import OURS, themes
from miyabi_tui.styles.themes import variable_defaults
from miyabi_tui.terminal_ground import Question
from miyabi_tui.terminal_kind import FEW, MANY, NONE, TRUE, Look
from miyabi_tui.widgets.signs import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.driver import Driver

    from miyabi_tui.driver import TerminalAnswered

_SYSTEMS = {NONE: "standard", FEW: "standard", MANY: "256", TRUE: "truecolor"}


class DrawnApp(JobApp):
    """An app in one of our three themes, as far as the terminal can show them.

    `question` is what the terminal was asked before; `look` what follows from its answers.
    """

    def __init__(self, look: Look | None = None, question: Question | None = None) -> None:
        self.look = look or Look(colours=NONE if os.environ.get("NO_COLOR") else TRUE)
        self.question = question or Question()
        few = self.look.colours in (NONE, FEW)
        super().__init__(ansi_color=True if few else None)
        self.no_color = self.look.colours == NONE
        self._no_colour = NoColor()
        self.console = Console(
            color_system=_SYSTEMS[self.look.colours],  # type: ignore[arg-type]
            file=self.console.file,
            markup=True,
            highlight=False,
            emoji=False,
            legacy_windows=False,
            force_terminal=True,
            safe_box=False,
            soft_wrap=False,
        )
        for theme in themes(self.look.colours):
            self.register_theme(theme)
        self.theme = OURS[self.look.theme].name
        self._chosen = self.theme
        self.stylesheet = KeptSheet(variables=self.get_css_variables())
        if self.look.calm:
            self.animation_level = "none"

    def get_driver_class(self) -> type[Driver]:
        """Ours, where nobody asks for another and the system has it."""
        found = super().get_driver_class()
        if found.__name__ != "LinuxDriver":
            splash.leave()  # it begins with a terminal of its own
            return found
        from miyabi_tui.driver import ScreenDriver

        return ScreenDriver

    def get_line_filters(self) -> Sequence[LineFilter]:
        """None of Textual's greys in place of colours: without colours there are none."""
        return [self._no_colour] if self.no_color else super().get_line_filters()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """World colours and inks for themes that are not ours."""
        return variable_defaults(self.current_theme.dark)

    def export_screenshot(self, **options: Any) -> str:
        """A picture, with the signs that the terminal shows."""
        picture = super().export_screenshot(**options)
        if self.look.unicode:
            return picture
        import html

        return "".join(sign if sign.isascii() else html.escape(plain(sign)) for sign in picture)

    def on_terminal_answered(self, message: TerminalAnswered) -> None:
        """The terminal's background is known, or anew: go with it, unless a theme was chosen."""
        answer = message.answer
        dark = terminal_kind.dark(answer.ground) if answer.ground else answer.dark
        if dark is None or not self.look.follows or self.theme != self._chosen:
            return
        self._chosen = self.theme = OURS["dark" if dark else "light"].name
