"""`import miyabi_tui.cli` and `miyabi --help` against bare Python: at most 5 × its time."""

from __future__ import annotations

from benchmarks.common import PYTHON, compare, run_seconds, verdict


def main() -> bool:
    """Measure; whether all bounds are kept."""
    found = compare(
        15,
        python=lambda: run_seconds([PYTHON, "-c", "pass"]),
        imported=lambda: run_seconds([PYTHON, "-c", "import miyabi_tui.cli"]),
        helped=lambda: run_seconds([PYTHON, "-m", "miyabi_tui", "--help"]),
    )
    print(f"bare Python {found['python'] * 1000:.0f} ms")
    return all(
        [
            verdict("import miyabi_tui.cli ÷ bare Python", found["imported"] / found["python"], 5),
            verdict("miyabi --help ÷ bare Python", found["helped"] / found["python"], 5),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
