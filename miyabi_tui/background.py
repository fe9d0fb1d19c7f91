"""`miyabi run --detach`: an engine in a process of its own, which outlives its terminal.

    parent    checks everything, starts the child, hands it the order, waits for its word
    child     `python -m miyabi_tui.background RUN`: a session of its own, the engine, nothing else

Both speak over one socket, the child's standard input: the order in, one line back. Keys travel in
the environment alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from miyabi_tui import ending, paths
from miyabi_tui.engine import events as e
from miyabi_tui.engine.engine import Engine, Raised
from miyabi_tui.engine.errors import MiyabiError, UsageError
from miyabi_tui.engine.request import RunRequest

if TYPE_CHECKING:
    from miyabi_tui.engine.subscription import BufferedSubscription

MODULE = "miyabi_tui.background"
RESUME = b"resume"  # and the raised budgets, in the place of a request
SAID_AT_MOST = 2_000  # characters of the log, where a child died without a word


class Answer(msgspec.Struct, frozen=True):
    """The child's one line: an error, or none when the run is in the journal."""

    title: str = ""
    cause: str = ""
    next_step: str = ""


def encode(request: RunRequest) -> bytes:
    """The request as JSON, any path included."""
    return msgspec.json.encode(request, enc_hook=_path_out)


def decode(data: bytes) -> RunRequest:
    """What `encode` made."""
    return msgspec.json.decode(data, type=RunRequest, dec_hook=_path_in)


def _path_out(value: Any) -> str:
    return os.fsencode(value).decode("latin-1")  # a path may be no text at all


def _path_in(kind: type, value: str) -> Any:
    return kind(os.fsdecode(value.encode("latin-1")))


# --- the parent -----------------------------------------------------------------------------------


def start(order: RunRequest | str, raised: Raised | None = None) -> tuple[str, int]:
    """Begin a run in the background, or go on with the one of this id; its id and process.

    `raised` are budgets in US dollars for the one that goes on.

    Returns when the run is in the journal and its engine answers.

    Raises:
        MiyabiError: it could not begin; nothing is left running.
    """
    run_id = order if isinstance(order, str) else os.urandom(4).hex()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = _spawn(run_id, theirs)
        try:
            with contextlib.suppress(OSError):  # it died at once: its log says why
                if isinstance(order, str):
                    ours.sendall(RESUME + msgspec.json.encode(raised or {}))
                else:
                    ours.sendall(encode(order))
                ours.shutdown(socket.SHUT_WR)
            _expect(run_id, ours, child)
            _reach(run_id)
        except BaseException:
            child.terminate()
            child.wait()
            raise
    child.returncode = 0  # it is nobody's child from here on
    return run_id, child.pid


def _spawn(run_id: str, line: socket.socket) -> subprocess.Popen[bytes]:
    """The child, in our folder, so that whatever was checked here is the same there."""
    log = paths.log_path(run_id)
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as out:
            return subprocess.Popen(
                # -P: the folder is a repository, whose files must not be taken for modules.
                [sys.executable, "-P", "-m", MODULE, run_id],
                stdin=line.fileno(),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except OSError as error:
        raise MiyabiError("cannot start the engine in the background", str(error)) from error


def _expect(run_id: str, line: socket.socket, child: subprocess.Popen[bytes]) -> None:
    """Wait for the child's word."""
    with line.makefile("rb") as file, contextlib.suppress(OSError):
        said = file.readline()
        if said:
            answer = msgspec.json.decode(said, type=Answer)
            if answer.title:
                raise MiyabiError(answer.title, answer.cause, answer.next_step)
            return
    child.wait()
    log = paths.log_path(run_id)
    words = log.read_text(encoding="utf-8", errors="replace").strip()[-SAID_AT_MOST:]
    last = words.splitlines()[-1] if words else f"exit code {child.returncode}"
    raise MiyabiError("the engine died as it began", last, f"see {log}")


def _reach(run_id: str) -> None:
    """See that the engine answers, as nobody could end the run otherwise, or is through already."""
    from miyabi_tui.engine.link.client import RemoteControl
    from miyabi_tui.engine.store.lock import is_driven

    try:
        with RemoteControl(paths.journal_path(), run_id, characters=0):
            pass
    except UsageError:
        if is_driven(paths.journal_path(), run_id):
            raise


# --- the child ------------------------------------------------------------------------------------


def main(run_id: str) -> None:
    """Run the engine to the end of its run."""
    # Not SIG_IGN, which the commands of the agents would inherit.
    signal.signal(signal.SIGHUP, lambda *_: None)
    with socket.socket(fileno=0) as line:
        _drive(run_id, line)
    with contextlib.suppress(OSError):
        log = paths.log_path(run_id)
        if log.stat().st_size == 0:
            log.unlink()


def _drive(run_id: str, line: socket.socket) -> None:
    with line.makefile("rb") as file:
        order = file.read()
    with _engine(run_id, order) as engine:
        subscription = engine.subscribe()
        with ending.on_signals(engine, lambda: None, (signal.SIGINT, signal.SIGTERM)):
            engine.start()
            _tell(line, _beginning(engine, subscription))
            while not subscription.closed:
                subscription.wait()
                subscription.drain()


def _engine(run_id: str, order: bytes) -> Engine:
    from miyabi_tui.engine.repo.git import open_repository

    if order.startswith(RESUME):
        raised = msgspec.json.decode(order.removeprefix(RESUME), type=Raised)
        return Engine.resuming(run_id, paths.journal_path(), interactive=True, raised=raised)
    request = decode(order)
    return Engine(
        lambda: (request, open_repository(request.repo)), paths.journal_path(), run_id=run_id
    )


def _beginning(engine: Engine, subscription: BufferedSubscription) -> Answer:
    """How the run began, or why it did not."""
    reason = ""
    while not subscription.closed:
        subscription.wait()
        for record in subscription.drain():
            if isinstance(record.event, e.RunFinished):
                reason = record.event.reason
        if engine.state.run_id:  # it is in the journal, and ours
            return Answer()
    return Answer("the run could not begin", reason)


def _tell(line: socket.socket, answer: Answer) -> None:
    """Say it and close the line; a parent that has gone does not matter."""
    with contextlib.suppress(OSError):
        line.sendall(msgspec.json.encode(answer) + b"\n")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, line.fileno())
    os.close(silence)


if __name__ == "__main__":
    main(Path(sys.argv[1]).name)
