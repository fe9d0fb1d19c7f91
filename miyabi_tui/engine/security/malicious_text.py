"""Malicious code in any language: what its text gives away."""

from __future__ import annotations

from miyabi_tui.engine.security.rules import Rule, written_in
from miyabi_tui.engine.security.source import Language
from miyabi_tui.engine.security.threats import Severity

MEDIUM, HIGH, CRITICAL = Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
_SHELL = r"(?:sudo +)?(?:/usr)?(?:/bin/)?(?:env +)?(?:ba|z|da|k)?sh\b"
_RUNS = rf"(?:{_SHELL}|(?:sudo +)?(?:python|perl|ruby|node|php)[\d.]*\b)"
_HOME_FILES = r"\.(?:bashrc|bash_profile|bash_login|zshrc|zprofile|zshenv|profile)\b"
_WRITES = r"(?:>|\bwrite|\bopen ?\(|\bappend|\btee\b|\bcp\b|\bmv\b|\becho\b|\binstall\b|\bsed -i)"
_PLANTED = (
    r"(?:authorized_keys|/etc/cron|/var/spool/cron|/etc/ld\.so\.preload|/etc/sudoers"
    r"|/etc/systemd|\.config/systemd|LaunchAgents|LaunchDaemons|\.git/hooks|/etc/rc\.local"
    rf"|/etc/profile|\.config/autostart|{_HOME_FILES})"
)

RULES = (
    Rule("reverse-shell", r"/dev/(?:tcp|udp)/", "opens a connection from a shell", CRITICAL),
    Rule(
        "reverse-shell",
        r"\b(?:nc|ncat|netcat)\b[^\n|;]{0,80} (?:-\w{0,5}[ec]|--exec|--sh-exec)\b",
        "gives a program to whoever is at the other end",
        CRITICAL,
    ),
    Rule(
        "reverse-shell",
        r"\bmkfifo\b[^\n]{0,200}\b(?:nc|ncat|netcat|telnet|openssl s_client)\b",
        "gives a shell to whoever is at the other end",
        CRITICAL,
    ),
    Rule("reverse-shell", r"\bsocat\b[^\n]{0,200}\bexec:", "gives a program to the net", CRITICAL),
    Rule(
        "reverse-shell",
        r"fsockopen\([^\n]{0,200}(?:exec|passthru|system|proc_open)\(",
        "gives a shell to whoever is at the other end",
        CRITICAL,
    ),
    Rule(
        "pipe-to-shell",
        rf"\b(?:curl|wget|fetch)\b[^\n|]{{0,300}}\|(?:[^\n|]{{0,60}}\|)? *{_RUNS}",
        "runs what it fetches, unseen",
        HIGH,
    ),
    Rule(
        "pipe-to-shell",
        rf"{_RUNS}[^\n]{{0,40}}(?:<\(|\$\(|`) *(?:curl|wget)\b",
        "runs what it fetches, unseen",
        HIGH,
    ),
    Rule(
        "pipe-to-shell",
        r"(?i)(?:\biex\b|invoke-expression)[^\n]{0,80}"
        r"(?:\biwr\b|invoke-webrequest|downloadstring|invoke-restmethod|\birm\b)",
        "runs what it fetches, unseen",
        HIGH,
    ),
    Rule(
        "pipe-to-shell",
        r"(?i)(?:\biwr\b|invoke-webrequest|downloadstring|\birm\b)[^\n]{0,200}\| *(?:iex\b"
        r"|invoke-)",
        "runs what it fetches, unseen",
        HIGH,
    ),
    Rule(
        "decoded-and-run",
        rf"\bbase(?:64|32) +(?:-d|-D|--decode)\b[^\n|]{{0,200}}\|(?:[^\n|]{{0,60}}\|)? *{_RUNS}",
        "runs what it decodes",
        CRITICAL,
    ),
    Rule(
        "decoded-and-run",
        r"\b(?:xxd +-r|gunzip|zcat|openssl +enc)\b[^\n|]{0,100}\| *" + _RUNS,
        "runs what it decodes",
        CRITICAL,
    ),
    Rule(
        "decoded-and-run",
        r"(?:\beval|\bFunction|\bexecSync|\bexec) ?\([^\n]{0,80}"
        r"(?:\batob ?\(|base64_decode ?\(|gzinflate ?\(|fromCharCode|['\"]base64['\"])",
        "runs what it decodes",
        CRITICAL,
        written_in(Language.JAVASCRIPT, Language.PHP, Language.RUBY, Language.JAVA),
    ),
    Rule(
        "decoded-and-run",
        r"(?i)powershell(?:\.exe)?[^\n]{0,80} -e(?:nc|ncodedcommand)?\b +[A-Za-z0-9+/=]{20}",
        "runs a command that nobody can read",
        CRITICAL,
    ),
    Rule(
        "web-shell",
        r"\b(?:eval|system|exec|passthru|shell_exec|assert) ?\([^\n]{0,40}\$_(?:GET|POST|REQUEST"
        r"|COOKIE)",
        "runs what a visitor sends",
        CRITICAL,
        written_in(Language.PHP),
    ),
    Rule(
        "crypto-miner",
        r"(?i)\b(?:xmrig|minerd|cpuminer|coinhive|cryptonight|nicehash|randomx)\b"
        r"|stratum\+(?:tcp|ssl)://",
        "mines for somebody",
        CRITICAL,
    ),
    Rule("fork-bomb", r":\(\) ?\{ ?: ?\| ?: ?& ?\} ?;? ?:", "starts itself without end", CRITICAL),
    Rule("fork-bomb", r"%0 ?\| ?%0", "starts itself without end", CRITICAL),
    Rule(
        "persistence",
        rf"{_WRITES}[^\n]{{0,200}}{_PLANTED}|{_PLANTED}[^\n]{{0,120}}{_WRITES}",
        "plants something that runs later, or lets somebody in",
        HIGH,
    ),
    Rule(
        "persistence",
        r"\bcrontab +(?:-(?![lr]\b)|[\w/.$<])|\|\s*crontab\b|['\"]crontab['\"]",
        "plants something that runs later",
        HIGH,
    ),
    Rule(
        "persistence",
        r"\bsystemctl\b[^\n]{0,40}\benable\b|\blaunchctl +(?:load|bootstrap)\b"
        r"|\bschtasks\b[^\n]{0,40}/create",
        "plants something that runs later",
        MEDIUM,
    ),
    Rule(
        "git-settings",
        r"git\b[^\n]{0,60}\bcore\.(?:hooksPath|fsmonitor|sshCommand|editor|pager)\b",
        "makes git run a program of its own",
        HIGH,
    ),
    Rule(
        "hides-traces",
        r"\bhistory +-c\b|unset +HISTFILE|HISTFILE=/dev/null|\bshred\b[^\n]{0,40}\.bash_history",
        "hides what was done",
        HIGH,
    ),
    Rule(
        "destroys",
        r"\brm +-\w*[rR]\w* +(?:-\w+ +)*(?:--no-preserve-root +)?['\"]?(?:/|~|\$HOME"
        r"|\$\{HOME\})/?['\"*]?(?:[\s;&|)'\"]|$)",
        "deletes everything",
        CRITICAL,
    ),
    Rule(
        "destroys",
        r"\bmkfs(?:\.\w+)? +/dev/|\bdd\b[^\n]{0,80}\bof=/dev/(?:sd|nvme|hd|vd)",
        "overwrites a disk",
        CRITICAL,
    ),
    Rule("preload", r"\bLD_PRELOAD *=|\bDYLD_INSERT_LIBRARIES *=", "slips into programs", MEDIUM),
    Rule(
        "hidden-text",
        "[\u202a-\u202e\u2066-\u2069]",
        "signs that make code look other than it runs",
        HIGH,
    ),
    Rule(
        "install-script",
        r'"(?:preinstall|install|postinstall)"\s*:',
        "runs whenever somebody installs it",
        MEDIUM,
        written_in(Language.DATA),
    ),
    Rule(
        "opens-and-runs",
        r'"runOn"\s*:\s*"folderOpen"',
        "runs whenever somebody opens the folder",
        HIGH,
    ),
)
