"""Commands as processes: their output, their limits, their end; nothing of them is left behind."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.events import Channel
from miyabi_tui.engine.sandbox import local as sandbox_local
from miyabi_tui.engine.sandbox.capture import STREAMED_AT_MOST
from miyabi_tui.engine.sandbox.output import HeadTail, head_tail
from miyabi_tui.engine.sandbox.table import ProcessTable
from tests.places import bare
from tests.processes import Pids, alive, until, until_gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from miyabi_tui.engine.sandbox.process import ProcessSandbox

pytestmark = pytest.mark.anyio
LONG = 60.0
KEPT = 1 if sys.platform == "linux" else 0  # the process that keeps a command to its folders


@pytest.fixture
async def sandbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProcessSandbox]:
    monkeypatch.setattr(sandbox_local, "GRACE_SECONDS", 0.2)
    made = bare({"PATH": os.environ["PATH"]})
    yield made
    await made.stop()


class Shell:
    """Runs scripts in a folder and keeps what was streamed."""

    def __init__(self, sandbox: ProcessSandbox, cwd: Path) -> None:
        self.sandbox = sandbox
        self.cwd = cwd
        self.streamed: list[tuple[Channel, str]] = []

    async def run(
        self, script: str, *, limit: float = LONG, keep: int = 10_000
    ) -> tuple[int | None, str]:
        result = await self.sandbox.exec(
            ("bash", "-c", script),
            cwd=self.cwd,
            time_limit=limit,
            keep=keep,
            on_output=lambda channel, text: self.streamed.append((channel, text)),
        )
        assert result.timed_out is (result.exit_code is None)
        return result.exit_code, result.output

    def text(self, channel: Channel) -> str:
        return "".join(text for one, text in self.streamed if one is channel)


@pytest.fixture
def shell(sandbox: ProcessSandbox, tmp_path: Path) -> Shell:
    return Shell(sandbox, tmp_path)


async def test_output_and_exit_code(shell: Shell) -> None:
    code, output = await shell.run("pwd; echo err >&2; exit 3")
    assert code == 3
    assert sorted(output.splitlines()) == [str(shell.cwd), "err"]
    assert shell.text(Channel.STDOUT) == f"{shell.cwd}\n"
    assert shell.text(Channel.STDERR) == "err\n"


async def test_a_command_that_kills_itself(shell: Shell) -> None:
    assert (await shell.run("kill -KILL $$"))[0] == -9


async def test_standard_input_is_empty(shell: Shell) -> None:
    assert await shell.run("cat; read line || echo none") == (0, "none\n")


async def test_a_pipe_that_nobody_reads_ends_its_writer(shell: Shell) -> None:
    assert await shell.run("yes | head -1; echo ${PIPESTATUS[0]}") == (0, "y\n141\n")


async def test_ten_megabytes_on_each_pipe(shell: Shell) -> None:
    zeros = "head -c 10000000 /dev/zero"
    code, output = await shell.run(f"{zeros} | tr '\\0' e >&2 & {zeros} | tr '\\0' o; wait")
    assert code == 0
    assert "… 19990000 characters left out …" in output
    assert len(output) < 10_100
    shown = sum(len(text) for channel, text in shell.streamed if channel is not Channel.NOTE)
    assert shown == STREAMED_AT_MOST
    assert shell.text(Channel.NOTE) == "… more output, not shown live …\n"


async def test_output_is_streamed_while_the_command_runs(
    sandbox: ProcessSandbox, tmp_path: Path
) -> None:
    """The command ends only once its first words were seen."""
    go = tmp_path / "go"
    os.mkfifo(go)

    def seen(channel: Channel, text: str) -> None:
        if "first" in text:
            with open(go, "w") as pipe:
                pipe.write("go on\n")

    script = "echo first; read answer < go; echo $answer"
    result = await sandbox.exec(
        ("bash", "-c", script), cwd=tmp_path, time_limit=LONG, on_output=seen
    )
    assert result.output == "first\ngo on\n"


async def test_characters_that_come_in_pieces(shell: Shell) -> None:
    script = r"printf '\xe6\x97'; sleep 0.05; printf '\xa5 \xff \xe6\x9c'"
    assert (await shell.run(script))[1] == "日 � �"
    assert shell.text(Channel.STDOUT) == "日 � �"


@pytest.mark.parametrize("limit", [2, 10, 11, 1000])
def test_head_and_tail(limit: int) -> None:
    text = "".join(chr(0x4E00 + n) for n in range(500))
    kept = HeadTail(limit)
    for start in range(0, 500, 7):
        kept.add(text[start : start + 7])
    half = limit // 2
    if limit >= 500:
        assert kept.text() == text
    else:
        head, middle, tail = kept.text().split("\n")
        assert (head, tail) == (text[:half], text[-half:])
        assert middle == f"… {500 - 2 * half} characters left out …"
    assert head_tail(text, limit) == kept.text()


# --- limits and ends ------------------------------------------------------------------------------


async def test_the_time_limit_ends_the_whole_group(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    pids = Pids()
    script = "sleep 600 & echo $!; (trap '' TERM; echo $BASHPID; sleep 600) & echo $$; wait"
    async with anyio.create_task_group() as group:
        group.start_soon(pids.first, 3)
        result = await sandbox.exec(
            ("bash", "-c", script), cwd=tmp_path, time_limit=0.5, on_output=pids
        )
    assert (result.timed_out, result.exit_code) == (True, None)
    for pid in pids.found:
        await until_gone(pid)


@pytest.mark.parametrize("how", ["timeout 600 sleep 600", "set -m; sleep 600 & wait"])
async def test_groups_that_a_command_made_end_too(shell: Shell, how: str) -> None:
    mark = f"6{time.monotonic_ns() % 10**8}"
    code, _ = await shell.run(how.replace("sleep 600", f"sleep {mark}"), limit=0.3)
    assert code is None
    assert mark not in (await shell.run(f"pgrep -fa '[s]leep {mark}'"))[1]


@pytest.mark.parametrize("background", ["sleep 600 &", "set -m; sleep 600 &", "(sleep 600 &);"])
async def test_a_child_in_the_background_holds_nothing_up(
    shell: Shell, background: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_local, "GRACE_SECONDS", 30.0)
    started = time.monotonic()
    assert await shell.run(f"{background} echo done") == (0, "done\n")
    assert time.monotonic() - started < 5


async def test_a_child_in_a_session_of_its_own_ends_with_its_command(
    sandbox: ProcessSandbox, tmp_path: Path
) -> None:
    pids = Pids()
    script = "setsid bash -c 'echo $$; exec sleep 600' & disown; sleep 0.1; echo done"
    result = await sandbox.exec(
        ("bash", "-c", script), cwd=tmp_path, time_limit=LONG, on_output=pids
    )
    assert "done" in result.output
    [pid] = await pids.first()
    await until_gone(pid)


async def test_a_child_in_a_session_of_its_own_is_found_by_stop(
    sandbox: ProcessSandbox, tmp_path: Path
) -> None:
    pids = Pids()
    script = "(setsid bash -c 'echo $$; exec sleep 600' &); exec sleep 600"
    async with anyio.create_task_group() as group:

        async def run() -> None:
            await sandbox.exec(
                ("bash", "-c", script), cwd=tmp_path, time_limit=LONG, on_output=pids
            )

        group.start_soon(run)
        [pid] = await pids.first()
        assert alive(pid)
        await sandbox.stop()
        await until_gone(pid)


async def test_the_exit_code_counts_even_if_the_pipes_are_held_beyond_the_limit(
    sandbox: ProcessSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_local, "GRACE_SECONDS", 30.0)
    script = "setsid sleep 600 & disown; echo done; exit 4"
    result = await sandbox.exec(("bash", "-c", script), cwd=tmp_path, time_limit=1.5)
    assert (result.exit_code, result.timed_out, result.output) == (4, False, "done\n")


@pytest.mark.parametrize("ignoring", ["", "trap '' TERM;"])
async def test_cancellation_ends_the_group(
    sandbox: ProcessSandbox, tmp_path: Path, ignoring: str
) -> None:
    pids = Pids()

    async def run() -> None:
        script = f"{ignoring} sleep 600 & echo $! $$; wait"
        await sandbox.exec(("bash", "-c", script), cwd=tmp_path, time_limit=LONG, on_output=pids)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        found = await pids.first(2)
        group.cancel_scope.cancel()
    for pid in found:
        await until_gone(pid)
    assert sandbox.usage(ProcessTable.read()).processes == 0


# --- what cannot be run ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-command", "x"), "cannot run no-such-command: No such file or directory"),
        (("bash", "-c", "echo \0"), "cannot run bash: embedded null byte"),
        (("bash", "-c", "echo \ud800"), "cannot run bash: "),
        (("bash", "-c", "x" * 3_000_000), "cannot run bash: Argument list too long"),
        (("/etc/passwd",), "cannot run /etc/passwd: Permission denied"),
    ],
    ids=["not found", "NUL", "surrogate", "too long", "not executable"],
)
async def test_what_cannot_be_run_is_a_result(
    sandbox: ProcessSandbox, tmp_path: Path, argv: tuple[str, ...], words: str
) -> None:
    result = await sandbox.exec(argv, cwd=tmp_path, time_limit=LONG)
    assert (result.exit_code, result.ok) == (127, False)
    assert result.output.startswith(words)


async def test_a_folder_that_is_missing(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    result = await sandbox.exec(("ls",), cwd=tmp_path / "gone", time_limit=LONG)
    assert result.output == f"cannot run ls: there is no folder {tmp_path / 'gone'}"


async def test_usage_is_measured(sandbox: ProcessSandbox, tmp_path: Path) -> None:
    pids = Pids()
    script = "import os; x = b'x' * 50_000_000; print(os.getpid(), flush=True)\nwhile True: pass"
    async with anyio.create_task_group() as group:

        async def run() -> None:
            argv = (sys.executable, "-c", script)
            await sandbox.exec(argv, cwd=tmp_path, time_limit=LONG, on_output=pids)

        group.start_soon(run)
        await pids.first()
        before = sandbox.usage(ProcessTable.read())
        assert before.processes == KEPT + 1
        assert before.memory_bytes > 50_000_000
        await until(lambda: sandbox.usage(ProcessTable.read()).cpu_seconds > before.cpu_seconds)
        group.cancel_scope.cancel()
