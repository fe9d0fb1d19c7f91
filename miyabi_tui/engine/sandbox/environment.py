"""What a world's commands see of the user's environment: an allow-list, never a key."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from pathlib import Path

    from miyabi_tui.engine.worlds import WorldId

ALLOWED = (
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_* TZ TMPDIR XDG_CACHE_HOME "
    "SSL_CERT_* REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS "
    "PIP_* UV_* CARGO_HOME RUSTUP_HOME GOPATH GOCACHE GOPROXY JAVA_HOME NVM_DIR PYENV_ROOT "
    "http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY"
).split()
# Never let through, whatever a setting allows: names that hold secrets by custom.
SECRET = (
    "*KEY *KEYS *KEY_* *TOKEN* *SECRET* *PASSWORD* *PASSWD* *PASSPHRASE* *_PASS *CREDENTIAL* "
    "*_AUTH *_AUTH_*"
).split()
# An index or a proxy with a password in its address; let through only where a setting names it.
_PASSWORD = re.compile(r"://[^/\s@]+@")

FIXED = {
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "TQDM_DISABLE": "1",
    "PIP_PROGRESS_BAR": "off",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}

PORTS_PER_WORLD = 20
FIRST_PORT, LAST_PORT = 20_000, 32_000


def world_environment(
    world: WorldId | None,
    *,
    path_first: Iterable[Path] = (),
    extra: Iterable[str] = (),
    ports: range = range(0),
    keys: Container[str] = (),
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a world's commands, from `base` (default: this process's own).

    `extra` names further variables to let through, but never one of `keys`, which hold the
    providers' keys; `path_first` goes before the user's PATH.
    `world` None is the base commit's own measurement.
    """
    source = os.environ if base is None else base
    asked_for = tuple(extra)
    env = {
        name: value
        for name, value in source.items()
        if name not in keys
        and not _matches(name.upper(), SECRET)
        and (_matches(name, asked_for) or (_matches(name, ALLOWED) and not _PASSWORD.search(value)))
    }
    env |= FIXED
    first = os.pathsep.join(str(path) for path in path_first)
    if first:
        env["PATH"] = f"{first}{os.pathsep}{env.get('PATH', os.defpath)}"
    env["MIYABI_WORLD"] = world.value if world else "base"
    if ports:
        env["MIYABI_PORT_FIRST"], env["MIYABI_PORT_LAST"] = str(ports[0]), str(ports[-1])
        env["PORT"] = str(ports[0])
    return env


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
