"""Which image a world's container has: a named one, the project's, or this machine's programs."""

from __future__ import annotations

import hashlib
import io
import os
import pwd
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui.engine.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miyabi_tui.engine.sandbox.docker_daemon import Daemon
    from miyabi_tui.engine.terms import Sandboxing

# A plain Dockerfile is for production as a rule (no compilers, no test tools): only if it is named.
USUAL_FILES = (".miyabi/Dockerfile", ".devcontainer/Dockerfile")
PULL_SECONDS = 300.0
BUILD_SECONDS = 900.0
HOME = "/tmp/home"
_FOLDERS = "dev etc home mnt opt proc root run srv sys tmp usr var var/tmp".split()
_OPEN = ("tmp", "var/tmp")


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is there. Without tools of its `own` it shows this machine's, read-only.

    `env` is what it sets; `name` is for people.
    """

    id: str
    name: str
    own: bool = True
    env: Mapping[str, str] = {}

    def environment(
        self, given: Mapping[str, str], seen: Iterable[Path], *, added: bool = False
    ) -> dict[str, str]:
        """What of a world's variables holds inside, where only the folders in `seen` are shown.

        An image of its own knows best where its tools are: paths of this machine that it does not
        have are left out, and what it sets stays, except for what is `added` for one command.
        """
        if not self.own:
            return dict(given)
        seen = [*seen, Path("/tmp"), Path("/dev")]
        env = {
            name: value
            for name, value in given.items()
            if added or (name not in self.env and _inside(value, seen))
        }
        if "PATH" in given:
            ours = [part for part in given["PATH"].split(os.pathsep) if _inside(part, seen)]
            theirs = self.env.get("PATH", os.defpath)
            env["PATH"] = os.pathsep.join([*(part for part in ours if part), theirs])
        return env


def _inside(value: str, seen: Iterable[Path]) -> bool:
    return not value.startswith("/") or any(Path(value).is_relative_to(one) for one in seen)


def find_image(daemon: Daemon, limits: Sandboxing, project: Path) -> Image:
    """The image that the settings name, that the project's file makes, or this machine's. Blocks.

    `project` is the user's own checkout, never a world's: what a Dockerfile says is executed.

    Raises:
        SandboxError: it cannot be pulled, built or made.
    """
    import requests
    from docker.errors import DockerException

    title, next_step = "the image of the worlds' containers cannot be had", "see the log"
    try:
        if limits.image:
            next_step = f"docker pull {limits.image}, or change sandbox.image"
            return _named(daemon, limits.image)
        if file := _file(limits, project):
            next_step = f"docker build -f {file} {file.parent}"
            return _built(daemon, file)
        next_step = "name one as sandbox.image"
        return _host(daemon)
    except (DockerException, requests.RequestException, OSError) as error:
        raise SandboxError(title, str(error), next_step) from error


def _file(limits: Sandboxing, project: Path) -> Path | None:
    if limits.dockerfile:
        return project / limits.dockerfile
    return next((project / one for one in USUAL_FILES if (project / one).is_file()), None)


def _named(daemon: Daemon, name: str) -> Image:
    if there := _there(daemon, name):
        return there
    repository, _, tag = name.rpartition(":")
    if not repository or "/" in tag:  # no tag: a port, or nothing
        repository, tag = name, "latest"
    if "@" in name:
        repository, tag = name, ""
    told = daemon.api.pull(repository, tag=tag or None, stream=True, decode=True)
    _follow(told, PULL_SECONDS, f"pulling {name}")
    if there := _there(daemon, name):
        return there
    raise OSError(f"{name} was pulled but is not there")


def _built(daemon: Daemon, file: Path) -> Image:
    """The image of a Dockerfile, whose folder is the context; built once for each text of it."""
    tag = f"miyabi-{_digest(str(file.parent).encode() + file.read_bytes())}:1"
    if there := _there(daemon, tag):
        return there
    told = daemon.api.build(
        path=str(file.parent), dockerfile=file.name, tag=tag, rm=True, forcerm=True, decode=True
    )
    _follow(told, BUILD_SECONDS, f"building {file}")
    if there := _there(daemon, tag):
        return there
    raise OSError(f"{file} was built but is not there")


def _host(daemon: Daemon) -> Image:
    """An image without a program: this machine's are mounted. No registry is asked."""
    data = _skeleton()
    tag = f"miyabi-host:{_digest(data)}"
    if not (there := _there(daemon, tag)):
        daemon.api.import_image_from_data(data, repository=tag)
        there = _there(daemon, tag)
    if not there:
        raise OSError(f"{tag} was imported but is not there")
    return msgspec.structs.replace(there, name="this machine's programs", own=False)


def _skeleton() -> bytes:
    """A tar of what / needs besides mounts: empty folders, this machine's links, its user."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for entry in sorted(os.scandir("/"), key=lambda one: one.name):
            if entry.is_symlink() and entry.name.startswith(("bin", "sbin", "lib")):
                link = tarfile.TarInfo(entry.name)
                link.type, link.linkname = tarfile.SYMTYPE, os.readlink(entry.path)
                tar.addfile(link)
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name in _OPEN else 0o755
            tar.addfile(folder)
        for name, text in _who().items():
            file, data = tarfile.TarInfo(name), text.encode()
            file.size = len(data)
            tar.addfile(file, io.BytesIO(data))
    return made.getvalue()


def _who() -> dict[str, str]:
    uid, gid = os.getuid(), os.getgid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = "world"
    passwd, group = f"root:x:0:0:root:{HOME}:/bin/sh\n", "root:x:0:\n"
    if uid:
        passwd += f"{user}:x:{uid}:{gid}:{user}:{HOME}:/bin/sh\n"
    if gid:
        group += f"{user}:x:{gid}:\n"
    return {
        "etc/passwd": passwd,
        "etc/group": group,
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def _there(daemon: Daemon, name: str) -> Image | None:
    from docker.errors import NotFound

    try:
        found = daemon.api.inspect_image(name)
    except NotFound:
        return None
    env = (found.get("Config") or {}).get("Env") or ()
    pairs = (one.partition("=") for one in env)
    return Image(id=found["Id"], name=name, env={key: value for key, _, value in pairs})


def _follow(told: Iterator[Any], seconds: float, what: str) -> None:
    """Wait for the end of a pull or a build; only so long.

    Raises:
        OSError: it failed, or took too long.
    """
    end, error = time.monotonic() + seconds, ""
    for one in told:  # to its end, also after an error: the connection is given back then
        error = error or (one.get("error", "") if isinstance(one, dict) else "")
        if time.monotonic() > end:
            raise TimeoutError(f"{what} took longer than {seconds:.0f} s")
    if error:
        raise OSError(f"{what}: {error}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
