"""The five tools of an agent; paths outside of the worktree are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec

from miyabi_tui.engine.models.base import ToolCall, ToolSpec
from miyabi_tui.engine.sandbox.output import head_tail

if TYPE_CHECKING:
    from miyabi_tui.engine.sandbox.base import OnOutput, Sandbox

OUTPUT_LIMIT = 10_000
READ_LINES = 2_000
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
        raise Malformed(f"The arguments of {call.name} are wrong: {error}.") from error
    except msgspec.DecodeError as error:
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
    """Executes tool calls in one worktree."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self._root = Path(os.path.realpath(root))
        self._sandbox = sandbox

    async def run(self, call: Call, on_output: OnOutput) -> ToolResult:
        """Do what `call` says; faults of the call are answers to the model, never exceptions."""
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
        seconds = max(1, min(call.timeout_seconds, BASH_MOST_SECONDS))
        result = await self._sandbox.exec(
            ("bash", "-c", call.command),
            cwd=self._root,
            time_limit=seconds,
            on_output=on_output,
            keep=OUTPUT_LIMIT,
        )
        output = result.output.rstrip("\n")
        if result.timed_out:
            end = f"[ended after {seconds} s: the time limit; raise timeout_seconds if needed]"
        else:
            end = f"[exit code {result.exit_code}]"
        return ToolResult(f"{output}\n{end}" if output else end, not result.ok, result.exit_code)

    def _guarded(self, action: Any, call: Call) -> ToolResult:
        try:
            return ToolResult(action(call))
        except (OSError, ValueError) as error:
            cause = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            return ToolResult(f"Error: {cause}", is_error=True)

    def _inside(self, name: str) -> Path:
        """The real path of `name`.

        Raises:
            ValueError: it is outside of the worktree, or git's own.
        """
        path = Path(os.path.realpath(self._root / name))
        if not path.is_relative_to(self._root):
            raise ValueError(f"{name} is outside of the working directory")
        if ".git" in path.relative_to(self._root).parts:
            raise ValueError(f"{name} belongs to git")
        return path

    def _read(self, call: Read) -> str:
        text = self._inside(call.path).read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()
        first = max(1, call.offset)
        chosen = lines[first - 1 : first - 1 + max(1, call.limit)]
        if not chosen:
            return f"[{call.path} has {len(lines)} lines]"
        body = "\n".join(f"{number:>5}  {line}" for number, line in enumerate(chosen, first))
        left = len(lines) - (first - 1 + len(chosen))
        return head_tail(f"{body}\n[{left} more lines]" if left > 0 else body, 4 * OUTPUT_LIMIT)

    def _edit(self, call: Edit) -> str:
        path = self._inside(call.path)
        text = _text(path)
        count = text.count(call.old) if call.old else 0
        if count == 0:
            raise ValueError(
                f"the text to replace is not in {call.path}; read the file and copy it exactly"
            )
        if count > 1 and not call.replace_all:
            raise ValueError(
                f"the text to replace occurs {count} times in {call.path}; "
                "give more of its surroundings, or set replace_all"
            )
        _save(path, text.replace(call.old, call.new))
        return f"Replaced {count} time{'s' if count > 1 else ''} in {call.path}."

    def _write(self, call: Write) -> str:
        path = self._inside(call.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        _save(path, call.content)
        return f"{'Replaced' if existed else 'Created'} {call.path}."


def _text(path: Path) -> str:
    """The file's text with its own line ends.

    Raises:
        ValueError: it is not UTF-8 text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text; use bash to change it") from error


def _save(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
