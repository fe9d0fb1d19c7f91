"""A style sheet that is parsed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.css.stylesheet import Stylesheet

if TYPE_CHECKING:
    from typing import Self


class ParsedOnce(Stylesheet):
    """Parses all sheets anew only where a variable has changed.

    Textual does so whenever it is told of a theme, also of the one that it began with: that is a
    second parse at every start.
    """

    _changed = True

    @classmethod
    def instead_of(cls, other: Stylesheet, variables: dict[str, str]) -> Self:
        """One with the sources of another that is not parsed yet, and with these variables."""
        made = cls(variables=variables)
        made.source = other.source
        made._require_parse = True
        made._changed = False
        return made

    def set_variables(self, variables: dict[str, str]) -> None:
        """See `Stylesheet`; what is known stays where they are the same."""
        if variables != self._variables:
            super().set_variables(variables)
            self._changed = True

    def reparse(self) -> None:
        """See `Stylesheet`; new sources alone are parsed at their first use."""
        if self._changed:
            super().reparse()
            self._changed = False
