"""The only way out of a sandbox without a network: an HTTP proxy that lets through what is listed.

It listens on a Unix socket, which `forward.py`, inside of the sandbox, offers as a port. A name is
looked up once and that very address is connected to, so an answer that changes opens nothing.
"""

from __future__ import annotations

import logging
import re
import shutil
import socket
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import h11

from miyabi_tui.engine.errors import SandboxError
from miyabi_tui.engine.link import place
from miyabi_tui.engine.sandbox.allowed import WEB_PORTS, AllowList, address_of, split
from miyabi_tui.engine.sandbox.exchange import (
    Failure,
    Idle,
    Line,
    Peer,
    accepted,
    carry_answer,
    carry_body,
    passed_on,
    pump,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from anyio.abc import ByteStream, TaskStatus

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

PROXY_PORT = 19_128  # in a sandbox, whose loopback is its own; below the ports of the worlds
FORWARD = Path(__file__).with_name("forward.py")
SOCKET_NAME = "proxy.sock"
CONNECTIONS = 64  # at once; more have to wait
BACKLOG = 128
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 30.0
ATTEMPT_SECONDS = 10.0  # for one of several addresses
IDLE_SECONDS = 300.0
REPORTED_AT_MOST = 100  # refused hosts; whoever asks for more has told enough
HOW = "add it to [sandbox] network"

_URL = re.compile(r"http://([^/?#]*)([^#]*)(?:#.*)?", re.I)

log = logging.getLogger(__name__)


def proxy_environment(port: int = PROXY_PORT) -> dict[str, str]:
    """What makes programs go through a proxy on this port of loopback, but not to loopback itself.

    curl, git, pip, cargo, go and Python look at the common names; the others have their own.
    """
    address, own = f"http://127.0.0.1:{port}", "localhost,127.0.0.1,::1"
    common = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), address) | {"no_proxy": own}
    return {
        **common,
        **{name.upper(): value for name, value in common.items()},
        "NODE_USE_ENV_PROXY": "1",  # fetch of Node 22.21 and later
        "npm_config_proxy": address,
        "npm_config_https_proxy": address,
        "npm_config_noproxy": own,
        "YARN_HTTP_PROXY": address,
        "YARN_HTTPS_PROXY": address,
        "PIP_PROXY": address,
        "CARGO_HTTP_PROXY": address,
    }


def forwarded(
    argv: Iterable[str], folder: Path, *, port: int = PROXY_PORT, python: str = "python3"
) -> list[str]:
    """The command that runs `argv` behind the proxy, whose folder is seen at `folder` in there.

    Without `argv`, the one that keeps the port open for as long as it runs.
    """
    own, line = tuple(argv), folder / SOCKET_NAME
    start = [python, "-I", "-S", str(folder / FORWARD.name), str(port), str(line)]
    return [*start, "--", *own] if own else start


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host.

    Raises:
        OSError: there are none.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class AllowProxy:
    """The proxy of one world: `await group.start(proxy.serve)`, then it is at `path`.

    `folder` is made for it, for this user alone, and gets `forward.py` too: a sandbox needs to see
    nothing else. `on_refused` is told, once each, of the hosts that were asked for in vain (with
    the port, where it is none of the web's). `opened` counts the connections by entry of the list.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        folder: Path,
        *,
        on_refused: Callable[[str], None],
        resolve: Resolve = look_up,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.path = folder.absolute() / SOCKET_NAME
        self.opened: Counter[str] = Counter()
        self.refused = 0
        self._allowed = AllowList(hosts)
        self._on_refused = on_refused
        self._resolve = resolve
        self._idle_seconds = idle_seconds
        self._reported: set[str] = set()
        self._stopped = False
        self._scope: anyio.CancelScope | None = None

    async def serve(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until `stop` or cancelled; every connection ends with it.

        Raises:
            SandboxError: there is no socket to be had.
        """
        slots = anyio.Semaphore(CONNECTIONS)
        try:
            listener = await anyio.to_thread.run_sync(self._listen)
        except OSError as error:
            raise SandboxError("a sandbox has no way to the allowed hosts", str(error)) from error
        try:
            async with anyio.create_task_group() as group:
                self._scope = group.cancel_scope
                task_status.started()
                while not self._stopped:
                    await slots.acquire()
                    group.start_soon(self._take, await accepted(listener), slots)
        finally:
            listener.close()
            self.path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        place.make_folder(self.path.parent)
        shutil.copyfile(FORWARD, self.path.with_name(FORWARD.name))
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            with place.address(self.path) as name:
                listener.bind(name)
            self.path.chmod(0o600)
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def stop(self) -> None:
        """End it, from its own loop."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def _take(self, line: Line, slots: anyio.Semaphore) -> None:
        """One connection; nothing that comes on it reaches the engine."""
        idle = Idle(self._idle_seconds)
        try:
            async with line:
                with idle.scope:
                    await self._talk(Peer(line, h11.SERVER, idle))
        except Exception as error:
            log.info("a connection of a sandbox broke: %r", error)
        finally:
            slots.release()

    async def _talk(self, client: Peer) -> None:
        try:
            with anyio.move_on_after(HEAD_SECONDS) as head:
                request = await client.event()
            if head.cancelled_caught or not isinstance(request, h11.Request):
                return
            if request.method == b"CONNECT":
                await self._tunnel(client, request)
            else:
                await self._forward(client, request)
        except Failure as failure:
            await failure.tell(client)
        except h11.ProtocolError as error:
            await Failure(error.error_status_hint, f"no HTTP for a proxy: {error}").tell(client)

    async def _tunnel(self, client: Peer, request: h11.Request) -> None:
        target = split(request.target.decode("latin-1"))
        if target is None or target[1] is None:
            raise Failure(400, "CONNECT wants host:port")
        async with await self._reach(target[0], target[1]) as server:
            early, _ = client.http.trailing_data
            await client.line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if early:
                await server.send(early)
            async with anyio.create_task_group() as group:
                group.start_soon(pump, server, client.line, client.idle, group.cancel_scope)
                await pump(client.line, server, client.idle, group.cancel_scope)

    async def _forward(self, client: Peer, request: h11.Request) -> None:
        url = _URL.fullmatch(request.target.decode("latin-1"))
        target = split(url[1]) if url else None
        if url is None or target is None:
            raise Failure(400, "this is a proxy: it wants http://host/path, or CONNECT for https")
        host, port = target[0], target[1] or 80
        async with await self._reach(host, port) as stream:
            server = Peer(stream, h11.CLIENT, client.idle)
            path = url[2] if url[2].startswith("/") else f"/{url[2]}"
            await server.say(passed_on(request, path, url[1]))
            async with anyio.create_task_group() as group:
                group.start_soon(carry_body, client, server, group.cancel_scope)
                answered = await carry_answer(client, server, request)
                group.cancel_scope.cancel()
        if not answered:
            raise Failure(502, f"{host} did not answer")

    async def _reach(self, host: str, port: int) -> ByteStream:
        """A connection to it, if that is allowed."""
        entry = self._allowed.entry_for(host, port)
        shown = _shown(host, port)
        if entry is None:
            self._report(shown)
            raise Failure(403, f"{shown} is not allowed: {HOW}")
        addresses: Sequence[str] = [host]
        if address_of(host) is None:
            try:
                with anyio.fail_after(CONNECT_SECONDS):
                    addresses = await self._resolve(host, port)
            except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
                raise Failure(502, f"{host} cannot be found") from error
        good = [one for one in addresses if self._allowed.leads(host, port, one)]
        if addresses and not good:
            self._report(shown)
            where = _shown(addresses[0], port)
            raise Failure(403, f"{host} leads to {where}, which is not allowed: {HOW}")
        stream = await _connect(good, port)
        if stream is None:
            raise Failure(502, f"{shown} cannot be reached")
        self.opened[entry.text] += 1
        return stream

    def _report(self, host: str) -> None:
        self.refused += 1
        if host not in self._reported and len(self._reported) < REPORTED_AT_MOST:
            self._reported.add(host)
            self._on_refused(host)


async def _connect(addresses: Iterable[str], port: int) -> ByteStream | None:
    with anyio.move_on_after(CONNECT_SECONDS):
        for address in addresses:
            try:
                with anyio.fail_after(ATTEMPT_SECONDS):
                    return await anyio.connect_tcp(address, port)
            except OSError:
                continue
    return None


def _shown(host: str, port: int) -> str:
    if port in WEB_PORTS:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
