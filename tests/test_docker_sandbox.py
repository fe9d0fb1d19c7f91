"""Commands in containers of a real daemon: what they may do, how they end, what is left of them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from msgspec.structs import replace

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox import docker as isolation
from miyabi_tui.engine.sandbox import docker_daemon
from miyabi_tui.engine.sandbox.base import Mount, Space
from miyabi_tui.engine.sandbox.capture import STREAMED_AT_MOST
from miyabi_tui.engine.sandbox.docker_daemon import connect, end_left_over
from miyabi_tui.engine.sandbox.docker_image import Image, find_image
from miyabi_tui.engine.sandbox.docker_sandbox import DockerSandbox
from miyabi_tui.engine.sandbox.table import ProcessTable
from miyabi_tui.engine.terms import Sandboxing
from tests.processes import Pids, until, until_gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from miyabi_tui.engine.sandbox.base import ExecResult
    from miyabi_tui.engine.sandbox.docker_daemon import Daemon

    Make = Callable[..., Awaitable["World"]]

pytest_plugins = ("tests.docker_daemon",)
pytestmark = pytest.mark.anyio
LONG = 60.0
SH = Path(os.path.realpath("/bin/sh"))
LIMITS = Sandboxing(memory_gb=0.125, cpus=1, disk_gb=0.05, processes=64)
TOOLS = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives")))


class World:
    """A world's sandbox and its worktree, with scripts in `sh`."""

    def __init__(self, space: Space, daemon: Daemon, image: Image, main: tuple[str, ...]) -> None:
        self.space = space
        self.daemon = daemon
        self.sandbox = DockerSandbox(space, daemon, image, main)
        self.streamed: list[tuple[Channel, str]] = []
        self.pids = Pids()

    async def run(self, script: str, *, limit: float = LONG) -> ExecResult:
        def told(channel: Channel, text: str) -> None:
            self.streamed.append((channel, text))
            self.pids(channel, text)

        argv = ("sh", "-c", script)
        return await self.sandbox.exec(
            argv, cwd=self.space.worktree, time_limit=limit, on_output=told
        )

    async def says(self, script: str) -> str:
        return (await self.run(script)).output.strip()

    def text(self, channel: Channel) -> str:
        return "".join(text for one, text in self.streamed if one is channel)

    def containers(self) -> list[str]:
        return self.daemon.containers_of(self.space.owner)

    async def empty(self) -> None:
        """None of its commands runs any more; who was killed may need a moment."""
        await until(lambda: self.sandbox.usage(ProcessTable.read()).processes == 0)


@pytest.fixture
async def make(
    daemon: Daemon,
    image: Image,
    tmp_path: Path,
) -> AsyncIterator[Make]:
    made: list[World] = []

    async def world(
        limits: Sandboxing = LIMITS,
        mounts: Iterable[Mount] = (),
        main: tuple[str, ...] = (),
        **more: object,
    ) -> World:
        worktree = tmp_path / "worktree"
        worktree.mkdir(exist_ok=True)
        space = Space(
            name=f"Ada {len(made)}",
            worktree=worktree,
            env={"PATH": os.environ["PATH"], "HOME": "/tmp/home", "WORD": "given"},
            limits=limits,
            mounts=(Mount(worktree, writable=True), *mounts),
            tools=TOOLS,
            owner=f"{os.getpid()}-{tmp_path.name}-",
        )
        made.append(World(replace(space, **more), daemon, image, main))
        await made[-1].sandbox.start()
        return made[-1]

    yield world
    for one in made:
        await one.sandbox.stop()
        assert one.containers() == []


@pytest.fixture
async def world(make: Make) -> World:
    return await make()


# --- output and codes -----------------------------------------------------------------------------


async def test_output_and_exit_code(world: World) -> None:
    result = await world.run("pwd; echo err >&2; cat; exit 3")
    assert (result.exit_code, result.timed_out) == (3, False)
    assert sorted(result.output.splitlines()) == [str(world.space.worktree), "err"]
    assert world.text(Channel.STDOUT) == f"{world.space.worktree}\n"
    assert world.text(Channel.STDERR) == "err\n"
    assert (await world.run("kill -KILL $$")).exit_code == 137
    assert await world.says(r"printf '\346\227'; sleep 0.05; printf '\245 \377'") == "日 �"


async def test_short_commands_lose_nothing(world: World) -> None:
    for n in range(10):
        assert await world.says(f"echo {n}; echo {n} >&2") in (f"{n}\n{n}",)


async def test_ten_megabytes_on_each_pipe(world: World) -> None:
    zeros = "head -c 10000000 /dev/zero"
    result = await world.run(f"{zeros} | tr '\\0' e >&2 & {zeros} | tr '\\0' o; wait")
    assert result.exit_code == 0
    assert "… 19990000 characters left out …" in result.output
    assert len(result.output) < 10_100
    shown = sum(len(text) for channel, text in world.streamed if channel is not Channel.NOTE)
    assert shown == STREAMED_AT_MOST


async def test_what_cannot_be_run_is_a_result(world: World) -> None:
    (world.space.worktree / "plain").write_text("no program")
    for argv, words in (
        (("no-such-command", "x"), "cannot run no-such-command: No such file or directory"),
        (("./no-such", "x"), "cannot run ./no-such: No such file or directory"),
        (("./plain",), "cannot run ./plain: Permission denied"),
        (("sh", "-c", "echo \0"), "cannot run sh: embedded null byte"),
        (("sh", "-c", "echo \ud800"), "cannot run sh: "),
        (("sh", "-c", "x" * 3_000_000), "cannot run sh: Argument list too long"),
    ):
        result = await world.sandbox.exec(argv, cwd=world.space.worktree, time_limit=LONG)
        assert (result.exit_code, result.ok) == (127, False)
        assert result.output.startswith(words)
    result = await world.sandbox.exec(("ls",), cwd=Path("/gone"), time_limit=LONG)
    assert result.output == "cannot run ls: there is no folder /gone"


async def test_words_of_the_shell_are_programs_too(world: World) -> None:
    """An argument is never taken for something that the shell itself does."""
    argv = ("echo", "$HOME", "a  b", "*", "-n", "\\n", "it's")
    result = await world.sandbox.exec(argv, cwd=world.space.worktree, time_limit=LONG)
    assert result.output == "$HOME a  b * -n \\n it's\n"
    result = await world.sandbox.exec(("exit", "0"), cwd=world.space.worktree, time_limit=LONG)
    assert result.exit_code == 127


async def test_variables_of_one_command(world: World) -> None:
    result = await world.sandbox.exec(
        ("sh", "-c", "echo $WORD $MORE"),
        cwd=world.space.worktree,
        time_limit=LONG,
        env={"WORD": "a b", "MORE": "c"},
    )
    assert result.output == "a b c\n"


# --- ends -----------------------------------------------------------------------------------------


async def test_the_time_limit_ends_everything(world: World) -> None:
    script = "sleep 600 & setsid sleep 600 & (trap '' TERM; sleep 600) & echo ready; wait"
    result = await world.run(script, limit=1.0)
    assert (result.exit_code, result.timed_out, result.output) == (None, True, "ready\n")
    await world.empty()


async def test_what_is_left_in_the_background_ends(world: World) -> None:
    started = time.monotonic()
    result = await world.run("sleep 600 & setsid sleep 600 & nohup sleep 600 & echo done")
    assert (result.exit_code, result.output.endswith("done\n")) == (0, True)
    assert time.monotonic() - started < 1.9  # the daemon itself would wait for the pipes for two
    await world.empty()


async def test_cancellation_ends_everything(world: World) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(world.run, "sleep 600 & setsid sleep 600 & echo 7; wait")
        await world.pids.first()
        group.cancel_scope.cancel()
    await world.empty()
    assert await world.says("echo alive") == "alive"


async def test_two_commands_at_once(world: World) -> None:
    """One that ends, or is ended, leaves the other alone."""
    results: list[ExecResult] = []

    async def first() -> None:
        results.append(await world.run("echo 1; read word <go; echo $word"))

    os.mkfifo(world.space.worktree / "go")
    async with anyio.create_task_group() as group:
        group.start_soon(first)
        await world.pids.first()
        assert await world.says("sleep 600 & echo second") == "second"
        assert (await world.run("sleep 600", limit=0.3)).timed_out
        assert await world.says("echo well >go") == ""
    assert results[0].output == "1\nwell\n"
    await world.empty()


async def test_a_command_that_kills_all_that_it_can(world: World) -> None:
    for script in ("kill -9 -1", "kill -9 $PPID", "kill -9 0"):
        assert (await world.run(script)).exit_code == 137
    container = world.containers()
    assert await world.says("echo alive") == "alive"
    assert world.containers() == container


async def test_a_container_that_was_lost_is_made_anew(world: World) -> None:
    [lost] = world.containers()
    async with anyio.create_task_group() as group:
        group.start_soon(world.run, "echo 1; sleep 600")
        await world.pids.first()
        await anyio.to_thread.run_sync(world.daemon.remove, lost)
    assert await world.says("echo alive") == "alive"
    assert lost not in world.containers()


@pytest.mark.parametrize("shell", ["bash", "busybox"])
async def test_other_shells(make: Make, shell: str) -> None:
    """What an image calls `sh` differs; nothing of ours depends on which it is."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    world = await make(mounts=(Mount(Path(program), SH),))
    assert (await world.run("for n in 1 2 3; do setsid sleep 0 & done; exit 3")).exit_code == 3
    result = await world.run("sleep 600 & setsid sleep 600 & echo done")
    assert (result.exit_code, result.output) == (0, "done\n")
    await world.empty()
    while "Z" in await world.says("cut -d')' -f2 /proc/[0-9]*/stat | cut -d' ' -f2"):
        pass  # whoever was left behind is reaped, but not by us
    assert (await world.run("kill -9 $$")).output == ""
    assert (await world.run("kill -9 -1")).exit_code == 137
    assert (await world.run("sleep 600", limit=0.3)).timed_out
    result = await world.sandbox.exec(("no-such",), cwd=world.space.worktree, time_limit=LONG)
    assert result.output == "cannot run no-such: No such file or directory"


# --- limits ---------------------------------------------------------------------------------------


async def test_a_fork_bomb(world: World) -> None:
    result = await world.run("f() { f | f & }; f; sleep 600", limit=1.0)
    assert "Cannot fork" in result.output or "Resource temporarily" in result.output
    await world.empty()
    assert await world.says("echo alive") == "alive"


async def test_too_much_memory(world: World) -> None:
    result = await world.run("head -c 400000000 /dev/zero | tail -c 300000000 >/dev/null; exit 1")
    assert "[something was killed: over the memory limit of 0.125 GB]" in result.output
    assert await world.says("echo alive") == "alive"


async def test_a_full_tmp_is_full(world: World) -> None:
    """What is in there is memory: filling it must not end everything."""
    result = await world.run("for n in 1 2; do head -c 40000000 /dev/zero >/tmp/$n; done")
    assert "space left" in result.output
    assert "killed" not in result.output


async def test_a_file_over_the_disk_limit(world: World) -> None:
    assert (await world.run("head -c 90000000 /dev/zero >full")).exit_code != 0
    assert (world.space.worktree / "full").stat().st_size <= LIMITS.disk_bytes


# --- what is out of reach -------------------------------------------------------------------------


async def test_who_it_is_and_what_it_has(world: World) -> None:
    told = await world.says(
        "id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; ls /sys/class/net;"
        "echo $HOME; touch $HOME/x /tmp/y && echo both; test -x /proc/1/exe; ulimit -c"
    )
    uid = "0" if world.daemon.rootless else str(os.getuid())
    none = "0" * 16
    assert told.split() == [
        *(uid, "0" if world.daemon.rootless else str(os.getgid())),
        *("CapEff:", none, "CapBnd:", none, "NoNewPrivs:", "1", "lo", "/tmp/home", "both", "0"),
    ]


async def test_only_what_was_given_is_in_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy.example.org")
    world = await make()
    names = {line.partition("=")[0] for line in (await world.says("env")).splitlines()}
    of_the_daemon = {"HOSTNAME", "PWD", "TERM", "container", "_", "SHLVL"}
    assert names - of_the_daemon == {"PATH", "HOME", "WORD"}
    assert "secret" not in await world.says("cat /proc/*/environ 2>&1 | tr '\\0' ' '")


async def test_what_can_be_written(make: Make, tmp_path: Path) -> None:
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "HEAD").write_text("main")
    dot_git = tmp_path / "dot-git"
    dot_git.write_text("gitdir: elsewhere")
    (tmp_path / "worktree").mkdir()
    inside = tmp_path / "worktree" / ".git"
    inside.touch()
    world = await make(mounts=(Mount(tmp_path / "git"), Mount(dot_git, inside)))
    told = await world.says(
        f"cat {tmp_path}/git/HEAD .git; echo; for one in /usr/x /etc/x /x {tmp_path}/git/x"
        f" .git; do (echo hi >$one) 2>/dev/null && echo $one; done; echo hi >own"
    )
    assert told == "maingitdir: elsewhere"
    assert (world.space.worktree / "own").read_text() == "hi\n"
    assert (world.space.worktree / "own").stat().st_uid == os.getuid()


async def test_the_rest_of_the_machine_is_not_there(make: Make, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("word")
    folder = tmp_path / "tools"
    (folder / "hidden").mkdir(parents=True)
    (folder / "hidden" / "key").write_text("word")
    (folder / "shadow").write_text("word")
    (folder / "shown").write_text("shown")
    world = await make(
        tools=(*TOOLS, folder), hidden=(folder / "hidden", folder / "shadow", tmp_path / "gone")
    )
    told = await world.says(
        f"exec 2>&1; cat {folder}/shown {folder}/shadow; ls {folder}/hidden {tmp_path};"
        "ls ~ /var/run/*.sock"
    )
    assert "word" not in told
    assert "secret" not in told and "key" not in told
    assert told.startswith("shown")


# --- freezing -------------------------------------------------------------------------------------


async def test_freeze_and_thaw(world: World) -> None:
    busy = "sh -c 'echo 1; while :; do :; done'"
    async with anyio.create_task_group() as group:
        group.start_soon(world.run, f"{busy} & setsid {busy} & wait")
        await world.pids.first(2)
        await world.sandbox.freeze()
        await world.sandbox.freeze()  # twice is once
        before = world.sandbox.usage(ProcessTable.read())
        assert before.processes == 5 or before.processes == 4
        await anyio.sleep(0.2)  # not a synchronisation: time in which CPU would be used
        assert world.sandbox.usage(ProcessTable.read()).cpu_seconds == before.cpu_seconds
        await world.sandbox.thaw()
        await until(
            lambda: world.sandbox.usage(ProcessTable.read()).cpu_seconds > before.cpu_seconds
        )
        group.cancel_scope.cancel()
    await world.empty()


async def test_the_time_limit_stands_still(world: World) -> None:
    results: list[ExecResult] = []

    async def run() -> None:
        results.append(await world.run("echo 7; sleep 0.3; echo 8", limit=1.2))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await world.pids.first()
        await world.sandbox.freeze()
        await anyio.sleep(1.3)  # longer than the limit
        assert world.pids.found == [7]
        await world.sandbox.thaw()
    assert (results[0].exit_code, results[0].timed_out) == (0, False)


async def test_a_command_begun_while_frozen_waits(world: World) -> None:
    results: list[ExecResult] = []

    async def run() -> None:
        results.append(await world.run("echo 1", limit=0.5))

    await world.sandbox.freeze()
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.sleep(0.6)  # longer than the limit
        assert results == []
        await world.sandbox.thaw()
    assert results[0].output == "1\n"


async def test_cancelled_while_frozen(world: World) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(world.run, "echo 1; sleep 600")
        await world.pids.first()
        await world.sandbox.freeze()
        group.cancel_scope.cancel()
    await world.empty()
    await world.sandbox.thaw()
    assert await world.says("echo alive") == "alive"


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_ended_while_frozen(world: World, how: str) -> None:
    results: list[ExecResult] = []

    async def run() -> None:
        results.append(await world.run("echo 1; sleep 600"))

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await world.pids.first()
        pids = world.sandbox.usage(ProcessTable.read()).pids
        await world.sandbox.freeze()
        if how == "stop":
            await world.sandbox.stop()
        else:
            await anyio.to_thread.run_sync(world.sandbox.kill)
    assert results[0].exit_code == 137
    assert world.containers() == []
    for pid in pids:
        await until_gone(pid)
    await world.sandbox.stop()  # twice is once
    assert "its world has ended" in (await world.run("echo")).output


# --- what is left ---------------------------------------------------------------------------------


async def test_it_ends_with_its_engine(world: World) -> None:
    """Nobody has to tell: the connection is gone, and the container with it."""
    keeper = world.sandbox._keeper
    assert keeper is not None
    keeper.cut()
    await until(lambda: world.containers() == [])


async def test_left_over_containers_are_removed(
    make: Make, monkeypatch: pytest.MonkeyPatch, container_host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", container_host)
    world, other = await make(), await make(owner=f"other-{os.getpid()}")
    await world.sandbox.freeze()
    assert await anyio.to_thread.run_sync(end_left_over, world.space.owner[:-1]) == 1
    assert world.containers() == []
    assert len(other.containers()) == 1
    assert await anyio.to_thread.run_sync(end_left_over, "") == 0


async def test_a_program_beside_the_commands(make: Make) -> None:
    world = await make(main=("sh", "-c", "while :; do date +%s%N >beat; sleep 0.02; done"))
    beat = world.space.worktree / "beat"
    for _ in range(2):
        await world.run("setsid sleep 600 & echo")
        before = beat.read_text()
        await until(lambda before=before: beat.read_text() not in ("", before))  # type: ignore[misc]
    assert (await world.says("ps -ef | grep -c '[s]leep 600'")) == "0"


# --- whether it works at all ----------------------------------------------------------------------


async def test_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container_host: str, daemon: Daemon
) -> None:
    monkeypatch.setenv("DOCKER_HOST", container_host)
    found = await isolation.look(LIMITS, tmp_path, tmp_path, "look-")
    assert not isinstance(found, str)
    assert found.detail == f"{daemon.name}, this machine's programs"
    assert found.shows_machine
    found.close()
    assert os.listdir(tmp_path) == []


async def test_a_limit_that_does_not_hold(
    daemon: Daemon, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rootless podman does where it has no control group: without a word."""
    create = daemon.api.create_host_config
    monkeypatch.setattr(
        daemon.api, "create_host_config", lambda **words: create(**(words | {"pids_limit": 9999}))
    )
    space = Space(
        name="probe",
        worktree=tmp_path,
        env={"PATH": os.environ["PATH"]},
        limits=LIMITS,
        mounts=(Mount(tmp_path, writable=True),),
        tools=TOOLS,
    )
    why_not = await isolation.probe(daemon, image, space)
    assert why_not == f"{daemon.name} does not limit the processes of a container (9999, not 64)"


async def test_an_image_without_a_shell(make: Make) -> None:
    with pytest.raises(SandboxError, match="sh"):
        await make(tools=())


async def test_the_projects_own_image(daemon: Daemon, image: Image, tmp_path: Path) -> None:
    (tmp_path / ".miyabi").mkdir()
    file = tmp_path / ".miyabi" / "Dockerfile"
    base = image.id.removeprefix("sha256:")
    file.write_text(f"FROM {base}\nENV PATH=/own WORD=theirs\nCOPY x /x\n")
    (tmp_path / ".miyabi" / "x").write_text("hi")
    made = await anyio.to_thread.run_sync(find_image, daemon, LIMITS, tmp_path)
    try:
        again = await anyio.to_thread.run_sync(find_image, daemon, LIMITS, tmp_path)
        assert (again.id, made.own, made.env["WORD"]) == (made.id, True, "theirs")
    finally:
        daemon.api.remove_image(made.name, force=True)
    file.write_text("FROM no-such-image-anywhere.invalid/x\n")
    with pytest.raises(SandboxError, match="cannot be had"):
        await anyio.to_thread.run_sync(find_image, daemon, LIMITS, tmp_path)


def test_an_image_knows_where_its_tools_are() -> None:
    own = Image(id="x", name="x", env={"PATH": "/go/bin:/bin", "GOPATH": "/go", "LANG": "C"})
    given = {
        "PATH": "/w/.venv/bin:/usr/bin",
        "GOPATH": "/home/hana/go",
        "SSL_CERT_FILE": "/etc/mine.pem",
        "HOME": "/tmp/home",
        "PORT": "80",
    }
    assert own.environment(given, [Path("/w")]) == {
        "PATH": "/w/.venv/bin:/go/bin:/bin",
        "HOME": "/tmp/home",
        "PORT": "80",
    }
    assert own.environment({"LANG": "de"}, [], added=True) == {"LANG": "de"}


def test_no_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_daemon, "_usual_socket", lambda env: "")
    assert "no Docker daemon here" in str(connect(env={}))
    address = f"unix://{tmp_path}/s"
    assert str(connect(address)) == f"no Docker daemon at {address}: No such file or directory"
    assert "cannot see the worktrees" in str(connect("ssh://elsewhere"))
