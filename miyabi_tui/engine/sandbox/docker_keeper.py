"""The first process of a world's container: it ends what commands leave, and ends with its engine.

It needs nothing but `sh`. What it is told comes on its standard input, which the daemon closes when
the engine is gone, however it went: then the keeper ends, and with it all of its container.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.docker_stream import Line

# Process 1 only waits, which also reaps; the one that reads is begun again if a world kills it.
# "$@" is the container's main program, which is spared when everything else is ended.
KEEPER = """
mkdir -p "$HOME" 2>/dev/null
main=
if [ $# -gt 0 ]; then "$@" >/dev/null 2>&1 & main=$!; fi
killed_for_memory() {
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r $file ] || continue
    while read -r name count; do [ "$name" = oom_kill ] && oom=$count; done <$file
  done
}
end_all() {
  if [ -z "$main" ]; then kill -KILL -1; return; fi
  kill -STOP -1
  read -r me rest </proc/self/stat
  for one in /proc/[0-9]*; do
    one=${one#/proc/}
    case $one in 1|$main|$me) ;; *) kill -KILL $one ;; esac
  done
  kill -CONT $main
}
end_session() {
  session=$1
  for one in /proc/[0-9]*; do
    read -r line <$one/stat || continue
    set -- ${line##*) }
    [ "$4" = "$session" ] && kill -KILL ${one#/proc/}
  done
}
serve() {
  while read -r word key number; do
    case $word in
      end_all) end_all ;;
      hold) kill -STOP -1 ;;
      let_go) kill -CONT -1 ;;
      end_session) end_session "$number"; end_session "$number" ;;
    esac
    oom=-1
    killed_for_memory
    echo "done $key $oom"
  done 2>/dev/null
}
exec 3<&0
oom=-1
killed_for_memory
echo "done ready $oom"
while :; do
  serve <&3 &
  wait $!
  [ $? -gt 128 ] || exit 0
done
"""

# Runs a command, tells the keeper's reader when it begins and ends, and with which code. What the
# shell itself says of it ("Killed") is not the command's.
WRAPPER = """
key=$1
tell() { echo "$1 $key $2" >/proc/1/fd/1; }
cd "$2" 2>/dev/null || { tell refused 1; exit 127; }
shift 2
case $1 in
  */*) [ -e "$1" ] || { tell refused 2; exit 127; }
       [ -f "$1" ] && [ -x "$1" ] || { tell refused 3; exit 127; } ;;
  *) command -v "$1" >/dev/null 2>&1 || { tell refused 2; exit 127; } ;;
esac
tell begun $$
unset OLDPWD
exec 9>&2 2>/dev/null
(exec "$@" 2>&9 9>&-)
code=$?
tell ended $code
exit $code
"""
NO_FOLDER, NOT_FOUND, NOT_EXECUTABLE = 1, 2, 3  # why it was refused

SHELL = "/bin/sh"
LONGEST_LINE = 200  # whatever is longer, no keeper said
PATIENCE_SECONDS = 10.0


class Run:
    """What the keeper told about one command."""

    def __init__(self) -> None:
        self.key = secrets.token_hex(8)
        self.session = 0  # its number in the container
        self.code: int | None = None
        self.refused = 0
        self.over = anyio.Event()


class Keeper:
    """The engine's side of the conversation. Whoever waits for a word reads for everybody."""

    def __init__(self, line: Line) -> None:
        self.gone = False
        self.killed_for_memory = -1  # processes so far; unknown below 0
        self._line = line
        self._runs: dict[str, Run] = {}
        self._answers: dict[str, anyio.Event] = {}
        self._closing = False
        self._hearing = False  # somebody reads
        self._news = anyio.Event()  # something was read, or the reader has left
        self._heard = b""

    async def ready(self, seconds: float) -> bool:
        """Whether it has begun within this time."""
        return await self._answered("ready", seconds)

    def expect(self, run: Run) -> None:
        """Take in what is told about this command."""
        self._runs[run.key] = run

    def forget(self, run: Run) -> None:
        """No longer."""
        self._runs.pop(run.key, None)

    async def end_all(self) -> bool:
        """End every process but the keeper and the main program; whether it was confirmed."""
        return await self._ask("end_all")

    async def end_session(self, run: Run) -> bool:
        """End the processes of one command that did not leave its session."""
        return await self._ask("end_session", run.session)

    async def hold(self) -> bool:
        """Stop every process but the keeper."""
        return await self._ask("hold")

    async def let_go(self) -> bool:
        """Let all that is stopped go on."""
        return await self._ask("let_go")

    async def _ask(self, word: str, number: int = 0) -> bool:
        key = secrets.token_hex(8)
        try:
            await self._line.send(f"{word} {key} {number}\n".encode())
        except OSError:
            self._lost()
            return False
        return await self._answered(key, PATIENCE_SECONDS)

    async def _answered(self, key: str, seconds: float) -> bool:
        answer = self._answers[key] = anyio.Event()
        with anyio.move_on_after(seconds):
            await self.hear(answer)
        del self._answers[key]
        return answer.is_set() and not self.gone

    async def hear(self, until: anyio.Event) -> None:
        """Read what is told until this has happened, or the keeper is gone."""
        while not until.is_set() and not self.gone:
            if self._hearing:
                await self._news.wait()
                continue
            self._hearing = True
            try:
                self._hear(await self._line.receive())
            finally:
                self._hearing = False
                if self._closing:
                    self._line.close()
                self._news.set()
                self._news = anyio.Event()

    def _hear(self, piece: tuple[int, bytes] | None) -> None:
        if piece is None:
            self._lost()
            return
        *lines, rest = (self._heard + piece[1]).split(b"\n")
        self._heard = rest[:LONGEST_LINE]
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        """A world can write here as well: what is no word of ours is passed over."""
        with contextlib.suppress(ValueError):
            word, key, text = line.decode("ascii").split(" ")
            number = int(text)
            if word == "done" and key in self._answers:
                self.killed_for_memory = number
                self._answers[key].set()
            elif key in self._runs:
                _tell(self._runs[key], word, number)

    def _lost(self) -> None:
        self.gone = True
        for run in self._runs.values():
            run.over.set()

    def cut(self) -> None:
        """Hang up, from any thread: the keeper ends."""
        self._line.cut()

    def close(self) -> None:
        """Hang up, and give the connection back."""
        self._lost()
        self._closing = True
        self._line.cut()
        if not self._hearing:  # else whoever hears is told of the end, and closes it
            self._line.close()


def _tell(run: Run, word: str, number: int) -> None:
    if word == "begun":
        run.session = number
    elif word == "refused":
        run.refused = number
        run.over.set()
    elif word == "ended":
        run.code = number
        run.over.set()
