"""Starts one command that keeps to its folders, and ends whatever it leaves behind.

    … confine.main() POLICY -- COMMAND …      POLICY is words: see `Policy` in process.py
    … confine.main() --probe                  what this kernel gives: three numbers

The command gets no capabilities, no new privileges, by Landlock only the folders it is given, a
network of its own with nothing in it, and mounts of its own that hide the sockets of services, as
far as the kernel has these. We stay outside, adopt the orphans it makes, and end them when it ends.

It stands before every command, so it loads `ctypes` and `os` only: json, signal, socket, typing and
contextlib take three times as long as Python itself.
"""

import ctypes
import os
import struct  # ctypes has it loaded
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION, PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE = 1 << 13, 1 << 14
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READABLE = EXECUTE | READ_FILE | READ_DIR
BITS_BY_ABI = (13, 14, 15)  # file-system rights that version 1, 2, and 3 and later know
SCOPES = 0b11  # abstract unix sockets and signals; since version 6
SET_NO_NEW_PRIVS, SET_CHILD_SUBREAPER, CAPBSET_DROP, CAP_AMBIENT = 38, 36, 24, 47
NEW_MOUNTS, NEW_USER, NEW_NET = 0x00020000, 0x10000000, 0x40000000
NOSUID, NODEV, BIND, RECURSIVE, PRIVATE = 1 << 1, 1 << 2, 1 << 12, 1 << 14, 1 << 18
SHARED_MEMORY = "/dev/shm"
HAUNTS = ("/run", "/tmp")  # where services have sockets, also those that are yet to start
SOCKETS_AT_MOST = 2_000
INET, DATAGRAM = 2, 2
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1  # ioctls of a network interface
HANGUP, INTERRUPT, QUIT, KILL, PIPE, TERMINATE, STOP, FILE_SIZE = 1, 2, 3, 9, 13, 15, 19, 25
DEFAULT, IGNORE = 0, 1

libc = ctypes.CDLL(None, use_errno=True)
libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p)


def _call(*args: object) -> int:
    result: int = libc.syscall(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def landlock_version() -> int:
    """Which Landlock the kernel has; 0 for none."""
    try:
        return _call(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    except OSError:
        return 0


def keep_to(readable: list[str], writable: list[str], listable: list[str]) -> None:
    """Let this process, for ever, read and write only beneath these paths, as far as they exist.

    Beneath the `listable` ones it sees names, and no more.
    """
    version = landlock_version()
    if not version:
        return
    handled = (1 << BITS_BY_ABI[min(version, 3) - 1]) - 1
    fields = [handled] + [0] * (version >= 4) + [SCOPES] * (version >= 6)
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    rules = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for paths, rights in ((listable, READ_DIR), (readable, READABLE), (writable, handled)):
        for path in paths:
            _allow(rules, path, rights & handled)
    _call(RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= OF_FILES
    rule = struct.pack("=Qi", rights, opened)
    _call(ADD_RULE, rules, PATH_BENEATH, rule, 0)
    os.close(opened)


def leave(spaces: int) -> bool:
    """Enter namespaces of these kinds, with nothing but loopback; whether that could be done."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(spaces) != 0:
        if libc.unshare(NEW_USER | spaces) != 0:
            return False
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)
    if spaces & NEW_NET:
        _raise_loopback()
    return True


def _raise_loopback() -> None:
    any_socket = libc.socket(INET, DATAGRAM, 0)
    asked = ctypes.create_string_buffer(struct.pack("16sh14x", b"lo", 0), 32)
    libc.ioctl(any_socket, GET_FLAGS, asked)
    flags = struct.unpack("16sh14x", asked.raw)[1]
    libc.ioctl(any_socket, SET_FLAGS, struct.pack("16sh14x", b"lo", flags | UP))
    os.close(any_socket)


def give_up_privileges() -> None:
    """No new privileges, and, for root, no capabilities after the next exec."""
    libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(CAP_AMBIENT, 4, 0, 0, 0)  # clear all
    for capability in range(64):
        if libc.prctl(CAPBSET_DROP, capability, 0, 0, 0) != 0 and capability > 40:
            break


def sockets() -> list[str]:
    """The sockets of this network that have a name in the file system."""
    found: set[str] = set()
    with open("/proc/net/unix", errors="surrogateescape") as file:
        for line in file:
            path = line.rstrip("\n").partition("/")
            if path[1] and len(found) < SOCKETS_AT_MOST:
                found.add("/" + path[2])
    return sorted(found)


def hide(doors: list[str], paths: dict[str, list[str]], shared_memory: int) -> None:
    """Put nothing in the place of these sockets and of what all share, but for what is needed.

    By Landlock whoever knows a socket's name may connect to it.
    """
    here, own = os.getcwd(), [*paths["w"], *paths["s"]]
    needed = [here, *own, *paths["r"], *paths["l"]]
    _mount("none", "/", "none", RECURSIVE | PRIVATE)
    kept = {one: os.open(one, os.O_PATH) for one in needed if _is_below(one, SHARED_MEMORY)}
    if os.path.isdir(SHARED_MEMORY):
        size = f"size={shared_memory},mode=1777"
        _mount("tmpfs", SHARED_MEMORY, "tmpfs", NOSUID | NODEV, size)
    for path, opened in kept.items():
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{opened}", path, "none", BIND | RECURSIVE)
        os.close(opened)
    for folder in HAUNTS:
        if os.path.isdir(folder) and not any(_is_below(one, folder) for one in needed):
            _mount("tmpfs", folder, "tmpfs", NOSUID | NODEV, "size=65536,mode=0555")
    for door in doors:
        if os.path.lexists(door) and not any(_is_below(door, one) for one in own):
            _mount("/dev/null", door, "none", BIND)
    os.chdir(here)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder + "/")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [os.fsencode(one) for one in (source, target, kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} (mount on {target})")


def confine(policy: list[str]) -> None:
    """Do to this process what the policy says: `network`, `apart=BYTES`, `r=PATH`, w, l and s."""
    paths: dict[str, list[str]] = {kind: [] for kind in "rwls"}
    spaces, shared_memory = 0, 0
    for word in policy:
        kind, _, value = word.partition("=")
        if kind == "network":
            spaces |= NEW_NET
        elif kind == "apart":
            spaces, shared_memory = spaces | NEW_MOUNTS, int(value)
        else:
            paths[kind].append(value)
    doors = sockets() if spaces & NEW_MOUNTS else []
    if spaces and leave(spaces) and spaces & NEW_MOUNTS:
        hide(doors, paths, shared_memory)
    if any(paths.values()):
        give_up_privileges()
        keep_to(paths["r"], paths["w"], paths["l"])


def run(policy: list[str], argv: list[str]) -> None:
    """Run the command confined; end the orphans it leaves; end as it has ended."""
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        for number in (PIPE, FILE_SIZE):  # Python ignores these; a command must not
            libc.signal(number, DEFAULT)
        try:
            confine(policy)
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(2, f"cannot run {argv[0]}: {error.strerror}\n".encode())
        os._exit(127)
    for number in (TERMINATE, INTERRUPT, HANGUP, QUIT):
        libc.signal(number, IGNORE)  # they are for the command, which gets them too
    status = _wait(child)
    _end_orphans()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (KILL, STOP):
            libc.signal(number, DEFAULT)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def _wait(child: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_orphans() -> None:
    children = f"/proc/self/task/{os.getpid()}/children"
    while True:
        try:
            with open(children) as file:
                pids = [int(word) for word in file.read().split()]
        except OSError:  # the kernel does not list them: whoever started us looks for them
            return
        for pid in pids:
            try:
                os.kill(pid, KILL)
            except OSError:
                pass
        try:
            os.wait()
        except ChildProcessError:
            return


def probe() -> None:
    """What this kernel gives: the version of Landlock, whether network and mounts can be left."""
    sys.stdout.write(f"{landlock_version()} {_can(NEW_NET):d} {_can(NEW_MOUNTS):d}")


def _can(spaces: int) -> bool:
    """Whether that can be left, tried by a child of ours."""
    child = os.fork()
    if child == 0:
        try:
            done = leave(spaces)
            if spaces & NEW_MOUNTS:
                hide([], {kind: [] for kind in "rwls"}, 65_536)
            os._exit(0 if done else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    """As the arguments say."""
    if sys.argv[1] == "--probe":
        probe()
    else:
        border = sys.argv.index("--")
        run(sys.argv[1:border], sys.argv[border + 1 :])
