"""What was scanned is remembered by its content: the same is not scanned again, all else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from miyabi_tui.engine.scoring.known import Known, change, contents
from miyabi_tui.engine.scoring.toolchain import Commands
from miyabi_tui.engine.security.versions import Versions
from tests.projects import Project

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ONLY_SCAN = Commands(build="true", test="true", lint="true")
DANGER = "import subprocess\n\n\ndef run(word):\n    subprocess.run(word, shell=True)  # {}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "repo").mkdir()
    return Project(tmp_path / "repo" / ".miyabi" / "tree", tmp_path / "scratch")


async def rules(project: Project) -> list[tuple[str, str]]:
    measured = await project.measure(commands=ONLY_SCAN)
    assert measured.security_remark == ""
    return [(one.path, one.rule) for one in measured.security]


async def test_only_what_is_new_is_scanned(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "scratch" / "bandit.json"
    project.put({"one.py": DANGER.format(tmp_path)})
    first = await rules(project)
    assert ("one.py", "B602") in first
    assert report.exists()

    report.unlink()
    assert await rules(project) == first
    assert not report.exists()  # bandit was not asked

    project.put({"two.py": f"import pickle  # {tmp_path}\n"})
    assert await rules(project) == [*first, ("two.py", "B403")]
    assert "one.py" not in report.read_text()

    project.put({"one.py": "print()\n"})
    assert await rules(project) == [("two.py", "B403")]


def test_the_latest_are_kept() -> None:
    known: Known[str] = Known(most=2)
    for word in (b"a", b"b", b"c"):
        known.put(word, word.decode())
    known.put(None, "of no content")
    assert [known.get(word) for word in (b"a", b"b", b"c", None)] == [None, "b", "c", None]


def test_the_name_counts_and_a_link_is_no_content(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to("a.py")
    found = contents(tmp_path, ["a.py", "b.py", "link.py", "gone.py"])
    assert found["a.py"] != found["b.py"]
    assert (found["link.py"], found["gone.py"]) == (None, None)


def test_a_change_has_two_sides(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "old", tmp_path / "new", ("a.py", "b.py"))
    for folder in (versions.old, versions.new):
        folder.mkdir()
    seen = {change(versions)}
    for folder, name, text in (
        (versions.new, "a.py", "1"),
        (versions.old, "a.py", "1"),
        (versions.new, "b.py", "1"),
        (versions.new, "a.py", "11"),
    ):
        (folder / name).write_text(text)
        seen.add(change(versions))
    (versions.new / "b.py").unlink()
    (versions.new / "b.py").symlink_to("1")
    seen.add(change(versions))
    assert len(seen) == 6
