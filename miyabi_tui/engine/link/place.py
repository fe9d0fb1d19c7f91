"""Where the socket of a run is, and who may speak through it.

Next to the journal, and not in XDG_RUNTIME_DIR: that goes when its user logs out, and a run stays.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from miyabi_tui.engine.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS_AT_MOST = 100  # bytes; a socket's address holds 104 to 108
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def socket_path(journal: Path, run_id: str) -> Path:
    """The socket of a run."""
    return journal.absolute().parent / "links" / run_id


def make_folder(folder: Path) -> None:
    """Make the folder of the sockets, for this user alone.

    Raises:
        OSError: it cannot be made, or is another user's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for `path` that fits into a socket's address: through a short link if need be."""
    if len(os.fsencode(path)) <= ADDRESS_AT_MOST:
        yield str(path)
        return
    usual = Path(tempfile.gettempdir())
    short = usual if len(os.fsencode(usual)) <= ADDRESS_AT_MOST // 2 else Path("/tmp")
    with scratch_folder(parent=short) as folder:
        link = folder / "links"
        link.symlink_to(path.parent)
        yield str(link / path.name)


def is_ours(line: socket.socket) -> bool:
    """Whether the other end is a process of this user, as far as the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder's mode says the same
    found = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return bool(CREDENTIALS.unpack(found)[1] == os.geteuid())
