"""Small real git repositories for tests, made and asked through git itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from miyabi_tui.engine.repo.git import Git, open_repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Repository:
    """A repository with a checkout, as a user has it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str | bytes], *init: str) -> Repository:
        """A new repository with one commit on `main`."""
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "--quiet", "--initial-branch=main", *init)
        made.commit("first", files)
        return made

    def git(self, *args: str) -> str:
        """Run the user's own git here; what it printed, without the last newline."""
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            capture_output=True,
            check=False,
            errors="surrogateescape",
        )
        assert done.returncode == 0, f"git {args}: {done.stderr}{done.stdout}"
        return done.stdout.removesuffix("\n")

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files into the checkout."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message: str, files: Mapping[str, str | bytes] | None = None) -> str:
        """Commit everything; the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    def read(self, name: str) -> str:
        """The text of a file in the checkout."""
        return (self.path / name).read_text()

    def show(self, ref: str, name: str) -> str:
        """The text of a file in a commit."""
        return self.git("cat-file", "blob", f"{ref}:{name}")

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    @property
    def branches(self) -> list[str]:
        """The names of all branches."""
        return self.git("branch", "--format=%(refname:short)").split()

    def opened(self) -> Git:
        """The repository as the engine sees it."""
        return open_repository(self.path)

    def snapshot(self) -> dict[str, object]:
        """Everything of the user's that a race must not touch, byte for byte."""
        files = {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and not {".git", ".miyabi"} & set(path.relative_to(self.path).parts)
        }
        index = self.path / ".git" / "index"
        return {
            "files": files,
            "index": (index.read_bytes(), index.stat().st_mtime_ns),
            "HEAD": (self.path / ".git" / "HEAD").read_text(),
            "main": self.git("rev-parse", "main"),
            "stash": self.git("stash", "list"),
            "config": (self.path / ".git" / "config").read_bytes(),
        }
