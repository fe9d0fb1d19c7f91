"""A style sheet that is read anew only when that can change anything."""

from __future__ import annotations

from textual.css.stylesheet import Stylesheet


class KeptSheet(Stylesheet):
    """Textual's, which parses all of it again whenever a theme is set: at every start too."""

    _stale = False

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take other variables; the same ones leave everything as it is."""
        self._stale = self._stale or variables != self._variables
        super().set_variables(variables)

    def reparse(self) -> None:
        """Read all again if a variable is new, and what is new if a source is."""
        if self._stale:
            super().reparse()
            self._stale = False
        elif self._require_parse:
            self.parse()
