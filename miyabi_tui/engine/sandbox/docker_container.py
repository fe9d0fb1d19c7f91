"""What a world's container is made of: its limits, what it sees, who it is."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.sandbox.base import EVERYWHERE
from miyabi_tui.engine.sandbox.docker_daemon import OWNER
from miyabi_tui.engine.sandbox.docker_image import HOME
from miyabi_tui.engine.sandbox.docker_keeper import KEEPER, SHELL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from miyabi_tui.engine.sandbox.base import Space
    from miyabi_tui.engine.sandbox.docker_daemon import Daemon
    from miyabi_tui.engine.sandbox.docker_image import Image

OPEN_FILES = 16_384
PROCESSES = 32_768  # of the whole user; the container's own limit is a cgroup's
_STATE = "rw,exec,nosuid,nodev,mode=1777"


def configuration(daemon: Daemon, space: Space, image: Image, main: Sequence[str]) -> Any:
    """What `create_container_from_config` takes. `main` runs beside the keeper, if given."""
    api = daemon.api
    env = image.environment(space.env, shown(space))
    env.setdefault("HOME", HOME)
    made = api.create_container_config(
        image.id,
        [SHELL, "-c", KEEPER, "miyabi", *main],
        user="0:0" if daemon.rootless else f"{os.getuid()}:{os.getgid()}",
        working_dir=str(space.worktree),
        stdin_open=True,
        environment=env,
        entrypoint=[],
        labels={OWNER: space.owner},
        host_config=_host_config(daemon, space, image, env["HOME"]),
    )
    # The keeper's input ends with our connection.
    made.update(AttachStdin=True, AttachStdout=True, AttachStderr=False, StdinOnce=True)
    return made


def container_name(space: Space, key: str) -> str:
    """A name that tells a person whose it is."""
    words = "-".join(part for part in ("miyabi", space.owner, space.name, key) if part)
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", words)


def shown(space: Space) -> list[Path]:
    """The folders and files of this machine that are seen inside, where they are."""
    return [space.worktree, *(mount.at for mount in space.mounts)]


def _host_config(daemon: Daemon, space: Space, image: Image, home: str) -> Any:
    limits = space.limits
    settings: dict[str, Any] = {}
    if not (space.network and EVERYWHERE in limits.network):
        settings["network_mode"] = "none"
    if daemon.remapped:
        settings["userns_mode"] = "host"  # the worktree is this user's
    return daemon.api.create_host_config(
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        nano_cpus=int(limits.cpus * 1e9),
        pids_limit=limits.processes,
        ulimits=_ulimits(limits.disk_bytes),
        read_only=True,
        tmpfs=_tmpfs(space, home) | _emptied(space, image, podman=daemon.podman),
        mounts=_mounts(space, image),
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ipc_mode="private",
        auto_remove=True,
        log_config={"Type": "none", "Config": {}},
        **settings,
    )


def _ulimits(disk_bytes: int) -> list[Any]:
    from docker.types import Ulimit

    def bounded(limit: int, wanted: int) -> int:
        hard = resource.getrlimit(limit)[1]
        return wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)

    files = bounded(resource.RLIMIT_NOFILE, OPEN_FILES)
    processes = bounded(resource.RLIMIT_NPROC, PROCESSES)
    return [
        Ulimit(name="core", soft=0, hard=0),
        Ulimit(name="fsize", soft=disk_bytes, hard=disk_bytes),
        Ulimit(name="nofile", soft=min(files, 4096), hard=files),
        Ulimit(name="nproc", soft=processes, hard=processes),
    ]


def _tmpfs(space: Space, home: str) -> dict[str, str]:
    """/tmp and the home, empty. What is in them is memory: filled, they must leave some to live."""
    size = min(space.limits.disk_bytes, space.limits.memory_bytes // 2)
    folders = [Path("/tmp"), Path("/var/tmp")]
    inside = [*folders, *(mount.at for mount in space.mounts)]
    if not any(Path(home).is_relative_to(one) for one in inside):
        folders.append(Path(home))
    taken = {mount.at for mount in space.mounts}
    return {str(one): f"{_STATE},size={size}" for one in folders if one not in taken}


def _emptied(space: Space, image: Image, *, podman: bool) -> dict[str, str]:
    """Hidden folders, with nothing in them; podman would fill them with what they cover."""
    if image.own:
        return {}
    options = "ro,nosuid,nodev,mode=0555,size=65536" + ",notmpcopyup" * podman
    return {str(one): options for one in space.hidden if one.is_dir()}


def _mounts(space: Space, image: Image) -> list[dict[str, Any]]:
    """Where the same place is mounted twice, the later one counts."""
    found: dict[Path, dict[str, Any]] = {}
    if not image.own:
        for tool in space.tools:
            if tool.exists() and not (tool.is_symlink() and tool.parent == Path("/")):
                found[tool] = _bind(tool, tool, writable=False)
        for secret in space.hidden:
            if secret.exists() and not secret.is_dir():
                found[secret] = _bind(Path("/dev/null"), secret, writable=False)
    for mount in space.mounts:
        found[mount.at] = _bind(mount.source, mount.at, writable=mount.writable)
    return list(found.values())


def _bind(source: Path, target: Path, *, writable: bool) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(source),
        "Target": str(target),
        "ReadOnly": not writable,
    }
