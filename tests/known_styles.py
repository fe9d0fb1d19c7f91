"""Style sheets that one app of a test process has parsed are known to the next.

Parsing them is a third of the time that an app takes to begin. Importing this module is all it
takes. Only what parsed well is kept, under all that a parse depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.css.stylesheet import Stylesheet

if TYPE_CHECKING:
    from textual.css.model import RuleSet

PARSE = Stylesheet._parse_rules
_known: dict[tuple[Any, ...], list[RuleSet]] = {}


def _parse_rules(self: Stylesheet, css: str, *args: Any, **options: Any) -> list[RuleSet]:
    variables = tuple(self._variables.items())
    asked = (css, variables, args, tuple(options.items()))
    if asked not in _known:
        _known[asked] = PARSE(self, css, *args, **options)
    return _known[asked]


Stylesheet._parse_rules = _parse_rules  # type: ignore[method-assign]
