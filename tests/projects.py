"""Small real projects for tests, measured by the real tools."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

from miyabi_tui.engine.sandbox.environment import world_environment
from miyabi_tui.engine.scoring.measure import Measurer
from miyabi_tui.engine.scoring.toolchain import Commands, find_toolchain
from tests.places import bare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from miyabi_tui.engine.scoring.measurement import Measurement


class Project:
    """A folder of files that stands for a worktree, inside of a user's checkout."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.root = root
        self.checkout = root.parent.parent
        self.scratch = scratch
        self.files: list[str] = []
        self.said: list[str] = []
        root.mkdir(parents=True)

    def put(self, files: Mapping[str, str | bytes]) -> None:
        """Write files; text is dedented."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = textwrap.dedent(content).encode()
            path.write_bytes(content)
            if name not in self.files:
                self.files.append(name)

    async def measure(
        self,
        *,
        changed: Sequence[str] | None = None,
        commands: Commands | None = None,
        limit: float = 60.0,
        repo: Path | None = None,
    ) -> Measurement:
        """What miyabi measures of it; `changed` are all files where not given."""
        toolchain = find_toolchain(repo or self.root, self.files, commands or Commands())
        sandbox = bare(world_environment(None, path_first=toolchain.path_first))
        measurer = Measurer(toolchain, sandbox, self.root, self.scratch, limit)

        async def progress(doing: str) -> None:
            self.said.append(doing)

        wanted = self.files if changed is None else changed
        try:
            return await measurer.measure(self.files, wanted, progress)
        finally:
            await sandbox.stop()

    def entries(self) -> set[str]:
        """Every file that is there now."""
        return {
            os.path.relpath(os.path.join(folder, name), self.root)
            for folder, _, names in os.walk(self.root)
            for name in names
        }
