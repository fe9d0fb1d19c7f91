"""The five tools of an agent; paths outside of the worktree are refused."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec
from msgspec.structs import replace

from miyabi_tui.engine.models.base import ToolCall, ToolSpec
from miyabi_tui.engine.sandbox.output import head_tail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from miyabi_tui.engine.sandbox.base import OnOutput, Sandbox

OUTPUT_LIMIT = 10_000
READ_LINES = 2_000
LINE_LIMIT = 2_000
READ_BYTES_MOST = 50_000_000
BASH_SECONDS, BASH_MOST_SECONDS = 120, 1_800


class Bash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Run a command with bash in the working directory, in a fresh shell."""

    command: str
    timeout_seconds: int = BASH_SECONDS


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Read a text file, with line numbers. `offset` is the first line (from 1)."""

    path: str
    offset: int = 1
    limit: int = READ_LINES


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace `old`, which must occur exactly once in the file unless `replace_all`, by `new`."""

    path: str
    old: str
    new: str
    replace_all: bool = False


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Write a whole file; missing folders are made."""

    path: str
    content: str


class Finish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End the work on the issue. `summary`: one or two sentences on what was done."""

    summary: str


Call = Bash | Read | Edit | Write | Finish
TOOLS: dict[str, type[Call]] = {
    "bash": Bash,
    "read": Read,
    "edit": Edit,
    "write": Write,
    "finish": Finish,
}


class Malformed(Exception):
    """A tool call that cannot be understood; the text tells the model how to mend it."""


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answers the model."""

    text: str
    is_error: bool = False
    exit_code: int | None = None


def specifications() -> tuple[ToolSpec, ...]:
    """The tools as a provider wants them, with JSON Schemas."""
    return tuple(_specification(name, kind) for name, kind in TOOLS.items())


def _specification(name: str, kind: type[Call]) -> ToolSpec:
    _, parts = msgspec.json.schema_components([kind])
    schema: dict[str, Any] = parts[kind.__name__]
    parameters = {key: schema[key] for key in ("type", "properties", "required")}
    return ToolSpec(name, kind.__doc__ or "", parameters | {"additionalProperties": False})


def parse(call: ToolCall) -> Call:
    """The call's arguments, checked.

    Raises:
        Malformed: no such tool, no valid JSON, or the wrong arguments.
    """
    kind = TOOLS.get(call.name)
    if kind is None:
        raise Malformed(f"There is no tool {call.name!r}. The tools are: {', '.join(TOOLS)}.")
    try:
        return msgspec.json.decode(call.arguments or "{}", type=kind)
    except msgspec.ValidationError as error:
        takes = ", ".join(kind.__struct_fields__)
        raise Malformed(
            f"The arguments of {call.name} are wrong: {error}. It takes: {takes}."
        ) from error
    except (ValueError, RecursionError) as error:  # also what is no Unicode text
        raise Malformed(
            f"The arguments of {call.name} are not valid JSON ({error}). Send the call again."
        ) from error


def summary(call: Call) -> str:
    """One line for people: what this call does."""
    match call:
        case Bash(command):
            first, _, more = command.strip().partition("\n")
            return f"{first} …" if more else first
        case Read(path, offset):
            part = f" from line {offset}" if offset > 1 else ""
            return f"reading {path}{part}"
        case Edit(path):
            return f"editing {path}"
        case Write(path, content):
            return f"writing {path} ({content.count(chr(10)) + 1} lines)"
        case Finish():
            return "finishing"


class Toolbox:
    """Executes tool calls in one worktree.

    `mask` hides secrets in what the model reads; `approve` says why a command may not run, or
    nothing where it may; `remark` adds to a command's output what the model should know besides.
    """

    def __init__(
        self,
        root: Path,
        sandbox: Sandbox,
        *,
        mask: Callable[[str], str] | None = None,
        approve: Callable[[str], Awaitable[str]] | None = None,
        remark: Callable[[str], str] | None = None,
    ) -> None:
        self._root = Path(os.path.realpath(root))
        self._sandbox = sandbox
        self._mask = mask or (lambda text: text)
        self._approve = approve
        self._remark = remark or (lambda output: "")

    async def run(self, call: Call, on_output: OnOutput) -> ToolResult:
        """Do what `call` says; faults of the call are answers to the model, never exceptions."""
        result = await self._run(call, on_output)
        return replace(result, text=self._mask(result.text))

    async def _run(self, call: Call, on_output: OnOutput) -> ToolResult:
        match call:
            case Bash():
                return await self._bash(call, on_output)
            case Read():
                return await anyio.to_thread.run_sync(self._guarded, self._read, call)
            case Edit():
                return await anyio.to_thread.run_sync(self._guarded, self._edit, call)
            case Write():
                return await anyio.to_thread.run_sync(self._guarded, self._write, call)
            case Finish(summary=text):
                return ToolResult(text)

    async def _bash(self, call: Bash, on_output: OnOutput) -> ToolResult:
        if self._approve is not None and (refusal := await self._approve(call.command)):
            return ToolResult(refusal, is_error=True)
        seconds = max(1, min(call.timeout_seconds, BASH_MOST_SECONDS))
        result = await self._sandbox.exec(
            ("bash", "-c", call.command),
            cwd=self._root,
            time_limit=seconds,
            on_output=on_output,
            keep=OUTPUT_LIMIT,
        )
        output = self._mask(result.output.rstrip("\n"))  # which may end in the midst of a secret
        if result.timed_out:
            end = f"[ended after {seconds} s: the time limit; raise timeout_seconds if needed]"
        else:
            end = f"[exit code {result.exit_code}]"
        text = "\n".join(filter(None, (output, self._remark(output), end)))
        return ToolResult(text, not result.ok, result.exit_code)

    def _guarded(self, action: Any, call: Read | Edit | Write) -> ToolResult:
        try:
            return ToolResult(action(call))
        except OSError as error:
            return ToolResult(f"Error: {call.path}: {error.strerror or error}", is_error=True)
        except ValueError as error:
            return ToolResult(f"Error: {error}", is_error=True)

    def _inside(self, name: str) -> Path:
        """The real path of `name`.

        Raises:
            ValueError: it is outside of the worktree, git's own, or no file.
        """
        path = Path(os.path.realpath(self._root / name))
        if not path.is_relative_to(self._root):
            raise ValueError(f"{name} is outside of the working directory")
        if ".git" in path.relative_to(self._root).parts:
            raise ValueError(f"{name} belongs to git")
        if path.is_dir():
            raise ValueError(f"{name or '.'} is a folder; list it with bash: ls")
        if path.exists() and not path.is_file():  # a pipe would be waited for for ever
            raise ValueError(f"{name} is not a regular file")
        return path

    def _read(self, call: Read) -> str:
        path = self._inside(call.path)
        if (size := path.stat().st_size) > READ_BYTES_MOST:
            raise ValueError(f"{call.path} has {size:,} bytes; read parts of it with bash: sed -n")
        data = path.read_bytes()
        if b"\0" in data:
            raise ValueError(f"{call.path} is a binary file of {size:,} bytes")
        # Only at line feeds, as git, grep and compilers count; the last line needs none.
        lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []
        first = max(1, call.offset)
        chosen = lines[first - 1 : first - 1 + max(1, call.limit)]
        # Before the numbers stand between the lines of a secret, and before lines are cut.
        chosen = self._mask("\n".join(chosen)).split("\n") if chosen else []
        if not chosen:
            return f"[{call.path} has {_count(len(lines), 'line')}]"
        body = "\n".join(f"{number:>5}  {_cut(line)}" for number, line in enumerate(chosen, first))
        left = len(lines) - (first - 1 + len(chosen))
        return head_tail(
            f"{body}\n[{_count(left, 'more line')}]" if left > 0 else body, 4 * OUTPUT_LIMIT
        )

    def _edit(self, call: Edit) -> str:
        path = self._inside(call.path)
        text = _text(path)
        if not call.old:
            raise ValueError("`old` is empty; to make or replace a whole file, call write")
        if call.old == call.new:
            raise ValueError("`old` and `new` are the same: nothing would change")
        old, new = call.old, call.new
        if old not in text and _only_crlf(text):  # shown without them, so asked for without them
            old, new = _as_crlf(old), _as_crlf(new)
        count = text.count(old)
        if count == 0:
            raise ValueError(
                f"the text to replace is not in {call.path}; read the file and copy it exactly"
            )
        if count > 1 and not call.replace_all:
            raise ValueError(
                f"the text to replace occurs {count} times in {call.path}; "
                "give more of its surroundings, or set replace_all"
            )
        if _only_crlf(text):
            new = _as_crlf(new)
        _put(path, text.replace(old, new).encode())
        return f"Replaced {_count(count, 'time')} in {call.path}."

    def _write(self, call: Write) -> str:
        path, content = self._inside(call.path), call.content
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        if existed and _only_crlf(path.read_bytes().decode("utf-8", "replace")):
            content = _as_crlf(content)
        _put(path, content.encode())
        return f"{'Replaced' if existed else 'Created'} {call.path}."


def _put(path: Path, data: bytes) -> None:
    """Write the file; one that has other names, which may be anywhere, parts from them."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        found = None
    if found is None or found.st_nlink == 1:
        path.write_bytes(data)
        return
    handle, name = tempfile.mkstemp(prefix=".miyabi-", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.chmod(name, stat.S_IMODE(found.st_mode))
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cut(line: str) -> str:
    line = line.removesuffix("\r")
    surplus = len(line) - LINE_LIMIT
    return f"{line[:LINE_LIMIT]} […{surplus} more characters]" if surplus > 0 else line


def _only_crlf(text: str) -> bool:
    """Whether every line of the file ends as on Windows."""
    ends = text.count("\n")
    return 0 < ends == text.count("\r\n")


def _as_crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _text(path: Path) -> str:
    """The file's text with its own line ends.

    Raises:
        ValueError: it is not UTF-8 text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text; use bash to change it") from error
