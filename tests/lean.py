"""The environment of a user's project: what is installed here, without the plugins of pytest.

Every measurement starts the project's pytest, and that loads all plugins that are installed beside
it. Those of this project's own tests (the snapshots' brings the whole screen) take longer than all
the rest of a small project's tests.
"""

from __future__ import annotations

import sys
import sysconfig
import venv
from importlib.metadata import Distribution
from pathlib import Path

import pytest


def make_environment(folder: Path) -> Path:
    """Make such an environment in `folder`, of links; its interpreter."""
    venv.EnvBuilder(symlinks=True).create(folder)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    for installed in Path(pytest.__file__).parent.parent.iterdir():
        if installed.name != "__pycache__" and not _plugs_into_pytest(installed):
            site.joinpath(installed.name).symlink_to(installed)
    ruff = Path(sys.executable).with_name("ruff")  # a program of its own
    folder.joinpath("bin", ruff.name).symlink_to(ruff)
    python = folder / "bin" / "python"
    program = folder / "bin" / "pytest"
    program.write_text(f"#!{python}\nimport pytest\n\nraise SystemExit(pytest.console_main())\n")
    program.chmod(0o755)
    return python


def _plugs_into_pytest(installed: Path) -> bool:
    """Whether this is the metadata by which pytest finds a plugin."""
    if installed.suffix != ".dist-info":
        return False
    return bool(Distribution.at(installed).entry_points.select(group="pytest11"))
