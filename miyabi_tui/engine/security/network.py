"""Network access: new ways out, hard-coded places, and secrets on their way to one."""

from __future__ import annotations

import ast
import ipaddress
import re
from typing import TYPE_CHECKING

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.pythontree import argument, constant
from miyabi_tui.engine.security.rules import Rule, matches, written_in
from miyabi_tui.engine.security.source import Language
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miyabi_tui.engine.security.pythontree import PythonTree
    from miyabi_tui.engine.security.source import Source

LOW, MEDIUM, HIGH, CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
_KEYS = (
    r"(?:\.ssh\b|id_(?:rsa|ed25519|ecdsa|dsa)\b|\.aws/|\.netrc\b|\.git-credentials|\.npmrc|\.pypirc"
    r"|\.kube/config|\.docker/config\.json|/etc/shadow|\.gnupg|\.config/gcloud|Login Data)"
)
_SENDS = r"\b(?:curl|wget|nc|ncat|netcat|socat|scp|rsync|ftp|http)\b"
RULES = (
    Rule(
        "exfiltration",
        rf"(?:\benv\b|\bprintenv\b|{_KEYS}"
        rf"|/proc/self/environ)[^\n]{{0,120}}\| *[^\n]{{0,80}}{_SENDS}",
        "sends keys or the environment away",
        CRITICAL,
    ),
    Rule(
        "exfiltration",
        rf"{_SENDS}[^\n]{{0,200}}(?:\$\(|`|<\()[^\n]{{0,40}}(?:\benv\b|printenv|{_KEYS})",
        "sends keys or the environment away",
        CRITICAL,
    ),
    Rule(
        "exfiltration",
        rf"(?:\bcurl\b[^\n]{{0,200}} (?:-F|-T|-d|--data\S*|--form|--upload-file)[^\n]{{0,60}}@?"
        rf"|\b(?:scp|rsync)\b[^\n]{{0,60}})[^\n]{{0,40}}{_KEYS}",
        "sends keys away",
        CRITICAL,
    ),
    Rule(
        "exfiltration",
        r"(?:fetch|axios|request|\.post|\.write|\.end|sendBeacon)\b[^\n]{0,200}"
        r"JSON\.stringify\( ?process\.env ?[,)]",
        "sends the environment away",
        CRITICAL,
    ),
    Rule(
        "whole-environment",
        r"JSON\.stringify\( ?process\.env ?[,)]|os\.Environ\(\)|env::vars\(\)|ENV\.to_h",
        "takes the whole environment",
        MEDIUM,
        written_in(Language.JAVASCRIPT, Language.GO, Language.RUST, Language.RUBY),
    ),
    Rule(
        "cloud-keys",
        r"169\.254\.169\.254|metadata\.google\.internal|100\.100\.100\.200",
        "asks for the machine's own cloud keys",
        HIGH,
    ),
    Rule(
        "dns-tunnel",
        r"\b(?:nslookup|dig|host)\b[^\n]{0,80}(?:\$\(|`|\$\{?\w+\}?\.)",
        "may carry data out in names that are looked up",
        HIGH,
        written_in(Language.SHELL, Language.BUILD, Language.PYTHON, Language.DATA),
    ),
    Rule(
        "drop-site",
        r"(?i)\b(?:webhook\.site|requestbin\.\w+|\w+\.pipedream\.net|burpcollaborator\.net"
        r"|oastify\.com"
        r"|interact\.sh|oast\.(?:fun|pro|live|site|online|me)|dnslog\.cn|termbin\.com"
        r"|\w{16,56}\.onion)\b",
        "a place where data is dropped",
        HIGH,
    ),
    Rule(
        "drop-site",
        r"(?i)\b(?:pastebin\.com|paste\.ee|hastebin\.com|ghostbin\.\w+|transfer\.sh|file\.io"
        r"|0x0\.st"
        r"|ix\.io|anonfiles\.com|ngrok(?:-free)?\.(?:io|app|dev)|serveo\.net|localhost\.run"
        r"|discord(?:app)?\.com/api/webhooks|api\.telegram\.org/bot|hooks\.slack\.com/services)",
        "a place where anybody can put data",
        MEDIUM,
    ),
    Rule(
        "new-connection",
        r"\bnet\.(?:Dial|Listen)|\bTcp(?:Stream|Listener)::|\bnew +(?:WebSocket|XMLHttpRequest"
        r"|Socket)\b"
        r"|\bnet\.(?:connect|createConnection)\(|\bXMLHttpRequest\b|\bURLConnection\b"
        r"|\bTCPSocket\b",
        "opens a connection",
        LOW,
        written_in(
            *(Language.JAVASCRIPT, Language.GO, Language.RUST, Language.JAVA, Language.RUBY),
            *(Language.C, Language.CSHARP),
        ),
    ),
)
_CLIENTS = frozenset(
    {
        *("socket", "requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client"),
        *("ftplib", "smtplib", "telnetlib", "paramiko", "websockets", "websocket", "pycurl"),
        *("socketserver", "http.server", "xmlrpc.client", "dns.resolver", "scapy", "asyncssh"),
    }
)
_SENDERS = (
    *(".post", ".put", ".patch", ".send", ".sendall", ".sendto", ".urlopen", ".request"),
    *("requests.get", "httpx.get", ".Request", ".sendmail", ".send_message", ".storbinary"),
    *(".getaddrinfo", ".gethostbyname"),
)
_PRIVATE = re.compile(_KEYS)
_ADDRESS = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.-]|\.\d)")
_IN_URL = re.compile(r"(?:https?|ftp|wss?|tcp)://(?:[^\s/@]{1,64}@)?$")


def look(source: Source) -> Iterator[Hit]:
    """What reaches out; that a program uses the network is normal, so most of it is low."""
    if source.is_binary:
        return
    yield from matches(source, RULES, Threat.NETWORK)
    if source.is_code:
        yield from _addresses(source)
    if source.python:
        yield from _python(source.python)


def _addresses(source: Source) -> Iterator[Hit]:
    for match in _ADDRESS.finditer(source.text):
        try:
            address = ipaddress.ip_address(match[1])
        except ValueError:
            continue
        if not address.is_global or source.test:
            continue
        start = source.text[max(0, match.start() - 80) : match.start()]
        severity = MEDIUM if _IN_URL.search(start) else LOW
        line = source.line_of(match.start())
        yield Hit(Threat.NETWORK, "hard-coded-address", line, f"the address {match[1]}", severity)


def _python(tree: PythonTree) -> Iterator[Hit]:
    for module, line in tree.modules.items():
        if module in _CLIENTS:
            yield Hit(Threat.NETWORK, "network-library", line, f"uses {module}", LOW)

    def private(node: ast.AST) -> bool:
        return bool(_PRIVATE.search(constant(node)))

    whole = _whole_environments(tree)
    keys = tree.names_of(private)
    environment = tree.names_of(lambda node: id(node) in whole)
    connected = tree.modules.keys() & _CLIENTS
    for call in tree.calls:
        name = tree.called(call)
        if name in ("socket.gethostbyname", "socket.getaddrinfo") and _put_together(call):
            message = "may carry data out in names that are looked up"
            yield _hit("dns-tunnel", call, message, MEDIUM)
        if not connected or not name.endswith(_SENDERS) or name.endswith("environ.get"):
            continue
        parts = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(tree.holds(part, private, keys) for part in parts):
            yield _hit("exfiltration", call, "sends keys away", CRITICAL)
        elif any(tree.holds(part, lambda n: id(n) in whole, environment) for part in parts):
            yield _hit("exfiltration", call, "sends the environment away", CRITICAL)
    for node in tree.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and private(node):
            if len(node.value) < 200:
                message = "names a place where keys are kept"
                mark = digest(node.value)
                yield Hit(Threat.NETWORK, "keys-at-home", node.lineno, message, LOW, mark)


def _whole_environments(tree: PythonTree) -> frozenset[int]:
    """Where `os.environ` is taken whole: not one variable, and not as a command's environment."""
    single: set[int] = set()
    for node in tree.nodes:
        match node:
            case (
                ast.Subscript(value=value)
                | ast.Attribute(value=value, attr="get" | "setdefault" | "pop")
            ):
                single.add(id(value))
            case ast.Compare(comparators=[value]):
                single.add(id(value))
            case ast.keyword(arg="env", value=value):
                single |= {id(part) for part in ast.walk(value)}
    return frozenset(
        id(node)
        for node in tree.nodes
        if isinstance(node, ast.Attribute | ast.Name)
        and tree.name(node) == "os.environ"
        and id(node) not in single
    )


def _put_together(call: ast.Call) -> bool:
    """Whether a host name is made of data: an f-string or a sum with a known end."""
    return isinstance(argument(call, 0, "host", "hostname"), ast.JoinedStr | ast.BinOp)


def _hit(rule: str, call: ast.Call, message: str, severity: Severity) -> Hit:
    return Hit(Threat.NETWORK, rule, call.lineno, message, severity, digest(ast.unparse(call)))
