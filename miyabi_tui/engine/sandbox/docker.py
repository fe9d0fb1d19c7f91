"""Docker as an isolation: whether it really works here, and the sandboxes that it makes."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from msgspec.structs import replace

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.sandbox.base import PROXY, Mount, Space
from miyabi_tui.engine.sandbox.docker_daemon import connect, end_left_over
from miyabi_tui.engine.sandbox.docker_image import HOME, find_image
from miyabi_tui.engine.sandbox.docker_keeper import SHELL
from miyabi_tui.engine.sandbox.docker_sandbox import DockerSandbox
from miyabi_tui.engine.sandbox.seen import hidden, tool_folders

if TYPE_CHECKING:
    from pathlib import Path

    from miyabi_tui.engine.sandbox.docker_daemon import Daemon
    from miyabi_tui.engine.sandbox.docker_image import Image
    from miyabi_tui.engine.terms import Sandboxing

__all__ = ["Docker", "DockerSandbox", "connect", "end_left_over", "look", "probe"]

QUESTION, ANSWER = ".miyabi-probe", ".miyabi-probed"
PROBED_WITHIN = 30.0  # seconds
# Nothing but the shell's own words: an image may hold little else.
_SCRIPT = f"""
read -r word <{QUESTION} && echo "$word" >{ANSWER}
cd /sys/fs/cgroup
for file in memory.max memory/memory.limit_in_bytes; do
  [ -r $file ] && read -r number <$file && echo memory $number
done
for file in pids.max pids/pids.max; do
  [ -r $file ] && read -r number <$file && echo processes $number
done
exit 0
"""


class Docker:
    """A daemon and an image that work here. `detail` tells a person which."""

    def __init__(self, daemon: Daemon, image: Image) -> None:
        self._daemon = daemon
        self._image = image
        self.detail = f"{daemon.name}, {image.name}"
        self.shows_machine = not image.own

    def sandbox(self, space: Space) -> DockerSandbox:
        """A sandbox, not yet started; the way to its proxy runs beside the commands."""
        main: tuple[str, ...] = ()
        if space.proxy is not None:
            from miyabi_tui.engine.sandbox.proxy import forwarded

            main = tuple(forwarded((), PROXY))
            space = replace(space, mounts=(*space.mounts, Mount(space.proxy, PROXY)))
        return DockerSandbox(space, self._daemon, self._image, main)

    def close(self) -> None:
        """Give the daemon's connections back."""
        self._daemon.close()


async def look(limits: Sandboxing, repo: Path, temporary: Path, owner: str) -> Docker | str:
    """The daemon and the image for these limits, tried out; else why Docker does not work here.

    `repo` is the user's own checkout, whose Dockerfile counts. The trial takes place in
    `temporary`. An image may have to be pulled or built first, which takes minutes at most.
    """
    daemon = await anyio.to_thread.run_sync(connect)
    if isinstance(daemon, str):
        return daemon
    try:
        image = await anyio.to_thread.run_sync(find_image, daemon, limits, repo)
        space = await anyio.to_thread.run_sync(_trial, limits, temporary, owner)
        try:
            why_not = await probe(daemon, image, space)
        finally:
            shutil.rmtree(space.worktree, ignore_errors=True)
    except SandboxError as error:
        why_not = str(error)
    if why_not:
        daemon.close()
        return why_not
    return Docker(daemon, image)


def _trial(limits: Sandboxing, temporary: Path, owner: str) -> Space:
    folder = temporary / f"docker-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    return Space(
        name="probe",
        worktree=folder,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": HOME},
        limits=limits,
        mounts=(Mount(folder, writable=True),),
        tools=tool_folders(os.environ),
        hidden=hidden(os.environ),
        owner=owner,
    )


async def probe(daemon: Daemon, image: Image, space: Space) -> str:
    """Why the worlds' containers would not be what they should be; empty where they are.

    A file is written into the space's worktree and read by a container, another the other way
    round; the limits are read from inside. The space's `mounts` must hold the worktree, writable.
    """
    word = secrets.token_hex(8)
    question, answer = anyio.Path(space.worktree / QUESTION), anyio.Path(space.worktree / ANSWER)
    sandbox = DockerSandbox(replace(space, name=space.name or "probe"), daemon, image)
    try:
        await question.write_text(f"{word}\n")
        await sandbox.start()
        done = await sandbox.exec(
            (SHELL, "-c", _SCRIPT), cwd=space.worktree, time_limit=PROBED_WITHIN
        )
        if done.exit_code != 0:
            return f"a command in a container fails: {done.output.strip()}"
        if not await answer.exists() or (await answer.read_text()).strip() != word:
            return (
                f"{daemon.name} does not share {space.worktree} with its containers as this user's:"
                f" {done.output.strip() or 'it runs on another machine'}"
            )
        return _limits_that_fail(daemon, done.output, space.limits)
    except (SandboxError, OSError) as error:
        return str(error)
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.stop()
            for file in (question, answer):
                await anyio.to_thread.run_sync(functools.partial(_remove, file))


def _limits_that_fail(daemon: Daemon, told: str, limits: Sandboxing) -> str:
    found = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    for name, limit in (("memory", limits.memory_bytes), ("processes", limits.processes)):
        number = found.get(name, "none")
        if not number.isdecimal() or int(number) > limit:
            return f"{daemon.name} does not limit the {name} of a container ({number}, not {limit})"
    return ""


def _remove(file: anyio.Path) -> None:
    try:
        os.unlink(file)
    except OSError:
        shutil.rmtree(file, ignore_errors=True)
