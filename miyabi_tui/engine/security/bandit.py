"""bandit, with what it loads and seldom uses left until it does: a program of its own.

    python -P -m miyabi_tui.engine.security.bandit ARGUMENTS OF BANDIT

A progress bar, which `-q` never shows, and YAML take longer to load than a small scan.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

SELDOM = ("rich.progress", "yaml")


class Seldom(ModuleType):
    """Stands for a module that is loaded when something in it is first used.

    `importlib.util.LazyLoader` loads it as soon as it is imported a second time.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules[self.__name__] is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def main() -> None:
    """Run bandit with our arguments."""
    sys.modules.update({name: Seldom(name) for name in SELDOM})
    from bandit.cli.main import main as bandit  # type: ignore[import-untyped]

    bandit()


if __name__ == "__main__":
    main()
