"""Which commands only look, and run without a place."""

from __future__ import annotations

import pytest

from miyabi_tui.engine.resources.weight import is_light

LIGHT = r"""
ls -la src
cat a.py | head -50
cd src && grep -rn "def main" . | wc -l
sed -n '10,40p' a.py
sed -n -e '/def a/,/return/p' -e '$=' a.py
sed -n '1,5p;10p' a.py; sed 's/a/b/g' a.py
find . -name '*.py' -not -path './.git/*'
find . -type f | xargs grep -l todo | sort | uniq -c
git status && git diff --stat HEAD
git -C sub --no-pager log --oneline -5
git show HEAD:a.py > old.py
for f in *.py; do head -3 "$f"; done
if [ -f a.py ]; then echo yes; else echo no; fi
[[ $A == b ]] || true
X=$(git rev-parse HEAD); echo "$X"
cat a | while read -r line; do echo "$line"; done
awk '{print $1}' a.txt
command -v ruff; which python3 2>/dev/null
! grep -q x a && /usr/bin/stat a
pwd 2>&1
# nothing at all
""".strip().splitlines()
HEAVY = r"""
pytest -q
ls && make
cat $(make -s list)
echo `python x.py`
FOO=1 ls
PATH=.; ls
env ls
./ls
$TOOL a
find . -name '*.pyc' -delete
find . -exec rm {} +
find . | xargs rm
sed -i 's/a/b/' a.py
sed -n '1e make' a.py
sed 's/a/b/e' a.py
sed -n -f script a.py
awk 'BEGIN { system("make") }'
awk 'BEGIN { while (1) x++ }'
git commit -m x
git -c core.pager=make log
git grep -Oless x
git diff --ext-diff
rg --pre ./x y
while true; do ls; done
ls() { make; }; ls
python - <<< 'print(1)'
cat 'a
bash -c ls | bash
python -c 'print(1)'
""".strip().splitlines()  # fmt: skip


@pytest.mark.parametrize("script", LIGHT)
def test_what_only_looks(script: str) -> None:
    assert is_light(("bash", "-c", script))


@pytest.mark.parametrize("script", HEAVY)
def test_what_may_do_more(script: str) -> None:
    assert not is_light(("bash", "-c", script))


def test_a_text_for_a_file() -> None:
    assert is_light(("bash", "-c", "cat > a.py <<'EOF'\nmake $(all)\nEOF\n"))
    assert not is_light(("bash", "-c", "cat > a.py <<EOF\n$(make all)\nEOF\n"))


def test_what_no_shell_runs() -> None:
    assert is_light(("git", "status"))
    assert is_light(("rg", "--json", "x; make"))
    assert not is_light(("nice", "git", "status"))
    assert not is_light(("bash", "script.sh"))
    assert not is_light(())
    assert not is_light(("bash", "-c", "ls " * 100_000))
