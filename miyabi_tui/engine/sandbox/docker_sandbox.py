"""Commands in a container of their world's own, through the Docker daemon or podman's service."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox.base import ExecResult, Reading
from miyabi_tui.engine.sandbox.capture import Capture
from miyabi_tui.engine.sandbox.deadline import Deadline
from miyabi_tui.engine.sandbox.docker_container import configuration, container_name, shown
from miyabi_tui.engine.sandbox.docker_keeper import (
    NO_FOLDER,
    NOT_EXECUTABLE,
    SHELL,
    WRAPPER,
    Keeper,
    Run,
)
from miyabi_tui.engine.sandbox.docker_stream import Line
from miyabi_tui.engine.terms import Isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import OnOutput, Space
    from miyabi_tui.engine.sandbox.docker_daemon import Daemon
    from miyabi_tui.engine.sandbox.docker_image import Image
    from miyabi_tui.engine.sandbox.table import ProcessTable

START_SECONDS = 60.0
GRACE_SECONDS = 3.0  # for the last words of what was ended
LONGEST_ARGUMENT = 131_071  # bytes, the kernel's
LONGEST_ARGUMENTS = 1_900_000
KILLED = 137
_CHANNELS = {1: Channel.STDOUT, 2: Channel.STDERR}


class DockerSandbox:
    """One long-lived container; see `Sandbox` for the contract.

    `main` is a program of the container's own that runs as long as it does. When no command runs
    any more, everything else in the container is ended. A container that was lost is made anew for
    the next command.
    """

    isolation = Isolation.DOCKER

    def __init__(
        self, space: Space, daemon: Daemon, image: Image, main: tuple[str, ...] = ()
    ) -> None:
        self._space = space
        self._daemon = daemon
        self._image = image
        self._main = main
        self._container = ""
        self._pid = 0  # of its first process, on this machine; 0 if it is on another
        self._keeper: Keeper | None = None
        self._runs: set[Run] = set()
        self._deadlines: set[Deadline] = set()
        self._frozen = False
        self._held = False  # stopped by signal besides
        self._stopped = False
        self._thawed = anyio.Event()
        self._thawed.set()
        self._hand = anyio.Lock()  # what begins, ends, freezes or thaws: one after another

    # --- the container ----------------------------------------------------------------------------

    async def start(self) -> None:
        """See `Sandbox.start`."""
        async with self._hand:
            await self._begin()

    async def _begin(self) -> None:
        """Make the container anew."""
        try:
            with _told(f"no container for {self._space.name}"):
                await anyio.to_thread.run_sync(self._create)
            assert self._keeper is not None
            if not await self._keeper.ready(START_SECONDS):
                raise SandboxError(
                    f"no container for {self._space.name}",
                    f"{self._image.name} does not run {SHELL}",
                    "choose an image with a shell",
                )
            self._pid = await anyio.to_thread.run_sync(self._first_process)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._end()
            raise

    def _create(self) -> None:
        api = self._daemon.api
        self._drop_keeper()
        made = configuration(self._daemon, self._space, self._image, self._main)
        with self._daemon.starting:
            name = container_name(self._space, uuid.uuid4().hex[:8])
            self._container = api.create_container_from_config(made, name=name)["Id"]
            asked = {"stdin": 1, "stdout": 1, "stderr": 0, "stream": 1}
            self._keeper = Keeper(Line(api.attach_socket(self._container, params=asked)))
            api.start(self._container)

    def _first_process(self) -> int:
        """Its number here, if it is here: a daemon in a machine of its own tells another's."""
        pid = self._daemon.api.inspect_container(self._container)["State"]["Pid"]
        with contextlib.suppress(OSError):
            if self._container in Path(f"/proc/{pid}/cgroup").read_text():
                return int(pid)
        return 0

    async def stop(self) -> None:
        """See `Sandbox.stop`."""
        self._stopped = True
        self._thawed.set()
        with anyio.CancelScope(shield=True):
            async with self._hand:
                await self._end()

    async def _end(self) -> None:
        if self._container:
            await anyio.to_thread.run_sync(self._daemon.remove, self._container)
            self._container, self._pid = "", 0
        self._drop_keeper()

    def _drop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def kill(self) -> None:
        """See `Sandbox.kill`."""
        self._stopped = True
        if keeper := self._keeper:
            keeper.cut()
        if container := self._container:
            self._daemon.remove(container)

    async def freeze(self) -> None:
        """See `Sandbox.freeze`."""
        async with self._hand:
            if self._frozen:
                return
            self._frozen = True
            self._thawed = anyio.Event()
            for deadline in self._deadlines:
                deadline.suspend()
            await self._pause()

    async def thaw(self) -> None:
        """See `Sandbox.thaw`."""
        async with self._hand:
            if not self._frozen:
                return
            self._frozen = False
            await self._unpause()
            if self._held and self._keeper is not None:
                await self._keeper.let_go()
            self._held = False
            for deadline in self._deadlines:
                deadline.run()
            self._thawed.set()

    async def _pause(self) -> None:
        """Where the daemon's freezer fails, as on busy commands now and then, they are stopped."""
        if await self._call(self._daemon.api.pause):
            return
        self._held = self._keeper is not None and await self._keeper.hold()
        if not await self._call(self._daemon.api.pause) and not self._held:
            raise SandboxError(f"{self._space.name} cannot be frozen", "the daemon refuses")

    async def _unpause(self) -> None:
        await self._call(self._daemon.api.unpause)

    async def _call(self, what: Callable[[str], object]) -> bool:
        """Whether it is done, or needless since there is no container or it is so already."""
        from docker.errors import APIError

        if not self._container:
            return True
        try:
            with _told("the container cannot be frozen or thawed"):
                await anyio.to_thread.run_sync(what, self._container)
        except SandboxError as error:
            cause = error.__cause__
            return not (isinstance(cause, APIError) and cause.is_server_error())
        return True

    async def interrupt(self) -> None:
        """See `Sandbox.interrupt`."""
        async with self._hand:
            if self._keeper is None:
                return
            if self._frozen:
                await self._unpause()
            await self._keeper.end_all()
            if self._frozen:
                await self._pause()

    def usage(self, table: ProcessTable) -> Reading:
        """See `Sandbox.usage`; the keeper is not among them."""
        pid = self._pid
        if not pid:
            return Reading()
        return table.reading(table.of_namespace(pid) - _family(pid))

    # --- a command --------------------------------------------------------------------------------

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        time_limit: float,
        env: Mapping[str, str] | None = None,
        on_output: OnOutput | None = None,
        keep: int = 10_000,
    ) -> ExecResult:
        """See `Sandbox.exec`.

        Raises:
            SandboxError: the container is gone and cannot be made anew.
        """
        if why_not := _unfit(argv, cwd):
            return _cannot_run(argv, why_not)
        started = time.monotonic()
        capture, deadline, run = Capture(keep, on_output), Deadline(time_limit), Run()
        request = (argv, cwd, env or {})
        begun = await self._launch(run, deadline, request)
        if begun is None:
            return _cannot_run(argv, "its world has ended")
        keeper, exec_id, line = begun
        ended = anyio.Event()
        try:
            with deadline.scope:
                await _follow(line, capture, keeper, run, ended)
        finally:
            with anyio.CancelScope(shield=True), contextlib.closing(line):
                note = await self._finish(run, deadline, keeper)
                with anyio.move_on_after(GRACE_SECONDS):
                    if not ended.is_set():
                        await _drain(line, capture)
                capture.close()
                if note:
                    capture.note(note)
        timed_out = deadline.passed and run.code is None and not ended.is_set()
        seconds = time.monotonic() - started
        if run.refused:
            return _cannot_run(argv, _refusal(run.refused, cwd))
        code = None if timed_out else run.code
        if code is None and not timed_out:
            code = await anyio.to_thread.run_sync(self._exit_code, exec_id)
            if not run.session and code in (126, 127, 255):  # the daemon's own words
                return _cannot_run(argv, capture.text().strip())
        return ExecResult(code, capture.text(), seconds, timed_out)

    async def _launch(
        self,
        run: Run,
        deadline: Deadline,
        request: tuple[Sequence[str], Path, Mapping[str, str]],
    ) -> tuple[Keeper, str, Line] | None:
        """Begin a command, once nothing is frozen; None if the sandbox is stopped."""
        while not self._stopped:
            await self._thawed.wait()
            async with self._hand:
                if self._frozen or self._stopped:
                    continue
                if self._keeper is None or self._keeper.gone:
                    await self._end()
                    await self._begin()
                assert self._keeper is not None
                self._keeper.expect(run)  # another command's task may be the one that hears of it
                try:
                    with _told(f"nothing can be run for {self._space.name}"):
                        exec_id, line = await anyio.to_thread.run_sync(self._execute, run, *request)
                except SandboxError:
                    self._keeper.forget(run)
                    raise
                self._runs.add(run)
                self._deadlines.add(deadline)
                deadline.run()
                return self._keeper, exec_id, line
        return None

    def _execute(
        self, run: Run, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> tuple[str, Line]:
        api = self._daemon.api
        added = self._image.environment(env, shown(self._space), added=True)
        command = [SHELL, "-c", WRAPPER, "miyabi", run.key, str(cwd), *argv]
        exec_id = api.exec_create(self._container, command, environment=added)["Id"]
        return exec_id, Line(api.exec_start(exec_id, socket=True))

    async def _finish(self, run: Run, deadline: Deadline, keeper: Keeper) -> str:
        """End what is left of a command; of all commands, if it was the last one.

        Returns what there is to be said of its end.
        """
        async with self._hand:
            self._deadlines.discard(deadline)
            self._runs.discard(run)
            before = keeper.killed_for_memory
            if self._frozen:
                await self._unpause()
            confirmed = await (keeper.end_session(run) if self._runs else keeper.end_all())
            if self._frozen and confirmed:
                await self._pause()
            keeper.forget(run)
            if not confirmed and self._keeper is keeper:
                await self._end()  # whatever is left in it ends with it
        if keeper.killed_for_memory > before >= 0:
            limit = f"{self._space.limits.memory_gb:g} GB"
            return f"[something was killed: over the memory limit of {limit}]\n"
        return ""

    def _exit_code(self, exec_id: str) -> int:
        """What the daemon knows of a command that did not tell; those who are gone were killed."""
        try:
            with _told(""):
                code = self._daemon.api.exec_inspect(exec_id)["ExitCode"]
        except SandboxError:
            return KILLED
        return KILLED if code is None else int(code)


async def _follow(
    line: Line, capture: Capture, keeper: Keeper, run: Run, ended: anyio.Event
) -> None:
    """Until the command has ended: by its own word, or because its pipes have."""
    async with anyio.create_task_group() as group:

        async def read() -> None:
            await _drain(line, capture)
            ended.set()
            group.cancel_scope.cancel()

        group.start_soon(read)
        await keeper.hear(run.over)
        group.cancel_scope.cancel()


async def _drain(line: Line, capture: Capture) -> None:
    while (piece := await line.receive()) is not None:
        capture.feed(_CHANNELS.get(piece[0], Channel.STDERR), piece[1])


def _family(pid: int) -> set[int]:
    """The first process and the one that it waits for."""
    with contextlib.suppress(OSError):
        return {pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[:1])}
    return {pid}


def _unfit(argv: Sequence[str], cwd: Path) -> str:
    """Why no process can be given this, in the words that a process of this machine gets."""
    try:
        sizes = [len(word.encode()) for word in (*argv, str(cwd))]
    except UnicodeEncodeError as error:
        return str(error)
    if any("\0" in word for word in argv) or "\0" in str(cwd):
        return "embedded null byte"
    if max(sizes) > LONGEST_ARGUMENT or sum(sizes) > LONGEST_ARGUMENTS:
        return "Argument list too long"
    return ""


def _refusal(number: int, cwd: Path) -> str:
    if number == NO_FOLDER:
        return f"there is no folder {cwd}"
    return "Permission denied" if number == NOT_EXECUTABLE else "No such file or directory"


def _cannot_run(argv: Sequence[str], why: str) -> ExecResult:
    return ExecResult(127, f"cannot run {argv[0]}: {why}", 0.0)


@contextlib.contextmanager
def _told(title: str) -> Iterator[None]:
    """Give the daemon's refusals and its silence our own form."""
    import requests
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, requests.RequestException, OSError) as error:
        words: Any = getattr(error, "explanation", None) or error
        raise SandboxError(title, str(words), "docker info, or another isolation") from error
