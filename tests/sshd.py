"""A real sshd of our own on loopback: keys, settings and log in a folder, none of the system's."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BESIDE = "/usr/sbin:/usr/local/sbin"  # not everybody's PATH has it
SEPARATED = Path("/run/sshd")  # root's sshd wants it
START_SECONDS = 20.0
BECOME = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"

SETTINGS = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/person.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv {env}
"""


class NoSshd(Exception):
    """It cannot be had here."""


class Sshd:
    """A server; `env` is what its sessions have besides the usual."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{BESIDE}")
        if program is None or shutil.which("ssh") is None:
            raise NoSshd("no openssh-server and -client here")
        if os.geteuid() == 0 and not SEPARATED.is_dir():
            raise NoSshd(f"sshd wants {SEPARATED}")
        self._program = program
        for name in ("host", "person"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, capture_output=True)
        self.port = _free_port()
        said = " ".join(f'"{name}={value}"' for name, value in env.items())
        settings = SETTINGS.format(port=self.port, folder=folder, env=said)
        (folder / "settings").write_text(settings)

    def __enter__(self) -> Self:
        command = [self._program, "-D", "-e", "-f", str(self._folder / "settings")]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def _begin(self) -> None:
        """Wait until it takes connections, and log in once."""
        until = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.02)
        tried = subprocess.run(self.command(["true"]), capture_output=True, text=True)
        if tried.returncode:
            raise NoSshd(f"{tried.stderr} {(self._folder / 'log').read_text()}")

    def command(
        self, words: Sequence[str], *, port: int = 0, options: Sequence[str] = ()
    ) -> list[str]:
        """The words of an ssh that runs these there; `port` is that of a relay in between."""
        settings = {
            "UserKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "no",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        said = [word for item in settings.items() for word in ("-o", "=".join(item))]
        there = ("-F", "none", "-i", str(self._folder / "person"), "-p", str(port or self.port))
        who = f"{getpass.getuser()}@127.0.0.1"
        return ["ssh", *there, *said, *options, who, shlex.join(words)]

    def terminal(self, *args: str, cwd: Path) -> Terminal:
        """A terminal in which ssh runs `python ARGS` in that folder."""
        begin = ["sh", "-c", 'cd "$0" && exec "$@"', str(cwd), sys.executable, *args]
        words = self.command(begin, options=["-tt"])
        return Terminal("-c", BECOME, *words, cwd=cwd)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
