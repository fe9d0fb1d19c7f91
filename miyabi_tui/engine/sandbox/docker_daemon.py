"""The Docker daemon of this machine, or podman's service, which speaks the same.

The SDK is loaded only where a socket answers; all of its calls block: use them in threads.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OWNER = "miyabi.owner"  # the label that says whose container it is
QUICKLY_SECONDS = 2.0
CALL_SECONDS = 120
GONE_SECONDS = 5.0


class Daemon:
    """A daemon that answers at `host`.

    `name` is for people; `rootless` says that its root is this user.
    """

    def __init__(self, api: Any, host: str, name: str, info: Mapping[str, Any]) -> None:
        self.api = api
        self.host = host
        self.name = name
        options = " ".join(info.get("SecurityOptions") or ())
        self.rootless = "rootless" in options or bool(info.get("Rootless"))
        self.remapped = "name=userns" in options
        self.podman = name.startswith("Podman")
        # podman's starts disturb each other
        self.starting: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.podman else contextlib.nullcontext()
        )

    def close(self) -> None:
        """Give its connections back."""
        self.api.close()

    def remove(self, container: str) -> None:
        """End a container, also a paused one, and wait until it is gone. Blocks.

        Raises:
            SandboxError: never; a daemon that is gone has nothing more to remove.
        """
        with _unless_gone():
            # Killed first: what is paused must not run on for a moment when it is let go.
            with _unless_refused():
                self.api.kill(container)
            with _unless_refused():
                self.api.remove_container(container, force=True, v=True)
            end = time.monotonic() + GONE_SECONDS
            while self._exists(container) and time.monotonic() < end:
                time.sleep(0.01)
        if self.podman:
            _end_monitors(container)

    def _exists(self, container: str) -> bool:
        from docker.errors import NotFound

        try:
            self.api.inspect_container(container)
        except NotFound:
            return False
        return True

    def containers_of(self, owner: str) -> list[str]:
        """The containers whose label begins with `owner`, by id. Blocks."""
        found = self.api.containers(all=True, filters={"label": [OWNER]})
        return [
            one["Id"] for one in found if (one.get("Labels") or {}).get(OWNER, "").startswith(owner)
        ]


def _end_monitors(container: str) -> None:
    """podman keeps a process for each command for five minutes, also after its container's end."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "conmon" and container in process.cmdline():
                process.kill()


def connect(host: str = "", env: Mapping[str, str] | None = None) -> Daemon | str:
    """The daemon at `host`, at DOCKER_HOST or at a usual socket; else why there is none. Blocks."""
    env = os.environ if env is None else env
    host = host or env.get("DOCKER_HOST", "") or _usual_socket(env)
    if not host:
        return "no Docker daemon here: DOCKER_HOST is not set and none of the usual sockets exists"
    if why_not := _silent(host):
        return f"no Docker daemon at {host}: {why_not}"
    try:
        import docker
        import requests
        from docker.utils import kwargs_from_env
    except ImportError as error:
        return f"a Docker daemon is at {host}, but Python's docker package is not: {error}"
    settings: dict[str, Any] = {}
    if not host.startswith("unix:"):
        settings.update(kwargs_from_env(environment={**env, "DOCKER_HOST": host}))
    try:
        api = docker.APIClient(
            **{"base_url": host, **settings}, version="auto", timeout=CALL_SECONDS
        )
        return Daemon(api, host, _name(api.version()), api.info())
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        return f"the Docker daemon at {host} does not answer as it should: {error}"


def end_left_over(owner: str) -> int:
    """Remove every container whose owner begins with `owner`; how many there were. Blocks.

    A keeper ends with its engine by itself: these are those that were frozen.
    """
    if not owner or isinstance(daemon := connect(), str):
        return 0
    try:
        with _unless_gone():
            found = daemon.containers_of(owner)
            for container in found:
                daemon.remove(container)
            return len(found)
        return 0
    finally:
        daemon.close()


def _usual_socket(env: Mapping[str, str]) -> str:
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    usual = (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{env.get('HOME', '/root')}/.docker/run/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    for path in usual:
        if not _silent(f"unix://{path}"):
            return f"unix://{path}"
    return f"unix://{usual[0]}" if Path(usual[0]).exists() else ""


def _silent(host: str) -> str:
    """Why nobody listens at a unix socket; empty for one who does, and for other kinds."""
    if host.startswith("ssh:"):
        return "a daemon on another machine cannot see the worktrees"
    if not host.startswith("unix:"):
        return ""
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.settimeout(QUICKLY_SECONDS)
            probe.connect(host.removeprefix("unix:").replace("//", "/", 1))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _name(version: Mapping[str, Any]) -> str:
    parts = [str(one.get("Name", "")) for one in version.get("Components") or ()]
    kind = "Podman" if any("Podman" in part for part in parts) else "Docker"
    return f"{kind} {version.get('Version', '')}".strip()


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """Pass over a daemon that no longer answers."""
    import requests
    from docker.errors import DockerException

    with contextlib.suppress(DockerException, requests.RequestException, OSError):
        yield


@contextlib.contextmanager
def _unless_refused() -> Iterator[None]:
    """Pass over a refusal: what is gone already cannot be ended."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        yield
