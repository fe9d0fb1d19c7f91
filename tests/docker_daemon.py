"""A Docker daemon and podman's service for tests: one that is there, or one of our own.

The workers that share the tests share it; the last one ends it. Where there is none, tests are
skipped by name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.sandbox.docker_daemon import Daemon, connect
from miyabi_tui.engine.sandbox.docker_image import Image, find_image
from miyabi_tui.engine.terms import Sandboxing

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("docker", "podman")
STARTED_WITHIN = 30.0  # seconds
ENDED_WITHIN = 20.0
NO_NETWORK = "--iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none"


@pytest.fixture(scope="session", params=KINDS)
def container_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a daemon that answers, as in DOCKER_HOST."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    with _host(request.param, shared) as host:
        yield host


@pytest.fixture(scope="session")
def daemon(container_host: str) -> Iterator[Daemon]:
    """A connection to it."""
    found = connect(container_host)
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    found.close()


@pytest.fixture(scope="session")
def image(daemon: Daemon) -> Image:
    """The image that shows this machine's programs."""
    try:
        return find_image(daemon, Sandboxing(), Path("/nowhere"))
    except SandboxError as error:
        pytest.skip(f"{daemon.name}: {error}")


@contextlib.contextmanager
def _host(kind: str, shared: Path) -> Iterator[str]:
    if kind == "docker":
        there = connect()
        if not isinstance(there, str) and not there.podman:
            yield there.host
            there.close()
            return
    with own_daemon(kind, shared) as (address, why_not):
        if why_not:
            pytest.skip(f"no {kind} here: {why_not}")
        yield address


@contextlib.contextmanager
def own_daemon(kind: str, shared: Path) -> Iterator[tuple[str, str]]:
    """The address of a daemon of our own with its data below `shared`; or why there is none."""
    command, why_not = _command(kind, shared)
    if why_not:
        yield "", why_not
        return
    with _shared(command, shared / kind) as why_not:
        yield f"unix://{shared / kind / 's'}", why_not


def _command(kind: str, shared: Path) -> tuple[list[str], str]:
    """What starts a daemon of our own, or why it cannot be started."""
    program, folder = {"docker": "dockerd", "podman": "podman"}[kind], shared / kind
    if shutil.which(program) is None:
        return [], f"{program} is not installed"
    if os.getuid() != 0:
        return [], f"a {program} of our own needs root"
    address = f"unix://{folder / 's'}"
    if kind == "podman":
        roots = ["--root", f"{folder}/data", "--runroot", f"{folder}/run"]
        return [program, *roots, "system", "service", "--time=0", address], ""
    roots = [f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid"]
    return [program, f"--host={address}", *roots, *NO_NETWORK.split()], ""


@contextlib.contextmanager
def _shared(command: list[str], folder: Path) -> Iterator[str]:
    """A daemon as long as one of the workers uses it; tells why there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        open(folder.with_suffix(".door"), "w") as door,
        open(folder.with_suffix(".users"), "w") as users,
    ):
        with _locked(door):
            fcntl.flock(users, fcntl.LOCK_SH)
            why_not = _started(command, folder)
        try:
            yield why_not
        finally:
            with _locked(door), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # we are the last one
                _end(folder)


@contextlib.contextmanager
def _locked(file: object) -> Iterator[None]:
    fcntl.flock(file, fcntl.LOCK_EX)  # type: ignore[arg-type]
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)  # type: ignore[arg-type]


def _started(command: list[str], folder: Path) -> str:
    """Start it, unless another worker has; a shell in between, so that it is nobody's child."""
    pid_file, log = folder / "shell-pid", folder / "log"
    if not pid_file.exists():
        script = 'setsid "$@" </dev/null >"$0" 2>&1 & echo $!'
        done = subprocess.run(
            ["sh", "-c", script, str(log), *command],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,  # podman's monitors leave a file where they are when memory runs out
        )
        pid_file.write_text(done.stdout)
    end = time.monotonic() + STARTED_WITHIN
    while isinstance(found := connect(f"unix://{folder / 's'}"), str):
        if time.monotonic() > end or not _runs(int(pid_file.read_text())):
            words = log.read_text().strip().splitlines() or [found]
            return f"{command[0]} does not start: {words[-1]}"
        time.sleep(0.05)
    found.close()
    return ""


def _end(folder: Path) -> None:
    pid = int((folder / "shell-pid").read_text())
    end = time.monotonic() + ENDED_WITHIN
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while _runs(pid) and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
    while left := [one for one in psutil.process_iter(["cmdline"]) if _is_of(one, folder)]:
        for one in left:  # podman's monitors wait for minutes, and would make the folder anew
            with contextlib.suppress(psutil.Error):
                one.kill()
        time.sleep(0.02)
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if (mounted := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", mounted], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_of(process: psutil.Process, folder: Path) -> bool:
    return any(word.startswith(f"{folder}/") for word in process.info["cmdline"] or ())


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
