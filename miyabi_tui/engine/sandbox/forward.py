"""Inside of a sandbox: a port of its loopback that leads to the proxy's socket.

    python3 forward.py PORT SOCKET [-- COMMAND...]

Runs on its own, with nothing but the standard library of Python 3.8 or later, in one thread. With a
command, it starts that when the port is open and ends as it does; without, it says the port and
goes on until it is ended. Port 0 is any free one, which a command finds in MIYABI_PROXY_PORT. As a
container's first process it also takes in what others leave behind.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import sys

CHUNK = 65_536
CONNECTIONS = 64  # at once; more have to wait
AGAIN_SECONDS = 0.05  # until a socket with a full queue is tried again
REFUSE_SECONDS = 0.5  # to hear what it is that cannot be had
NOT_STARTED = 127
NO_PORT = 125
PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
GONE = (
    b"HTTP/1.1 502 the way out of this sandbox is closed\r\n"
    b"Connection: close\r\nContent-Length: 0\r\n\r\n"
)


class Half:
    """One direction of a connection: at most one piece of it is under way."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.data = b""
        self.ended = False
        self.broken = False  # nobody takes it any more

    def read(self) -> None:
        """Take a piece from the source, or its end."""
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.data = b"" if self.broken else data
            return
        self.ended = True
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken = True

    def write(self) -> None:
        """Give the sink what it takes."""
        try:
            self.data = self.data[self.sink.send(self.data) :]
        except BlockingIOError:
            pass
        except OSError:
            self.data, self.broken = b"", True


class Pair:
    """A connection: what the client says, and what the proxy does."""

    def __init__(self, client: socket.socket, proxy: socket.socket) -> None:
        self.client = client
        self.proxy = proxy
        self.said = Half(client, proxy)
        self.answer = Half(proxy, client)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to carry, or nobody to carry it to.

        A client that still speaks to a proxy that has answered is heard out, or it would lose the
        answer.
        """
        return self.answer.broken or (self.said.ended and self.answer.ended)

    def events(self, side: socket.socket) -> int:
        """What to wait for on one side."""
        coming, going = (self.said, self.answer) if side is self.client else self._turned
        reads = not coming.ended and not coming.data
        return (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if going.data else 0)

    def move(self, side: socket.socket, ready: int) -> None:
        """Do what is possible on one side."""
        coming, going = (self.said, self.answer) if side is self.client else self._turned
        if ready & selectors.EVENT_READ and not coming.data and not coming.ended:
            coming.read()
            if coming.data:
                coming.write()  # most often it fits at once
        if ready & selectors.EVENT_WRITE and going.data:
            going.write()

    @property
    def _turned(self) -> tuple[Half, Half]:
        return self.answer, self.said


class Relay:
    """The port and all connections through it."""

    def __init__(self, listener: socket.socket, path: str, wake: socket.socket) -> None:
        self._listener = listener
        self._path = path
        self._wake = wake
        self._selector = selectors.DefaultSelector()
        self._selector.register(wake, selectors.EVENT_READ)
        self._pairs: set[Pair] = set()
        self._waiting: socket.socket | None = None

    def turn(self) -> bytes:
        """Wait for something and do it; the numbers of signals that have come meanwhile."""
        takes = self._waiting is None and len(self._pairs) < CONNECTIONS
        self._watch(self._listener, selectors.EVENT_READ if takes else 0, None)
        signals = b""
        for key, ready in self._selector.select(AGAIN_SECONDS if self._waiting else None):
            if key.fileobj is self._wake:
                signals = self._wake.recv(CHUNK)
            elif key.fileobj is self._listener:
                self._accept()
            elif key.data in self._pairs:
                key.data.move(key.fileobj, ready)
                self._settle(key.data)
        if self._waiting is not None:
            self._connect(self._waiting)
        return signals

    def _accept(self) -> None:
        try:
            self._waiting, _ = self._listener.accept()
        except OSError:  # gone again, or no descriptor left
            return
        self._waiting.setblocking(False)

    def _connect(self, client: socket.socket) -> None:
        proxy = None
        try:
            proxy = socket.socket(socket.AF_UNIX)
            proxy.setblocking(False)
            proxy.connect(self._path)
        except OSError as error:
            if proxy is not None:
                proxy.close()
            if error.errno not in (errno.EAGAIN, errno.EMFILE, errno.ENFILE):
                self._waiting = None
                _refuse(client)
            return
        self._waiting = None
        pair = Pair(client, proxy)
        self._pairs.add(pair)
        self._settle(pair)

    def _settle(self, pair: Pair) -> None:
        """Wait for what can come next; or end it."""
        over = pair.over
        for side in (pair.client, pair.proxy):
            self._watch(side, 0 if over else pair.events(side), pair)
            if over:
                side.close()
        if over:
            self._pairs.discard(pair)

    def _watch(self, one: socket.socket, events: int, data: Pair | None) -> None:
        known = self._selector.get_map().get(one)
        if known is None:
            if events:
                self._selector.register(one, events, data)
        elif not events:
            self._selector.unregister(one)
        elif known.events != events:
            self._selector.modify(one, events, data)


def _refuse(client: socket.socket) -> None:
    """Say that it leads nowhere, after the request: an answer that comes before it can get lost.

    This holds up only others that lead nowhere.
    """
    try:
        client.settimeout(REFUSE_SECONDS)
        client.recv(CHUNK)
        client.send(GONE)
    except OSError:
        pass
    client.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.setblocking(False)
    return listener


def _hear_signals() -> socket.socket:
    """A socket that gets the number of every signal that comes from now on."""
    heard, told = socket.socketpair()
    for one in (heard, told):
        one.setblocking(False)
    signal.set_wakeup_fd(told.detach(), warn_on_full_buffer=False)
    for name in (*PASSED_ON, "SIGCHLD"):
        number = getattr(signal, name)
        if name == "SIGCHLD" or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    return heard


def _start(command: list[str]) -> int:
    """Start the command; its process number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores these; a command must not
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execvp(command[0], command)
    except (OSError, ValueError) as error:
        _say(f"cannot run {command[0]}: {getattr(error, 'strerror', None) or error}")
    finally:
        os._exit(NOT_STARTED)


def _reap(wanted: int) -> int | None:
    """Take in every process that has ended; how the wanted one did, if it has."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == wanted:
            found = status


def _end_as(status: int) -> None:
    """End with the same exit code, or by the same signal."""
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    import resource

    number = os.WTERMSIG(status)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one dump is enough
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):
        pass  # SIGKILL has no other way
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container does not die of its own signals


def _say(text: str) -> None:
    try:
        os.write(2, (text + "\n").encode("utf-8", "replace"))
    except OSError:
        pass


def main(arguments: list[str]) -> int:
    """See the module; returns only what is no command's exit code."""
    if len(arguments) < 2 or not arguments[0].isdigit() or arguments[2:3] not in ([], ["--"]):
        _say("usage: forward.py PORT SOCKET [-- COMMAND...]")
        return 2
    command = arguments[3:]
    try:
        listener = _listen(int(arguments[0]))
    except (OSError, OverflowError) as error:
        _say(f"forward.py: no port {arguments[0]} in this sandbox: {error}")
        return NO_PORT
    relay = Relay(listener, arguments[1], _hear_signals())
    port = str(listener.getsockname()[1])
    child = 0
    if command:
        os.environ["MIYABI_PROXY_PORT"] = port
        try:
            child = _start(command)
        except OSError as error:
            _say(f"cannot run {command[0]}: {error.strerror}")
            return NOT_STARTED
    else:
        sys.stdout.write(port + "\n")
        sys.stdout.flush()
    while True:
        for number in relay.turn():
            if number == signal.SIGCHLD:
                continue
            if not child:
                return 0
            os.kill(child, number)
        status = _reap(child)
        if status is not None:
            _end_as(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
