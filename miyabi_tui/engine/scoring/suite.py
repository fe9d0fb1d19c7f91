"""Runs pytest on a worktree, with the worktree's modules first.

Run by the project's own interpreter, so: standard library only, Python 3.8 and newer. The first
argument names the folders to import from, the others are pytest's. They are put before everything
else, so that an editable install of the user's checkout is not what is tested, but only once
pytest is there: a file named json.py or pytest.py in the worktree does not take its place.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Load pytest, then let the worktree in."""
    del sys.path[0]  # this script's folder
    import _pytest.junitxml  # noqa: F401
    import pytest

    folders = sys.argv.pop(1)
    sys.path[:0] = folders.split(os.pathsep)
    os.environ["PYTHONPATH"] = folders  # for what the tests start
    sys.exit(pytest.console_main())


if __name__ == "__main__":
    main()
