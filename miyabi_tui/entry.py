"""Where the command `miyabi` begins: the first picture, then all the rest."""

from __future__ import annotations

import gc
import sys

from miyabi_tui import splash

INTERRUPTED = 3  # the exit code, as in `cli`


def main() -> int:
    """Run the command; its exit code."""
    try:  # around the imports too: ctrl+c may come as early
        if splash.show(sys.argv[1:]):
            gc.disable()  # it would only find imports; a screen sees to the rest, see `quick`
        from miyabi_tui import cli

        return cli.main()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        splash.leave()
