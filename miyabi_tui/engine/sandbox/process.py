"""Commands as processes of this machine, kept to their folders as far as the kernel helps.

The weakest isolation: limits of a process, a guarded environment, Landlock and a network of their
own where the kernel gives these to anybody. What it lacks here, `remarks` says.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.events import Escape
from miyabi_tui.engine.sandbox.base import EVERYWHERE
from miyabi_tui.engine.sandbox.local import LocalSandbox
from miyabi_tui.engine.terms import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from miyabi_tui.engine.sandbox.base import Space
    from miyabi_tui.engine.sandbox.cgroups import Cgroup

# Imported, not run, so that Python compiles it once and not before every command.
CONFINE = "import sys; sys.path.append(sys.argv.pop(1)); import confine; confine.main()"
PACKAGES = Path(__file__).parents[3]
DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"),
    *("/dev/ptmx", "/dev/pts", "/dev/shm"),
)
PROBED_WITHIN = 10.0  # seconds


class Kernel(msgspec.Struct, frozen=True):
    """What the kernel gives to anybody: the version of Landlock (0: none), a network, mounts."""

    landlock: int = 0
    network: bool = False
    mounts: bool = False

    @property
    def stops(self) -> frozenset[Escape]:
        """The attempts to leave that commands are kept from."""
        kinds = {Escape.READ, Escape.WRITE, Escape.GIT} if self.landlock else set()
        if self.landlock >= 6:
            kinds.add(Escape.PROCESS)
        if self.network:
            kinds.add(Escape.NETWORK)
        return frozenset(kinds)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What commands can do all the same, in words."""
        missing = []
        if not self.landlock:
            missing.append("commands can read and write wherever you can")
        elif self.landlock < 6:
            missing.append("commands can signal your other processes")
        if not self.network:
            missing.append("commands reach the network")
        if not (self.landlock and self.mounts):
            missing.append("commands reach the sockets of services, such as Docker's")
        return tuple(missing)


class Policy(msgspec.Struct, frozen=True):
    """What `confine.py` is told; without any paths, commands are not kept to folders.

    `apart` hides sockets, but for those below `writable` and `sockets`, and what others have in
    `/dev/shm`: it is a new one of so many bytes; 0 leaves all as it is.
    """

    readable: tuple[str, ...] = ()
    listable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    no_network: bool = False
    apart: int = 0

    @property
    def words(self) -> list[str]:
        """As `confine.py` reads it."""
        return [
            *(["network"] if self.no_network else []),
            *([f"apart={self.apart}"] if self.apart else []),
            *(f"r={path}" for path in self.readable),
            *(f"w={path}" for path in self.writable),
            *(f"l={path}" for path in self.listable),
            *(f"s={path}" for path in self.sockets),
        ]


class ProcessSandbox(LocalSandbox):
    """See `Sandbox`. Without a `kernel` that was probed, commands are not kept to anything."""

    isolation = Isolation.PROCESS

    def __init__(
        self, space: Space, cgroup: Cgroup | None = None, kernel: Kernel | None = None
    ) -> None:
        super().__init__(space, cgroup)
        self._policy = _policy(space, kernel or Kernel())
        self._confined = sys.platform == "linux"

    def _command(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> list[str]:
        command = self._behind_proxy(argv, self._space.proxy or cwd)
        if self._confined:
            command = [*_program(), *self._policy.words, "--", *command]
        return self._launched(command)


def probe() -> Kernel:
    """What this kernel gives. Blocks for some hundredths of a second."""
    if sys.platform != "linux":
        return Kernel()
    try:
        done = subprocess.run(
            [*_program(), "--probe"], capture_output=True, timeout=PROBED_WITHIN, check=True
        )
        landlock, network, mounts = (int(word) for word in done.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return Kernel()
    return Kernel(landlock, bool(network), bool(mounts))


def _program() -> list[str]:
    return [sys.executable, "-I", "-S", "-c", CONFINE, str(Path(__file__).parent)]


def _policy(space: Space, kernel: Kernel) -> Policy:
    no_network = kernel.network and not (space.network and EVERYWHERE in space.limits.network)
    if not kernel.landlock:
        return Policy(no_network=no_network)
    tools = [str(one) for folder in space.tools for one in _without(folder, space.hidden)]
    read = [str(mount.source) for mount in space.mounts if not mount.writable]
    read += [str(space.proxy)] if space.proxy else []
    write = [str(mount.source) for mount in space.mounts if mount.writable]
    return Policy(
        readable=(*tools, *read, "/proc", "/sys", "/dev"),
        listable=(str(PACKAGES),),  # or Python does not find us in there
        writable=(*write, *DEVICES),
        sockets=(str(space.proxy),) if space.proxy else (),
        no_network=no_network,
        apart=space.limits.memory_bytes // 2 if kernel.mounts else 0,
    )


def _without(folder: Path, secrets: tuple[Path, ...]) -> Iterable[Path]:
    """The folder, or, where something in it is hidden, all that is in it but that.

    Landlock can only add: what a folder is given, all below it has.
    """
    within = tuple(one for one in secrets if one.is_relative_to(folder))
    if not within:
        yield folder
    elif folder not in within:
        ways = {one.relative_to(folder).parts[0] for one in within}
        for one in sorted(folder.iterdir()):
            if one.name in ways:
                yield from _without(one, within)
            else:
                yield one
