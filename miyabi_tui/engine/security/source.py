"""One version of one file, read for the analyses: text, language, lines, Python's tree."""

from __future__ import annotations

import ast
import bisect
import codecs
import functools
import re
import warnings
from enum import StrEnum

from miyabi_tui.engine.scoring.testcode import looks_like_test
from miyabi_tui.engine.security.pythontree import PythonTree

NUL_SEEN_IN = 8000  # bytes at the start of a file that tell whether it is text, as git does it
CONFTEST = re.compile(r"(^|/)conftest\.py$")


class Language(StrEnum):
    """What a file is written in, as far as it matters here."""

    PYTHON = "python"
    SHELL = "shell"
    JAVASCRIPT = "javascript"
    RUST = "rust"
    GO = "go"
    C = "c"
    JAVA = "java"
    CSHARP = "csharp"
    RUBY = "ruby"
    PHP = "php"
    PERL = "perl"
    POWERSHELL = "powershell"
    BUILD = "build"  # Makefile, Dockerfile and their like: shell commands in other clothes
    PROSE = "prose"
    DATA = "data"


_BY_ENDING = {
    Language.PYTHON: "py pyi pyw pyx ipynb",
    Language.SHELL: "sh bash zsh ksh fish bats command",
    Language.JAVASCRIPT: "js mjs cjs jsx ts mts cts tsx vue svelte html htm",
    Language.RUST: "rs",
    Language.GO: "go",
    Language.C: "c h cc cpp cxx hpp hh hxx m mm",
    Language.JAVA: "java kt kts scala groovy gradle",
    Language.CSHARP: "cs fs vb",
    Language.RUBY: "rb rake gemspec erb",
    Language.PHP: "php phtml php5 phar",
    Language.PERL: "pl pm t",
    Language.POWERSHELL: "ps1 psm1 psd1 bat cmd",
    Language.BUILD: "mk dockerfile cmake yml yaml",
    Language.PROSE: "md markdown rst txt adoc tex",
}
_ENDINGS = {end: one for one, ends in _BY_ENDING.items() for end in ends.split()}
_NAMES = {
    "makefile": Language.BUILD,
    "gnumakefile": Language.BUILD,
    "dockerfile": Language.BUILD,
    "containerfile": Language.BUILD,
    "justfile": Language.BUILD,
    "jenkinsfile": Language.JAVA,
    "rakefile": Language.RUBY,
    "gemfile": Language.RUBY,
    "vagrantfile": Language.RUBY,
    "configure": Language.SHELL,
    "license": Language.PROSE,
    "readme": Language.PROSE,
    "changelog": Language.PROSE,
}
_SHEBANG = re.compile(r"#![^\n]*?\b(python|bash|zsh|ksh|dash|sh|node|ruby|perl|php)[\d.]*\b")
_BY_SHEBANG = {
    "python": Language.PYTHON,
    "node": Language.JAVASCRIPT,
    "ruby": Language.RUBY,
    "perl": Language.PERL,
    "php": Language.PHP,
}
_HASH_COMMENTS = frozenset(
    {
        *(Language.PYTHON, Language.SHELL, Language.RUBY, Language.PERL, Language.BUILD),
        *(Language.POWERSHELL,),
    }
)
_SLASH_COMMENTS = frozenset(
    {
        *(Language.JAVASCRIPT, Language.RUST, Language.GO, Language.C, Language.JAVA),
        *(Language.CSHARP, Language.PHP),
    }
)


class Source:
    """The text of one version of a file. `path` is printable, and only a name: nothing is read."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        self.text = decode(data)
        self.language = language(path, self.text)
        self.test = looks_like_test(path) or bool(CONFTEST.search(path))

    @property
    def is_code(self) -> bool:
        """Whether something could run it."""
        return self.language not in (Language.PROSE, Language.DATA)

    @property
    def is_binary(self) -> bool:
        """Whether it is no text, by the first bytes."""
        return not _bom(self.data) and b"\0" in self.data[:NUL_SEEN_IN]

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines without their ends."""
        return self.text.split("\n")

    @functools.cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree of a Python file; None where it is none.

        Raises:
            RecursionError, MemoryError: it is nested too deeply to be parsed.
        """
        if self.language is not Language.PYTHON or self.path.endswith(".ipynb"):
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.data if not _bom(self.data) else self.text)
        except (SyntaxError, ValueError):
            return None

    @functools.cached_property
    def python(self) -> PythonTree | None:
        """The tree as the analyses ask it; None where there is none.

        Raises:
            RecursionError, MemoryError: it is nested too deeply to be parsed.
        """
        return PythonTree(self.tree) if self.tree else None

    @functools.cached_property
    def silent(self) -> frozenset[int]:
        """The numbers of the lines that are only a comment or a docstring."""
        found = {
            number for number, line in enumerate(self.lines, 1) if is_comment(line, self.language)
        }
        tree = self.tree
        if tree and "__doc__" not in self.text:
            for node in ast.walk(tree):
                match node:
                    case ast.Expr(value=ast.Constant(value=str())):
                        found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return frozenset(found)

    def line_of(self, offset: int) -> int:
        """The number of the line that holds the character at `offset`."""
        return bisect.bisect_right(self._starts, offset)

    @functools.cached_property
    def _starts(self) -> list[int]:
        """Where each line starts."""
        return [0, *(end.end() for end in re.finditer("\n", self.text))]


def decode(data: bytes) -> str:
    """The text of `data`, whatever it is: what is not UTF-8 becomes a sign for that."""
    mark = _bom(data)
    text = data.decode(mark or "utf-8", "replace")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _bom(data: bytes) -> str:
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            return "utf-16"
    return ""


def language(path: str, text: str = "") -> Language:
    """What a file is written in, by its name and its first line."""
    name = path.rpartition("/")[2].lower()
    stem, dot, ending = name.rpartition(".")
    if name in _NAMES or (dot and stem in ("dockerfile", "makefile")):
        return _NAMES.get(name, Language.BUILD)
    if dot and ending in _ENDINGS:
        return _ENDINGS[ending]
    if found := _SHEBANG.match(text[:200]):
        return _BY_SHEBANG.get(found[1], Language.SHELL)
    return _NAMES.get(stem, Language.DATA) if dot else Language.DATA


def is_comment(line: str, written: Language) -> bool:
    """Whether a line is nothing but a comment."""
    start = line.lstrip()
    if written in _HASH_COMMENTS:
        return start.startswith("#") and not start.startswith("#!")
    if written not in _SLASH_COMMENTS:
        return False
    if start.startswith("//"):
        return True
    return start.startswith(("* ", "/*")) and not start.partition("*/")[2].strip()
