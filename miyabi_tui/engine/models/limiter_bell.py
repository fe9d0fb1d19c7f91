"""How engines tell each other that a moment has moved: a datagram socket for each, its bell.

The kernel closes a bell with its process, so it also tells whether an engine still lives.
"""

from __future__ import annotations

import socket
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from miyabi_tui.engine.link.place import address, make_folder

if TYPE_CHECKING:
    from pathlib import Path


class Bell:
    """This engine's bell in the folder of them all. Nothing in here waits for another process."""

    def __init__(self, folder: Path) -> None:
        """Hang a new bell, and take down those whose engines are gone.

        Raises:
            OSError: there can be no socket in the folder.
        """
        make_folder(folder)
        self._folder = folder.absolute()
        self.name = uuid.uuid4().hex[:16]
        for other in self._folder.iterdir():
            if not other.name.startswith("."):
                self.hangs(other.name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            # Under its name only when it can be rung: nobody may take it for a dead one's.
            hidden = self._folder / f".{self.name}"
            with address(hidden) as where:
                self._socket.bind(where)
            hidden.rename(self._folder / self.name)
        except OSError:
            self._socket.close()
            raise

    @property
    def socket(self) -> socket.socket:
        """Readable when the bell was rung."""
        return self._socket

    def ring(self, name: str) -> None:
        """Ring the bell of another engine, if it is still there."""
        self._reach(name, b"!")

    def hangs(self, name: str) -> bool:
        """Whether the engine with that bell lives; the bell of a dead one is removed."""
        if name == self.name:
            return True
        if there := self._reach(name):
            return there
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)
        return False

    def silence(self) -> None:
        """Take all ringing so far as heard."""
        with suppress(OSError):
            while True:
                self._socket.recv(16)

    def close(self) -> None:
        """Take the bell down."""
        self._socket.close()
        with suppress(OSError):
            (self._folder / self.name).unlink(missing_ok=True)

    def _reach(self, name: str, message: bytes = b"") -> bool:
        """Send to a bell; False where it is certain that nobody has it."""
        try:
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line,
                address(self._folder / name) as where,
            ):
                line.setblocking(False)
                line.connect(where)
                if message:
                    line.send(message)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # so many rings wait that no more fits, say: it will look
            return True
        return True
