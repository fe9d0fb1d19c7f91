"""`python -m miyabi_tui` is the command `miyabi`."""

from miyabi_tui.entry import main

if __name__ == "__main__":
    raise SystemExit(main())
