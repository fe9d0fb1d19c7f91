"""Diffs of several worlds, and a fake engine that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.board_states import FakeControl, Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from miyabi_tui.engine.worlds import WorldId

ALPHA = '''\
diff --git a/ledger/parse.py b/ledger/parse.py
index 3f1c2aa..9b0e4d1 100644
--- a/ledger/parse.py
+++ b/ledger/parse.py
@@ -1,7 +1,9 @@
 """Rows of a ledger."""
 
 from __future__ import annotations
 
+import csv
+
 from pathlib import Path
 
 
@@ -38,13 +40,16 @@ def rows(path: Path) -> list[list[str]]:
 
 
 def split_row(line: str) -> list[str]:
-    """The fields of a row, split at commas."""
+    """The fields of a row, split at commas that are not quoted."""
     fields: list[str] = []
-    for part in line.split(","):
-        fields.append(part.strip())
+    reader = csv.reader([line], skipinitialspace=True)
+    for row in reader:
+        # the csv module knows quotes; a blank after a comma is not its own
+        fields.extend(field.strip() for field in row)
     return fields
 
 
 def total(fields: list[str]) -> int:
-    return sum(int(field) for field in fields if field)
+    return sum(int(field or 0) for field in fields)
 
diff --git a/tests/test_parse.py b/tests/test_parse.py
index 11d0c3e..5512fa0 100644
--- a/tests/test_parse.py
+++ b/tests/test_parse.py
@@ -12,3 +12,7 @@ def test_plain() -> None:
     assert split_row("a,b") == ["a", "b"]
     assert split_row("") == [""]
     assert split_row("a, b ,c") == ["a", "b", "c"]
+
+
+def test_quoted_comma() -> None:
+    assert split_row('"東京, JP",2') == ["東京, JP", "2"]
'''  # noqa: W293
BETA = '''\
diff --git a/README.md b/README.md
index 0c1f4a2..4bd2201 100644
--- a/README.md
+++ b/README.md
@@ -1,4 +1,6 @@
 # Ledger
 
-Reads rows split at **commas**.
+Reads rows split at **commas**; quoted fields may hold some:
+
+    "東京, JP",2
 
diff --git a/ledger/parse.py b/ledger/parse.py
index 3f1c2aa..77aa001 100644
--- a/ledger/parse.py
+++ b/ledger/parse.py
@@ -40,8 +40,12 @@ def rows(path: Path) -> list[list[str]]:
 def split_row(line: str) -> list[str]:
     """The fields of a row, split at commas."""
     fields: list[str] = []
-    for part in line.split(","):
-        fields.append(part.strip())
+    quoted, field = False, ""
+    for character in line:
+        if character == '"':
+            quoted = not quoted
+        elif character == "," and not quoted:
+            fields.append(field.strip())
     return fields
 
 
diff --git a/ledger/states.py b/ledger/states.py
new file mode 100644
index 0000000..8bb1221
--- /dev/null
+++ b/ledger/states.py
@@ -0,0 +1,9 @@
+"""States of the parser."""
+
+from enum import Enum
+
+
+class State(Enum):
+    PLAIN = 0
+    QUOTED = 1  # within quotes
+    DONE = 2
'''  # noqa: W293
GAMMA = """\
diff --git a/ledger/parse.py b/ledger/parse.py
index 3f1c2aa..0aa7788 100644
--- a/ledger/parse.py
+++ b/ledger/parse.py
@@ -46,5 +46,5 @@ def split_row(line: str) -> list[str]:
 
 
 def total(fields: list[str]) -> int:
-    return sum(int(field) for field in fields if field)
+    return sum(map(eval, fields))
 
diff --git a/setup.sh b/setup.sh
old mode 100644
new mode 100755
"""  # noqa: W293
ODDITIES = (
    "diff --git a/docs/logo.png b/docs/logo.png\n"
    "index 1111111..2222222 100644\n"
    "Binary files a/docs/logo.png and b/docs/logo.png differ\n"
    "diff --git a/old/name.py b/new/name.py\n"
    "similarity index 96%\n"
    "rename from old/name.py\n"
    "rename to new/name.py\n"
    "index 1111111..2222222 100644\n"
    "--- a/old/name.py\n"
    "+++ b/new/name.py\n"
    "@@ -1,2 +1,2 @@\n"
    " import os\n"
    "-NAME = 'old'\n"
    "+NAME = 'new'\n"
    "diff --git a/run.sh b/run.sh\n"
    "old mode 100644\n"
    "new mode 100755\n"
    'diff --git "a/tab\\there \\"x\\".txt" "b/tab\\there \\"x\\".txt"\n'
    "deleted file mode 100644\n"
    "index 1111111..0000000\n"
    '--- "a/tab\\there \\"x\\".txt"\n'
    "+++ /dev/null\n"
    "@@ -1 +0,0 @@\n"
    "-gone\n"
    "\\ No newline at end of file\n"
    "diff --git a/wide.txt b/wide.txt\n"
    "index 1111111..2222222 100644\n"
    "--- a/wide.txt\n"
    "+++ b/wide.txt\n"
    "@@ -1,6 +1,7 @@\n"
    " column\tafter a tab\n"
    " 列\tafter a tab\n"
    "-\x1b[31mred\x1b[0m and \x1b]0;title\x07\n"
    "+\x1b[32mgreen\x1b[0m, back\bspace, \u202eturned\u202c, zero\u200bwidth\n"
    " 👩\u200d💻 works 🇯🇵 on 日本語の長い行が端で切られても枠を壊さないことを確かめるための文、"
    "そしてもっと長い文、さらに続く長い文。\n"
    "+a line that is much too long for any screen "
    + " ".join(f"word{n}" for n in range(40))
    + "\n [bold red]no markup[/] @click\n"
    " last\n"
    "diff --git a/empty b/empty\n"
    "new file mode 100644\n"
    "index 0000000..e69de29\n"
)


def long_diff(lines: int, files: int) -> str:
    """A diff of new Python files with so many lines altogether."""
    each = lines // files - 6
    body = "".join(f"+    value_{n} = compute({n}, 'text')  # why\n" for n in range(each))
    return "".join(
        f"diff --git a/src/file{n}.py b/src/file{n}.py\nnew file mode 100644\nindex 0000000..1\n"
        f"--- /dev/null\n+++ b/src/file{n}.py\n@@ -0,0 +1,{each} @@\n{body}"
        for n in range(files)
    )


class Worlds(FakeControl):
    """Each world has a diff of its own; any two differ in `between`."""

    def __init__(self, script: Script, diffs: Mapping[WorldId, str], between: str = ALPHA) -> None:
        super().__init__(script)
        self.diffs = diffs
        self.between = between

    def diff(self, world: WorldId) -> str:
        """Its own."""
        self.asked.append(f"diff {world}")
        return self.diffs.get(world, "")

    def diff_between(self, one: WorldId, other: WorldId) -> str:
        """The same for any two."""
        self.asked.append(f"between {one} {other}")
        return self.between
