import pytest

from tally.cli import main


@pytest.fixture(autouse=True)
def sheet(tmp_path, monkeypatch):
    path = tmp_path / "may.txt"
    monkeypatch.setenv("TALLY_FILE", str(path))
    return path


def test_add_says_what_was_added(sheet, capsys):
    assert main(["add", "2026-05-28", "13:00-14:00", "会議", "Plan", "the", "move"]) == 0
    assert capsys.readouterr().out == "added 1h to 会議\n"
    assert sheet.read_text(encoding="utf-8") == "2026-05-28 13:00-14:00 会議 Plan the move\n"


def test_report_adds_up_the_days(capsys):
    main(["add", "2026-05-28", "09:00-12:30", "website"])
    main(["add", "2026-05-29", "13:00-14:00", "会議"])
    capsys.readouterr()
    assert main(["report", "--since", "2026-05-29"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-05-29 Fri       1h  ██",
        "total                1h",
    ]


def test_a_wrong_span_is_explained(capsys):
    assert main(["add", "2026-05-28", "13:00", "会議"]) == 2
    assert "not an entry" in capsys.readouterr().err
