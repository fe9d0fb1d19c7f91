"""The agent's five tools, as a model meets them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest

from miyabi_tui.engine.agents.tools import (
    LINE_LIMIT,
    Malformed,
    Toolbox,
    ToolResult,
    parse,
    specifications,
    summary,
)
from miyabi_tui.engine.models.base import ToolCall
from tests.places import bare

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


class Desk:
    """A worktree with a toolbox, called as a model calls it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.streamed = ""
        self._toolbox = Toolbox(root, bare({"PATH": os.environ["PATH"]}))

    async def call(self, name: str, **arguments: object) -> ToolResult:
        import msgspec

        call = parse(ToolCall("1", name, msgspec.json.encode(arguments).decode()))

        def stream(channel: object, text: str) -> None:
            self.streamed += text

        return await self._toolbox.run(call, stream)

    async def error(self, name: str, **arguments: object) -> str:
        result = await self.call(name, **arguments)
        assert result.is_error
        return result.text

    def put(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def bytes(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "tree").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return Desk(tmp_path / "tree")


# --- bash -----------------------------------------------------------------------------------------


async def test_bash(desk: Desk) -> None:
    result = await desk.call("bash", command="pwd; exit 3")
    assert result == ToolResult(f"{desk.root}\n[exit code 3]", True, 3)
    assert desk.streamed == f"{desk.root}\n"
    assert await desk.call("bash", command="true") == ToolResult("[exit code 0]", False, 0)


async def test_bash_over_time(desk: Desk) -> None:
    result = await desk.call("bash", command="echo begun; sleep 600", timeout_seconds=-5)
    assert result.text.startswith("begun\n[ended after 1 s: the time limit; raise timeout_seconds")
    assert (result.is_error, result.exit_code) == (True, None)


async def test_bash_with_a_nul(desk: Desk) -> None:
    assert "embedded null byte" in await desk.error("bash", command="echo \0")


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "link", "up/secret.txt", "a/../../x"]
)
@pytest.mark.parametrize("tool", ["read", "edit", "write"])
async def test_paths_outside_are_refused(desk: Desk, tool: str, name: str) -> None:
    (desk.root / "link").symlink_to("../secret.txt")
    (desk.root / "up").symlink_to("..")
    arguments = {"edit": {"old": "secret", "new": "x"}, "write": {"content": "x"}}.get(tool, {})
    error = await desk.error(tool, path=name, **arguments)
    assert error == f"Error: {name} is outside of the working directory"
    assert (desk.root.parent / "secret.txt").read_text() == "secret"


@pytest.mark.parametrize(
    "name", [".git", ".git/config", "sub/../.git/hooks/x", "vendor/.git/config"]
)
async def test_gits_own_files_are_refused(desk: Desk, name: str) -> None:
    assert await desk.error("write", path=name, content="x") == f"Error: {name} belongs to git"
    assert not os.listdir(desk.root)


async def test_links_and_absolute_paths_inside_are_fine(desk: Desk) -> None:
    desk.put("real.txt", "one")
    (desk.root / "link").symlink_to("real.txt")
    await desk.call("edit", path="link", old="one", new="two")
    assert desk.bytes("real.txt") == b"two"
    assert (desk.root / "link").is_symlink()
    assert (await desk.call("read", path=str(desk.root / "real.txt"))).text == "    1  two"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.txt", "none.txt: No such file or directory"),
        ("folder", "folder is a folder; list it with bash: ls"),
        ("", ". is a folder"),
        ("pipe", "pipe is not a regular file"),
        ("a\0b", "null"),
        ("n" * 300, "File name too long"),
        ("file.txt/in", "Not a directory"),
        ("binary", "binary is a binary file of 3 bytes"),
    ],
)
async def test_what_cannot_be_read(desk: Desk, name: str, words: str) -> None:
    desk.put("folder/x", "")
    desk.put("file.txt", "x")
    desk.put("binary", b"a\0b")
    os.mkfifo(desk.root / "pipe")
    with anyio.fail_after(10):
        assert words in await desk.error("read", path=name)


# --- read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "arguments", "shown"),
    [
        ("a\nb\nc\n", {}, "    1  a\n    2  b\n    3  c"),
        ("a\nb\nc", {"offset": 2}, "    2  b\n    3  c"),
        ("a\nb\nc", {"offset": 2, "limit": 1}, "    2  b\n[1 more line]"),
        ("a\nb\nc", {"offset": -3, "limit": 0}, "    1  a\n[2 more lines]"),
        ("a\nb\nc", {"offset": 9}, "[f has 3 lines]"),
        ("", {}, "[f has 0 lines]"),
        ("\n", {}, "    1  "),
        ("a\r\nb\r\n", {}, "    1  a\n    2  b"),
        ("a\fb\u2028c\x1cd\n", {}, "    1  a\fb\u2028c\x1cd"),
        (b"caf\xe9", {}, "    1  caf\ufffd"),
        ("x" * (LINE_LIMIT + 5), {}, f"    1  {'x' * LINE_LIMIT} […5 more characters]"),
    ],
)
async def test_read(
    desk: Desk, content: str | bytes, arguments: dict[str, int], shown: str
) -> None:
    desk.put("f", content)
    assert await desk.call("read", path="f", **arguments) == ToolResult(shown)


async def test_a_long_file_is_read_in_parts(desk: Desk) -> None:
    desk.put("f", "".join(f"line {n}\n" for n in range(1, 3001)))
    text = (await desk.call("read", path="f")).text
    assert text.endswith(" 2000  line 2000\n[1000 more lines]")
    assert (await desk.call("read", path="f", offset=3000)).text == " 3000  line 3000"


async def test_a_wide_file_is_cut_in_the_middle(desk: Desk) -> None:
    desk.put("f", ("y" * 1_500 + "\n") * 100)
    text = (await desk.call("read", path="f")).text
    assert "characters left out" in text
    assert len(text) < 41_000


# --- edit and write -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"old": "nowhere", "new": "x"}, "is not in f; read the file and copy it exactly"),
        ({"old": "one", "new": "x"}, "occurs 2 times in f; give more of its surroundings"),
        ({"old": "", "new": "x"}, "`old` is empty"),
        ({"old": "one", "new": "one"}, "nothing would change"),
    ],
)
async def test_an_edit_that_is_not_clear_changes_nothing(
    desk: Desk, arguments: dict[str, str], words: str
) -> None:
    desk.put("f", "one two one\n")
    assert words in await desk.error("edit", path="f", **arguments)
    assert desk.bytes("f") == b"one two one\n"


async def test_edit(desk: Desk) -> None:
    desk.put("f", "one two one\n")
    (desk.root / "f").chmod(0o755)
    assert (await desk.call("edit", path="f", old="two", new="2")).text == "Replaced 1 time in f."
    result = await desk.call("edit", path="f", old="one", new="1\\1", replace_all=True)
    assert result == ToolResult("Replaced 2 times in f.")
    assert desk.bytes("f") == b"1\\1 2 1\\1\n"
    assert (desk.root / "f").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb", "x\ny", b"x\r\ny\r\nc\r\n"),
        (b"a\r\nb\r\n", "b", "x\ny", b"a\r\nx\r\ny\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "x\r\ny", b"x\r\ny\r\n"),
        (b"a\r\nb\nc", "b\n", "x\n", b"a\r\nx\nc"),  # mixed: as it is given
        (b"\xef\xbb\xbfa\n", "a", "b", b"\xef\xbb\xbfb\n"),
    ],
)
async def test_line_ends_are_kept(
    desk: Desk, before: bytes, old: str, new: str, after: bytes
) -> None:
    desk.put("f", before)
    assert not (await desk.call("edit", path="f", old=old, new=new)).is_error
    assert desk.bytes("f") == after


async def test_edit_of_what_is_not_utf_8(desk: Desk) -> None:
    desk.put("f", b"caf\xe9")
    assert "f is not UTF-8 text; use bash" in await desk.error("edit", path="f", old="c", new="d")
    assert desk.bytes("f") == b"caf\xe9"


async def test_write(desk: Desk) -> None:
    assert (await desk.call("write", path="a/b/c", content="日本\n")).text == "Created a/b/c."
    assert (await desk.call("write", path="a/b/c", content="x\n")).text == "Replaced a/b/c."
    assert desk.bytes("a/b/c") == b"x\n"
    desk.put("crlf", b"a\r\nb\r\n")
    await desk.call("write", path="crlf", content="a\nc\n")
    assert desk.bytes("crlf") == b"a\r\nc\r\n"


async def test_write_where_it_cannot(desk: Desk) -> None:
    desk.put("file", "x")
    assert "file/in" in await desk.error("write", path="file/in", content="x")
    assert "is a folder" in await desk.error("write", path=".", content="x")


# --- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("grep", "{}", "There is no tool 'grep'. The tools are: bash, read, edit, write, finish."),
        ("bash", '{"command": "ls', "not valid JSON"),
        ("bash", '{"command": "ls"} trailing', "not valid JSON"),
        ("bash", "", "missing required field `command`. It takes: command, timeout_seconds."),
        ("bash", "[]", "Expected `object`, got `array`"),
        ("bash", '{"command": 1}', "Expected `str`, got `int` - at `$.command`"),
        ("bash", '{"cmd": "ls", "command": "ls"}', "unknown field `cmd`"),
        ("read", '{"path": "x", "limit": "all"}', "Expected `int`, got `str` - at `$.limit`"),
        ("read", '{"path": "\ud800"}', "not valid JSON"),
        ("finish", "{}", "It takes: summary."),
    ],
)
def test_a_malformed_call_says_how_to_mend_it(name: str, arguments: str, words: str) -> None:
    with pytest.raises(Malformed) as error:
        parse(ToolCall("1", name, arguments))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("bash", '{"command": " ls \\n pwd"}', "ls  …"),
        ("read", '{"path": "a", "offset": 7}', "reading a from line 7"),
        ("edit", '{"path": "a", "old": "x", "new": "y"}', "editing a"),
        ("write", '{"path": "a", "content": "x\\ny"}', "writing a (2 lines)"),
        ("finish", '{"summary": "done"}', "finishing"),
    ],
)
def test_a_call_in_one_line_for_people(name: str, arguments: str, shown: str) -> None:
    assert summary(parse(ToolCall("1", name, arguments))) == shown


def test_the_tools_describe_themselves() -> None:
    tools = {tool.name: tool for tool in specifications()}
    assert list(tools) == ["bash", "read", "edit", "write", "finish"]
    for tool in tools.values():
        assert tool.description
        assert set(tool.parameters["required"]) <= set(tool.parameters["properties"])
        assert tool.parameters["additionalProperties"] is False
