"""Unsafe features of the languages that are only read as text."""

from __future__ import annotations

from miyabi_tui.engine.security.rules import Rule, written_in
from miyabi_tui.engine.security.source import Language
from miyabi_tui.engine.security.threats import Severity

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
RUST = written_in(Language.RUST)
JS = written_in(Language.JAVASCRIPT)
GO = written_in(Language.GO)
C = written_in(Language.C)
JVM = written_in(Language.JAVA)
CSHARP = written_in(Language.CSHARP)
RUBY = written_in(Language.RUBY)
PHP = written_in(Language.PHP)
SHELL = written_in(Language.SHELL, Language.BUILD)
UNVERIFIED = "verifies no certificate"

RULES = (
    Rule(
        "unsafe", r"\bunsafe\s*\{|\bunsafe +(?:fn|impl|trait|extern)\b", "unsafe Rust", MEDIUM, RUST
    ),
    Rule("unsafe", r"\b(?:mem::)?transmute(?:_copy)?\b", "reinterprets memory", MEDIUM, RUST),
    Rule("unverified-tls", r"danger_accept_invalid_certs\( ?true", UNVERIFIED, HIGH, RUST),
    Rule("eval", r"(?<![.\w$])eval ?\(", "eval of text", MEDIUM, JS),
    Rule("eval", r"\bnew +Function ?\(", "makes code of text", MEDIUM, JS),
    Rule("eval", r"\bset(?:Timeout|Interval) ?\( ?['\"`]", "makes code of text", MEDIUM, JS),
    Rule("raw-html", r"\bdangerouslySetInnerHTML\b|\bv-html\b", "shows HTML unescaped", MEDIUM, JS),
    Rule(
        "raw-html",
        r"\.(?:inner|outer)HTML ?\+?= ?(?!['\"`] ?['\"`])|\bdocument\.write(?:ln)?\("
        r"|insertAdjacentHTML\(",
        "shows HTML unescaped",
        LOW,
        JS,
    ),
    Rule(
        "shell",
        r"(?:(?<![.\w])exec|(?:child_process|cp|childProcess)\.exec|execSync|\bspawn"
        r"|spawnSync) ?\( ?(?:`[^`\n]{0,200}\$\{|['\"][^'\"\n]{0,200}['\"] ?\+)",
        "puts a value into a shell command",
        HIGH,
        JS,
    ),
    Rule("shell", r"\bshell ?: ?true\b", "gives text to a shell", MEDIUM, JS),
    Rule(
        "unverified-tls",
        r"rejectUnauthorized['\"]? ?: ?false|NODE_TLS_REJECT_UNAUTHORIZED['\"\]]{0,3} ?= ?['\"]?0",
        UNVERIFIED,
        HIGH,
    ),
    Rule("unsafe", r'^\s*(?:import +)?(?:\w+ +)?"unsafe"', "unsafe Go", MEDIUM, GO),
    Rule("reflect", r'^\s*(?:import +)?(?:\w+ +)?"reflect"', "reflection in Go", LOW, GO),
    Rule("native-code", r'^\s*import +"C"', "C in Go", LOW, GO),
    Rule("unverified-tls", r"InsecureSkipVerify ?: ?true", UNVERIFIED, HIGH, GO),
    Rule(
        "shell",
        r'exec\.Command(?:Context)?\([^\n"]{0,40}"(?:/bin/)?(?:ba)?sh", ?"-c"',
        "gives text to a shell",
        MEDIUM,
        GO,
    ),
    Rule("overflow", r"(?<![\w.>:])gets ?\(", "gets cannot be used safely", HIGH, C),
    Rule(
        "overflow",
        r"(?<![\w.>])(?:strcpy|strcat|sprintf|vsprintf|stpcpy|wcscpy|wcscat) ?\(",
        "writes without knowing the room",
        MEDIUM,
        C,
    ),
    Rule(
        "overflow", r"scanf ?\([^\n\"]{0,60}\"[^\"\n]{0,80}%s", "reads without a limit", MEDIUM, C
    ),
    Rule("shell", r"(?<![\w.>])(?:system|popen) ?\(", "gives text to a shell", MEDIUM, C),
    Rule("temporary-name", r"\b(?:mktemp|tmpnam|tempnam) ?\(", "a name others may take", MEDIUM, C),
    Rule("shell", r"getRuntime\(\)\s*\.exec\(", "starts a program", MEDIUM, JVM),
    Rule(
        "deserialises", r"\bObjectInputStream\b|\bXMLDecoder\b", "may make any object", MEDIUM, JVM
    ),
    Rule("unsafe", r"\bsun\.misc\.Unsafe\b", "unsafe Java", MEDIUM, JVM),
    Rule(
        "unverified-tls",
        r"checkServerTrusted\([^)\n]{0,200}\)\s{0,20}(?:throws \w{1,40}\s{0,20})?\{\s{0,20}\}",
        UNVERIFIED,
        HIGH,
        JVM,
    ),
    Rule(
        "unsafe",
        r"\bunsafe\s*\{|\bunsafe +(?:static|void|class|struct)\b",
        "unsafe C#",
        MEDIUM,
        CSHARP,
    ),
    Rule(
        "deserialises",
        r"\bBinaryFormatter\b|TypeNameHandling\.All",
        "may make any object",
        MEDIUM,
        CSHARP,
    ),
    Rule(
        "eval",
        r"(?<![.\w])(?:eval|instance_eval|class_eval) ?[( ]['\"\w]",
        "eval of text",
        MEDIUM,
        RUBY,
    ),
    Rule(
        "deserialises",
        r"\bMarshal\.load\b|\bYAML\.(?:load|unsafe_load)\b(?!_file)",
        "may make any object",
        MEDIUM,
        RUBY,
    ),
    Rule(
        "shell",
        r"(?:\bsystem|\bexec|%x)[({ ]{1,2}\"[^\"\n]{0,200}#\{|`[^`\n]{0,200}#\{",
        "puts a value into a shell command",
        HIGH,
        RUBY,
    ),
    Rule("eval", r"(?<![>\w$:])(?:eval|create_function) ?\(", "eval of text", MEDIUM, PHP),
    Rule("deserialises", r"\bunserialize ?\(", "may make any object", MEDIUM, PHP),
    Rule(
        "shell",
        r"(?<![>\w$:])(?:system|exec|passthru|shell_exec|popen|proc_open) ?\(",
        "gives text to a shell",
        MEDIUM,
        PHP,
    ),
    Rule("eval", r"\beval +['\"]?\$", "eval of a variable", LOW, SHELL),
    Rule(
        "open-rights",
        r"\bchmod +(?:-R +)?(?:0?777|a\+rwx|[ug]?\+s\b|[24]7\d\d)",
        "lets everybody write, or run it as its owner",
        MEDIUM,
        SHELL,
    ),
    Rule(
        "unverified-tls",
        r"\bcurl\b[^\n|;]{0,100} (?:-\w{0,5}k\b|--insecure)"
        r"|\bwget\b[^\n|;]{0,100}--no-check-certificate",
        UNVERIFIED,
        MEDIUM,
        SHELL,
    ),
    Rule(
        "unverified-tls", r"http\.sslVerify[ =]+(?:false|0)|GIT_SSL_NO_VERIFY=", UNVERIFIED, MEDIUM
    ),
)
