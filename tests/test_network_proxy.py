"""The way out of a sandbox: what is listed is reached, nothing else is, whatever is sent."""

from __future__ import annotations

import ast
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from miyabi_tui.engine.errors import SandboxError, UsageError
from miyabi_tui.engine.sandbox import proxy as module
from miyabi_tui.engine.sandbox.allowed import AllowList
from miyabi_tui.engine.sandbox.proxy import (
    FORWARD,
    PROXY_PORT,
    AllowProxy,
    forwarded,
    proxy_environment,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio


class Web(BaseHTTPRequestHandler):
    """Says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the request itself."""
        body = b""
        if size := self.headers.get("Content-Length"):
            body = self.rfile.read(int(size))
        elif self.headers.get("Transfer-Encoding") == "chunked":
            while count := int(self.rfile.readline(), 16):
                body += self.rfile.read(count)
                self.rfile.readline()
            self.rfile.readline()
        told = f"{self.requestline}\n{self.headers}{body.decode()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.send_header("Keep-Alive", "timeout=5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes many at once."""

    request_queue_size = 128


@pytest.fixture
def web() -> Iterator[str]:
    """The host and port of a web server."""
    with Server(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@asynccontextmanager
async def listening(talk: Callable[[SocketStream], Awaitable[None]]) -> AsyncGenerator[int, None]:
    """A server of raw bytes; its port."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, talk)
            yield int(listener.extra(anyio.abc.SocketAttribute.local_port))
            group.cancel_scope.cancel()


async def echo(line: SocketStream) -> None:
    """Say the same in return, and then goodbye."""
    async with line:
        async for data in line:
            await line.send(data)
        await line.send(b"goodbye")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "way out"


class Served(AllowProxy):
    """A proxy with what it reported."""

    told: list[str]

    async def connect(self) -> SocketStream:
        """A connection to it."""
        return await anyio.connect_unix(self.path)

    async def ask(self, *said: str | bytes) -> str:
        """Everything that it says in answer to this, until it closes."""
        async with await self.connect() as line:
            for one in said:
                await line.send(one.encode() if isinstance(one, str) else one)
            return await everything(line)


async def everything(line: SocketStream) -> str:
    """All that comes until the other side closes."""
    found = b""
    with anyio.fail_after(20):
        with suppress(anyio.BrokenResourceError):  # closed before it had read everything
            async for data in line:
                found += data
    return found.decode()


@asynccontextmanager
async def serving(folder: Path, *hosts: str, **more: Any) -> AsyncGenerator[Served, None]:
    """A proxy that lets these hosts through."""
    told: list[str] = []
    proxy = Served(hosts, folder, on_refused=told.append, **more)
    proxy.told = told
    async with anyio.create_task_group() as group:
        await group.start(proxy.serve)
        yield proxy
        proxy.stop()


def resolving(*answers: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """Gives these addresses, and others when it is asked again."""
    left = [list(answers), ["127.0.0.9"]]

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0)

    return resolve


# --- what is allowed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("example.org", "example.org", 443, True),
        ("Example.ORG", "example.org", 80, True),
        ("example.org", "www.example.org", 443, False),
        ("example.org", "example.org", 22, False),
        ("example.org:22", "example.org", 22, True),
        ("example.org:22", "example.org", 443, False),
        ("*.example.org", "a.b.example.org", 443, True),
        ("*.example.org", "example.org", 443, False),
        ("*.example.org", "badexample.org", 443, False),
        ("*.example.org:8443", "a.example.org", 8443, True),
        ("*.0.0.1", "127.0.0.1", 80, False),
        ("10.0.0.7", "10.0.0.7", 80, True),
        ("10.0.0.7", "10.0.0.8", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("*", "anything.example", 8080, True),
    ],
)
def test_hosts_and_ports_by_name(entry: str, host: str, port: int, allowed: bool) -> None:
    assert bool(AllowList([entry]).entry_for(host, port)) is allowed


SHUT = (
    "127.0.0.1 127.8.8.8 0.0.0.0 169.254.169.254 224.0.0.1 255.255.255.255 240.0.0.1 "
    "100.100.100.200 168.63.129.16 192.0.0.192 ::1 :: fe80::1 fe80::1%eth0 ff02::1 ff0e::1 fec0::1 "
    "fd00:ec2::254 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: ::7f00:1 rubbish"
).split()
PRIVATE = "10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 fd12::1 ::ffff:10.1.2.3".split()
PUBLIC = "9.9.9.9 2620:fe::fe ::ffff:9.9.9.9 64:ff9b::909:909".split()


@pytest.mark.parametrize("address", SHUT + PRIVATE + PUBLIC)
def test_where_an_allowed_name_may_lead(address: str) -> None:
    assert AllowList(["a.org"]).leads("a.org", 443, address) is (address not in SHUT)
    assert AllowList(["*.org"]).leads("a.org", 443, address) is (address in PUBLIC)
    assert AllowList(["*"]).leads("a.org", 443, address) is (address in PUBLIC)


def test_an_address_that_is_listed_itself_may_be_reached() -> None:
    allowed = AllowList(["*.org", "127.0.0.1:8000", "169.254.169.254"])
    assert allowed.leads("a.org", 8000, "127.0.0.1")
    assert allowed.leads("a.org", 8000, "::ffff:127.0.0.1")
    assert not allowed.leads("a.org", 8001, "127.0.0.1")
    assert allowed.leads("169.254.169.254", 80, "169.254.169.254")
    assert AllowList(["localhost:8000"]).leads("localhost", 8000, "::1")


@pytest.mark.parametrize(
    "entry", ["", "https://a.org", "a.org/b", "a.org:0", "a.org:99999", "a b", "[a]:80", "*.", "**"]
)
def test_what_is_no_host_is_said_at_once(entry: str) -> None:
    with pytest.raises(UsageError, match="is no host"):
        AllowList([entry])


# --- plain HTTP -----------------------------------------------------------------------------------


async def test_an_allowed_server_answers(folder: Path, web: str) -> None:
    async with serving(folder, web) as proxy:
        answer = await proxy.ask(
            f"GET http://{web}/a/b?c=1#d HTTP/1.1\r\nHost: elsewhere.example\r\n"
            "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\n"
            "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nX-End: 2\r\n\r\n"
        )
        assert dict(proxy.opened) == {web: 1}
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert "keep-alive" not in head.lower()
    assert "connection: close" in head.lower()
    assert body.splitlines()[0] == "GET /a/b?c=1 HTTP/1.1"
    sent = {line.partition(":")[0].lower() for line in body.splitlines()[1:] if line}
    assert f"host: {web}" in body.lower()
    assert sent == {"host", "x-end", "connection"}
    assert proxy.told == []


async def test_bodies_of_both_kinds_and_none(folder: Path, web: str) -> None:
    async with serving(folder, web) as proxy:
        post = f"POST http://{web} HTTP/1.1\r\nHost: {web}\r\n"
        assert (await proxy.ask(f"{post}Content-Length: 5\r\n\r\n", "hello")).endswith("\nhello")
        chunks = "Transfer-Encoding: chunked\r\n\r\n", "2\r\nhe\r\n", "3\r\nllo\r\n0\r\n\r\n"
        answer = await proxy.ask(post, *chunks)
        assert answer.endswith("\nhello")
        assert "POST / HTTP/1.1" in answer
        expecting = f"{post}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        assert (await proxy.ask(expecting, "hello")).startswith("HTTP/1.1 100 Continue")
        head = await proxy.ask(f"HEAD http://{web}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert head.startswith("HTTP/1.1 200")
        assert head.endswith("\r\n\r\n")
        assert "200 OK" in await proxy.ask(f"GET http://{web}/ HTTP/1.0\r\n\r\n")


async def test_only_one_request_goes_out_on_a_connection(folder: Path) -> None:
    got: list[bytes] = []

    async def listen(line: SocketStream) -> None:
        async with line:
            got.append(await line.receive())
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 more")

    async with listening(listen) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        one = f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await proxy.ask(one + one.replace("/ ", "/secret "))
    assert len(got) == 1
    assert b"secret" not in got[0]
    assert answer.endswith("\r\n\r\nok")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n"])
async def test_a_server_that_does_not_answer(folder: Path, said: bytes) -> None:
    async def listen(line: SocketStream) -> None:
        async with line:
            await line.receive()
            await line.send(said)

    async with listening(listen) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        answer = await proxy.ask(f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 502 127.0.0.1 did not answer\r\n")


# --- tunnels --------------------------------------------------------------------------------------


async def test_a_tunnel_carries_both_directions_to_their_ends(folder: Path) -> None:
    async with listening(echo) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        async with await proxy.connect() as line:
            await line.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nearly ".encode())
            for _ in range(20):
                await line.send(b"x" * 10_000)
            await line.send_eof()
            answer = await everything(line)
    head, _, body = answer.partition("\r\n\r\n")
    assert head == "HTTP/1.1 200 Connection established"
    assert body == f"early {'x' * 200_000}goodbye"


async def test_a_reader_that_does_not_read_holds_the_sender(folder: Path) -> None:
    sent = 0
    stuck = anyio.Event()

    async def flood(line: SocketStream) -> None:
        nonlocal sent
        async with line:
            while True:
                with anyio.move_on_after(0.2) as scope:
                    await line.send(b"x" * 65_536)
                if scope.cancelled_caught:
                    stuck.set()
                    return
                sent += 65_536

    async with listening(flood) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        async with await proxy.connect() as line:
            await line.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with anyio.fail_after(20):
                await stuck.wait()
            assert "403" in await proxy.ask("CONNECT other.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert sent < 32_000_000  # what the system's own buffers take


async def test_a_silent_connection_is_closed(folder: Path) -> None:
    async with (
        listening(echo) as port,
        serving(folder, f"127.0.0.1:{port}", idle_seconds=0.3) as proxy,
    ):
        assert await proxy.ask(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n", "hi") == (
            "HTTP/1.1 200 Connection established\r\n\r\nhi"
        )
        assert await proxy.ask("GET ") == ""


async def test_more_connections_than_there_are_places_wait(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 5)
    async with listening(echo) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        held = [await proxy.connect() for _ in range(5)]
        for line in held:
            await line.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await line.receive()
        assert proxy.opened.total() == 5
        async with await proxy.connect() as late:
            await late.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await anyio.wait_all_tasks_blocked()
            assert proxy.opened.total() == 5
            await held.pop().aclose()
            with anyio.fail_after(20):
                assert b"200" in await late.receive()
        for line in held:
            await line.aclose()


async def test_a_hundred_connections_at_once(folder: Path, web: str) -> None:
    answers: list[str] = []

    async def ask() -> None:
        said = f"GET http://{web}/ HTTP/1.1\r\nHost: x\r\n\r\n"
        answers.append(await proxy.ask(said))

    async with serving(folder, web) as proxy:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
    assert len(answers) == proxy.opened[web] == 100
    assert all("200 OK" in one for one in answers)


@pytest.mark.parametrize("how", ["stopped", "cancelled"])
async def test_its_end_closes_everything(folder: Path, how: str) -> None:
    ended = anyio.Event()

    async def watch(line: SocketStream) -> None:
        async with line:
            await line.send(b"!")
            await everything(line)
            ended.set()

    async with listening(watch) as port:
        proxy = Served([f"127.0.0.1:{port}"], folder, on_refused=print)
        async with anyio.create_task_group() as group:
            await group.start(proxy.serve)
            line = await proxy.connect()
            await line.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            while not (await line.receive()).endswith(b"!"):
                pass
            if how == "stopped":
                proxy.stop()
            else:
                group.cancel_scope.cancel()
        async with line:
            assert await everything(line) == ""
        with anyio.fail_after(20):
            await ended.wait()
    assert not proxy.path.exists()


# --- refusals -------------------------------------------------------------------------------------


async def test_what_is_not_listed_is_refused_in_words(folder: Path) -> None:
    async with serving(folder, "example.org", resolve=resolving()) as proxy:
        for _ in range(2):
            answer = await proxy.ask("CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org\r\n\r\n")
        words = "pypi.org is not allowed: add it to [sandbox] network"
        assert answer.startswith(f"HTTP/1.1 403 {words}\r\n")
        assert answer.endswith(f"\r\n\r\nmiyabi: {words}\n")
        await proxy.ask("CONNECT EXAMPLE.org:22 HTTP/1.1\r\nHost: x\r\n\r\n")
        await proxy.ask(
            "POST http://10.0.0.1/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        )
        await proxy.ask("CONNECT [::1]:8080 HTTP/1.1\r\nHost: x\r\n\r\n")
        await proxy.ask("GET http://2130706433/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert proxy.told == ["pypi.org", "example.org:22", "10.0.0.1", "[::1]:8080", "2130706433"]
        assert proxy.refused == 6
        assert not proxy.opened


async def test_a_name_that_leads_inside_is_refused(folder: Path) -> None:
    resolve = resolving("127.0.0.1", "10.0.0.1")
    async with serving(folder, "*.example.org", resolve=resolve) as proxy:
        answer = await proxy.ask("GET http://a.example.org/ HTTP/1.1\r\nHost: x\r\n\r\n")
    words = "a.example.org leads to 127.0.0.1, which is not allowed: add it to [sandbox] network"
    assert answer.startswith(f"HTTP/1.1 403 {words}\r\n")
    assert proxy.told == ["a.example.org"]


async def test_a_name_is_looked_up_once_and_that_address_is_taken(folder: Path) -> None:
    """Of several addresses only the allowed ones; a second look-up would lead elsewhere."""
    async with listening(echo) as port:
        resolve = resolving("10.0.0.1", "127.0.0.1")
        hosts = f"*.example.org:{port}", f"127.0.0.1:{port}"
        async with serving(folder, *hosts, resolve=resolve) as proxy:
            line = await proxy.connect()
            async with line:
                await line.send(
                    f"CONNECT a.example.org:{port} HTTP/1.1\r\nHost: x\r\n\r\nhi".encode()
                )
                await line.send_eof()
                assert (await everything(line)).endswith("\r\n\r\nhigoodbye")
            assert dict(proxy.opened) == {f"*.example.org:{port}": 1}


async def test_what_cannot_be_found_or_reached(folder: Path) -> None:
    async def nothing(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such name")

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{bound.getsockname()[1]}"
        async with serving(folder, "a.org", closed, resolve=nothing) as proxy:
            answer = await proxy.ask("CONNECT a.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith("HTTP/1.1 502 a.org cannot be found\r\n")
            answer = await proxy.ask(f"CONNECT {closed} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(f"HTTP/1.1 502 {closed} cannot be reached\r\n")
            assert proxy.told == []


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET https://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://user:pw@example.org/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://example.org:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://ex\xe4mple.org/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT :443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil.org@example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT " + b"a" * 300 + b":443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://example.org/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\n",
        b"x" * 100_000,
        b"GET http://example.org/ HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100_000,
        b"\r\n\r\n\r\n\x00",
    ],
)
async def test_garbage_is_refused_and_reaches_nobody(folder: Path, said: bytes) -> None:
    async with serving(folder, "example.org", resolve=resolving()) as proxy:
        answer = await proxy.ask(said)
        assert answer.startswith(("HTTP/1.1 400 ", "HTTP/1.1 431 ", "HTTP/1.1 505 "))
        assert "403" in await proxy.ask("CONNECT b.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        async with await proxy.connect():  # and one that says nothing at all
            pass
        assert proxy.told == ["b.org"]


async def test_the_socket_is_for_this_user_alone_also_at_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "way out"
    async with serving(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "proxy.sock").stat().st_mode) == 0o600
        assert (folder / "forward.py").read_bytes() == FORWARD.read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="no way to the allowed hosts"):
        await AllowProxy([], tmp_path / "file" / "x", on_refused=print).serve()


# --- forward.py, and all of it together -----------------------------------------------------------


@contextmanager
def keeping(folder: Path) -> Iterator[int]:
    """forward.py without a command; its port."""
    command = forwarded((), folder, port=0, python=sys.executable)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()
    assert process.returncode == 0


async def test_a_port_leads_to_the_proxy(folder: Path) -> None:
    async with listening(echo) as port, serving(folder, f"127.0.0.1:{port}") as proxy:
        with keeping(folder) as entry:
            lines = [await anyio.connect_tcp("127.0.0.1", entry) for _ in range(20)]
            for line in lines:
                await line.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                await line.send(b"x" * 300_000)
                await line.send_eof()
            for line in lines:
                async with line:
                    answer = await everything(line)
                    assert answer.endswith(f"established\r\n\r\n{'x' * 300_000}goodbye")
            refused = await anyio.connect_tcp("127.0.0.1", entry)
            async with refused:
                await refused.send(b"CONNECT other.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
                assert "add it to [sandbox] network" in await everything(refused)
            proxy.stop()
            while proxy.path.exists():
                await anyio.lowlevel.checkpoint()
            late = await anyio.connect_tcp("127.0.0.1", entry)
            async with late:
                await late.send(b"CONNECT a.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await everything(late)).startswith("HTTP/1.1 502 the way out of this")


def forward(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command behind forward.py, whose proxy need not be there."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(FORWARD, folder / "forward.py")
    argv = forwarded(command, folder, port=0, python=sys.executable)
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def test_a_command_ends_as_if_it_were_alone(folder: Path) -> None:
    ended = forward(folder, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out\n", "err\n")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        ended = forward(folder, "sh", "-c", f"kill -{int(number)} $$")
        assert (ended.returncode, ended.stderr) == (-number, "")
    missing = forward(folder, "no-such-command")
    assert missing.returncode == 127
    assert missing.stderr == "cannot run no-such-command: No such file or directory\n"
    assert forward(folder, "sh", "-c", "yes | head -1").stdout == "y\n"  # SIGPIPE is not ignored


def test_a_signal_reaches_the_command(folder: Path) -> None:
    folder.mkdir()
    shutil.copyfile(FORWARD, folder / "forward.py")
    script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    argv = forwarded(("sh", "-c", script), folder, port=0, python=sys.executable)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.read() == "asked\n"
    assert process.returncode == 3


def test_a_port_that_is_taken_is_said(folder: Path) -> None:
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        argv = [sys.executable, str(FORWARD), str(taken.getsockname()[1]), "x", "--", "true"]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 125
    assert "no port" in ended.stderr


def test_it_runs_on_python_3_8_alone() -> None:
    tree = ast.parse(FORWARD.read_text(), feature_version=(3, 8))
    used = {
        name.name.split(".")[0]
        for one in ast.walk(tree)
        if isinstance(one, ast.Import)
        for name in one.names
    } | {one.module for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    assert used <= {*sys.stdlib_module_names}


ASK = """
import sys, urllib.request, urllib.error
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=10).read().decode().splitlines()[0])
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
    except urllib.error.URLError as error:
        print("no way:", error.reason)
"""


def bubblewrap(folder: Path, *argv: str, **env: str) -> list[str]:
    """The command in namespaces of its own, where only the proxy's folder leads out."""
    program = shutil.which("bwrap")
    if program is None:
        pytest.skip("bubblewrap is not installed")
    at = Path("/run/miyabi")
    start = [program, "--unshare-user", "--unshare-net", "--unshare-pid", "--die-with-parent"]
    start += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run"]
    start += ["--ro-bind", str(folder), str(at), "--cap-drop", "ALL"]
    for name, value in env.items():
        start += ["--setenv", name, value]
    probe = subprocess.run([*start, "--", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"bubblewrap does not work here: {probe.stderr.strip()}")
    return [*start, "--", *forwarded(argv, at, python=sys.executable)]


async def run(argv: list[str]) -> str:
    with anyio.fail_after(30):
        ended = await anyio.run_process(argv, stderr=subprocess.STDOUT, check=False)
    return ended.stdout.decode()


async def test_in_a_sandbox_only_the_listed_server_is_reached(folder: Path, web: str) -> None:
    """The servers are on loopback, which no program would ask a proxy for: hence no NO_PROXY."""
    env = proxy_environment() | {"NO_PROXY": "", "no_proxy": ""}
    ask = [sys.executable, "-c", ASK]
    async with listening(echo) as other, serving(folder, web) as proxy:
        urls = f"http://{web}/", f"http://127.0.0.1:{other}/", "https://example.org/"
        told = (await run(bubblewrap(folder, *ask, *urls, **env))).splitlines()
        assert told[0] == "GET / HTTP/1.1"
        assert told[1].startswith(f"403 miyabi: 127.0.0.1:{other} is not allowed: add it to")
        assert told[2].startswith(
            "no way: Tunnel connection failed: 403 example.org is not allowed"
        )
        assert proxy.told == [f"127.0.0.1:{other}", "example.org"]
        own = dict.fromkeys(env, "")
        direct = await run(bubblewrap(folder, *ask, f"http://{web}/", **own))
        assert direct.startswith("no way: [Errno 111]")


async def test_in_a_sandbox_curl_takes_the_way_too(folder: Path, web: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    env = proxy_environment() | {"NO_PROXY": "", "no_proxy": ""}
    async with serving(folder, web) as proxy:
        script = (
            f"curl -sS -d hello http://{web}/; echo; curl -sSp -I http://{web}/; curl -sS {web}"
        )
        told = await run(bubblewrap(folder, "sh", "-c", f"{script}; curl -sS https://b.org", **env))
        assert told.startswith("POST / HTTP/1.1")
        assert "\nhello\n" in told
        assert "200 Connection established" in told
        assert "403" in told
        assert proxy.opened[web] == 3
        assert proxy.told == ["b.org"]


def test_loopback_itself_is_no_matter_of_the_proxy() -> None:
    env = proxy_environment()
    assert env["HTTPS_PROXY"] == env["npm_config_proxy"] == f"http://127.0.0.1:{PROXY_PORT}"
    assert env["NO_PROXY"] == env["no_proxy"] == "localhost,127.0.0.1,::1"
