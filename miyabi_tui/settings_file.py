"""The file of the settings: found, read, and each mistake in it told with file, line and key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import msgspec

FILE = "miyabi.toml"


class SettingsFile:
    """The settings of a repository as they are written; `data` is empty where there are none."""

    def __init__(self, repo: Path) -> None:
        """Read `miyabi.toml`, or [tool.miyabi] of `pyproject.toml`.

        Raises:
            UsageError: the file cannot be read, or is no TOML.
        """
        self.data, self._file, self._text = _read(repo)

    def place(self, *keys: str) -> str:
        """`file:line: key: `, as near to `keys` as the text allows (an inline table: its line)."""
        for count in range(len(keys), 0, -1):
            for number, name in _named_lines(self._text):
                if _matches(name, keys[:count]):
                    named = name if count == len(keys) else ".".join(keys)
                    return f"{self._file}:{number}: {named}: "
        return f"{self._file}: {'.'.join(keys)}: "

    def invalid(
        self,
        error: msgspec.ValidationError,
        choices: Mapping[str, Sequence[str]],
        name: str = "",
    ) -> UsageError:
        """`Expected `int`, got `str` - at `$.limits.steps`` with its file, line and key.

        `choices` are what may be said, by the last key or by all of them. `name` is the key for
        which msgspec writes […].
        """
        message, _, path = str(error).partition(" - at `$")
        keys = [key for key in re.split(r"\.|\[(?:\.\.\.|\d+)\]", path.rstrip("`")) if key]
        if unknown := re.search(r"unknown field `(\w+)`", message):
            keys.append(unknown[1])
            message = f"there is no setting {unknown[1]!r}"
        known = choices.get(".".join(keys)) or choices.get(keys[-1] if keys else "")
        next_step = f"one of {', '.join(known)}" if known else "see the settings in the README"
        if name:
            keys[1:1] = name.split(".")
        return UsageError(f"{self.place(*keys)}{message}", "", next_step)


def _read(repo: Path) -> tuple[dict[str, Any], Path, str]:
    own, project = repo / FILE, repo / "pyproject.toml"
    file = own if own.is_file() else project
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, own, ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}", str(error)) from error
    import tomllib

    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if file is project:  # somebody else's file: not ours to complain about
            return {}, own, ""
        line = re.search(r"line (\d+)", str(error))
        where = f"{file}:{line[1]}" if line else str(file)
        raise UsageError(f"{where} is not valid TOML", str(error), "mend that line") from error
    if file is project:
        data = data.get("tool", {}).get("miyabi", {})
    return data, file, text


def _named_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line that begins a table or sets a key, with the key's whole dotted name."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = _plain(header[1]).removeprefix("tool.miyabi").lstrip(".")
            yield number, table
        elif pair := re.match(r"\s*([\w.\"'/:-]+)\s*=", line):
            yield number, f"{table}.{_plain(pair[1])}".strip(".")


def _plain(key: str) -> str:
    return key.replace('"', "").replace("'", "")


def _matches(full: str, keys: tuple[str, ...]) -> bool:
    """Whether the dotted name has all of `keys` in order, and ends with the last."""
    parts = iter(full.split("."))
    return all(key in parts for key in keys) and full.split(".")[-1:] == list(keys[-1:])
