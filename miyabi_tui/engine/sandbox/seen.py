"""What of this machine a world's commands see, read-only: programs and libraries, never secrets.

The home folder is not among it, but for the tool chains in it; nor are `/run`, `/tmp`, `/var` and
other people's files.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    *("/nix", "/gnu", "/snap"),
)
# Below what is seen, yet hidden: of interest to nobody who builds and tests.
SECRETS = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers"),
    *("/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private", "/etc/krb5.keytab", "/etc/docker"),
)
# Tool chains where their installers put them, below the home folder.
AT_HOME = (
    *(".pyenv", ".rustup", ".cargo", ".nvm", ".volta", ".sdkman", ".asdf", ".bun", ".deno"),
    *(".ghcup", ".rbenv", ".gem", ".m2/repository", ".gradle/caches", "go/pkg", "go/bin"),
    *(".local/bin", ".local/lib", ".local/pipx", ".local/share/uv", ".local/share/mise"),
    *(".local/share/pipx", ".local/share/pnpm", ".cache/ms-playwright", ".cache/uv"),
)
SECRETS_AT_HOME = (
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".cargo/config.toml"),
)
# Where a tool chain is, for those that look below the home folder otherwise.
HOMES = {
    "PYENV_ROOT": ".pyenv",
    "RUSTUP_HOME": ".rustup",
    "CARGO_HOME": ".cargo",
    "NVM_DIR": ".nvm",
    "GOMODCACHE": "go/pkg/mod",
}


def tool_folders(env: Mapping[str, str], further: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The folders with programs: the system's, those of PATH, tool chains, our own Python.

    `further` are programs or folders besides, say a project's interpreter: of a program, its
    environment and the one that it came from are meant.
    """
    home = Path(env.get("HOME") or Path.home())
    found = [Path(one) for one in SYSTEM]
    found += [home / one for one in AT_HOME]
    found += [Path(env[name]) for name in HOMES if env.get(name)]
    found += [_whole(Path(one)) for one in env.get("PATH", "").split(os.pathsep) if one]
    found += [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2]]
    found += [Path(one) for one in sys.path if one.endswith("-packages")]
    for one in further:
        found += [one] if one.is_dir() else [*_environments(one)]
    found += [one for folder in dict.fromkeys(found) for one in _linked(folder)]
    refused = {Path("/"), home, home.parent, home / ".local", home / ".config", Path("/tmp")}
    there = [one for one in dict.fromkeys(found) if one.exists() and one not in refused]
    return tuple(one for one in there if not any(up in there for up in one.parents))


def hidden(env: Mapping[str, str]) -> tuple[Path, ...]:
    """What lies below the folders of `tool_folders` and must not be seen, as far as it exists."""
    home = Path(env.get("HOME") or Path.home())
    secrets = [*map(Path, SECRETS), *(home / one for one in SECRETS_AT_HOME)]
    return tuple(one for one in secrets if one.exists())


def homes(env: Mapping[str, str]) -> dict[str, str]:
    """Variables that name the tool chains at home, for commands whose home is another one."""
    home = Path(env.get("HOME") or Path.home())
    return {
        name: str(home / folder)
        for name, folder in HOMES.items()
        if name not in env and (home / folder).is_dir()
    }


def _whole(folder: Path) -> Path:
    """A tool chain, for its folder of programs: `…/bin` needs what lies beside it."""
    return folder.parent if folder.name in ("bin", "shims") else folder


def _environments(program: Path) -> Iterable[Path]:
    """The environment of an interpreter, as it is named and as it really is."""
    for one in (program, Path(os.path.realpath(program))):
        if one.exists():
            yield _whole(one.parent)


def _linked(environment: Path) -> set[Path]:
    """Where the packages and programs of a virtual environment are that are only linked into it."""
    if not (environment / "pyvenv.cfg").is_file():
        return set()
    targets = set()
    for one in (*environment.glob("lib/python*/site-packages/*"), *environment.glob("bin/*")):
        with contextlib.suppress(OSError):  # no link, or gone meanwhile
            targets.add(os.path.join(one.parent, os.readlink(one)))
    links = {one for one in targets if os.path.islink(one)}
    folders = {os.path.dirname(one) for one in targets - links}  # few: most are neighbours
    found = {Path(os.path.realpath(one)).parent for one in links}
    return found | {Path(os.path.realpath(one)) for one in folders}
