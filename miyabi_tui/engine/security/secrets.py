"""Leaked secrets, found by detect-secrets; what was found is never part of a finding."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from miyabi_tui.engine.security.hits import Hit, digest
from miyabi_tui.engine.security.threats import Severity, Threat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from miyabi_tui.engine.security.source import Source

LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
PIECE, OVERLAP = 1000, 200  # characters of a long line that are looked at, and seen twice
MOST_GUESSES = 3  # of one kind in one file, where a guess is all it is
SHORTEST = 16  # characters of a token
ENTROPY, KEYWORD = "Base64 High Entropy String", "Secret Keyword"
_LEFT_OUT = frozenset(  # addresses are the network's; digests are everywhere, and no secrets
    {"IPPublicDetector", "HexHighEntropyString"}
)
_WEAKER = frozenset(  # kinds whose pattern alone proves little
    {
        *("JSON Web Token", "Basic Auth Credentials", "SoftLayer Credentials"),
        *("Artifactory Credentials", "Cloudant Credentials", "IBM Cloud IAM Key"),
        *("Twilio API Key", "Discord Bot Token"),
        *("IBM COS HMAC Credentials", "Mailchimp Access Key", "Azure Storage Account access key"),
    }
)
_LOCKS = re.compile(
    r"(?i)(^|/)(?:[^/]*\.lock|[^/]*-lock\.(?:json|yaml)|go\.sum|Gemfile\.lock|[^/]*\.svg"
    r"|[^/]*\.min\.js|[^/]*\.map|[^/]*\.ipynb|requirements[^/]*\.txt)$"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|fake|placeholder|change[-_ ]?me|your[-_ ]|not[-_ ]?(?:a[-_ ])?real"
    r"|x{6}|\*{4}|\.{3}|0{8}|123456|abcdef|redacted|<[^>]*>|\{[^}]*\}|\$\w|\btodo\b"
)
_WORTH_A_LOOK = re.compile(r"(?i)[\w+/=-]{16}|pass|pwd|secret|key|contrase|token|://")
_OWN = "API Key"
_OTHER_TOKENS = re.compile(  # that the library does not know
    r"\b(?:sk-(?:ant|proj|svcacct)-[\w-]{20,200}|github_pat_\w{40,100}|AIza[\w-]{35}"
    r"|hf_[A-Za-z]{34}|xai-\w{40,100}|dop_v1_[0-9a-f]{64}|shpat_[0-9a-f]{32}|rk_live_\w{24,100})"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")


def look(source: Source, seen: frozenset[str] = frozenset()) -> Iterator[Hit]:
    """Secrets in the lines that are not among `seen`, those of the other version."""
    if source.is_binary:
        return
    guesses: dict[str, int] = {}
    for number, line in enumerate(source.lines, 1):
        if line in seen or not _WORTH_A_LOOK.search(line):
            continue
        if match := _PRIVATE_KEY.search(line):
            yield _private_key(source, number, match)
            continue
        for kind, value in sorted(_in_line(source.path, line)):
            hit = _judge(source, number, kind, value)
            if hit is None:
                continue
            if hit.severity is LOW:
                guesses[kind] = guesses.get(kind, 0) + 1
                if guesses[kind] > MOST_GUESSES:
                    continue
            yield hit


def _private_key(source: Source, number: int, match: re.Match[str]) -> Hit:
    """A private key; half a line of it in code that makes or reads keys is none."""
    around = "".join(source.lines[number - 1 : number + 3])
    holds = re.search(r"[A-Za-z0-9+/=]{40}", around[match.end() :])
    severity = HIGH if holds and not source.test else MEDIUM if holds else LOW
    mark = digest(around)
    return Hit(Threat.SECRET, "private-key", number, "a private key", severity, mark)


def _judge(source: Source, number: int, kind: str, value: str) -> Hit | None:
    placeholder = bool(_PLACEHOLDER.search(value)) or len(set(value)) < 6
    if kind in (ENTROPY, KEYWORD):
        if placeholder or source.test or (not source.is_code and kind == ENTROPY):
            return None
        if kind == ENTROPY and (_LOCKS.search(source.path) or not _random(value)):
            return None
        if kind == KEYWORD and (len(value) < 8 or " " in value or not re.search(r"\d", value)):
            return None
        severity = LOW if kind == ENTROPY else MEDIUM
        message = "a string that looks like a key" if kind == ENTROPY else "a password or key"
        rule = "random-string" if kind == ENTROPY else "password"
    else:
        severity = LOW if placeholder else MEDIUM if kind in _WEAKER else HIGH
        if kind in _WEAKER and source.test:
            severity = severity.milder
        rule, message = "token", kind
    return Hit(Threat.SECRET, rule, number, message, severity, digest(value))


def _random(value: str) -> bool:
    return (
        len(value) >= 20
        and "/" not in value.strip("/")[:4]
        and all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    )


def _in_line(path: str, line: str) -> set[tuple[str, str]]:
    """The kinds and values that detect-secrets sees in a line; a comment of its does not count."""
    found = set()
    for start in range(0, len(line), PIECE - OVERLAP):
        piece = line[start : start + PIECE]
        for plugin in _plugins():
            for secret in plugin.analyze_line(path, piece, 0):
                value = _whole(secret.secret_value or "", piece)
                if not _is_no_secret(value, piece, secret.type):
                    found.add((secret.type, value))
        found |= {(_OWN, match[0]) for match in _OTHER_TOKENS.finditer(piece)}
        if start + PIECE >= len(line):
            break
    return found


def _whole(value: str, line: str) -> str:
    """The token of which the library gives only the start."""
    if len(value) >= SHORTEST:
        return value
    match = re.search(rf"{re.escape(value)}[\w.-]*", line)
    return match[0] if match else value


def _is_no_secret(value: str, line: str, kind: str) -> bool:
    """The library's own filters, without those that a comment or a name can set off."""
    from detect_secrets.filters import heuristic

    if kind not in (ENTROPY, KEYWORD):
        return False
    return (
        heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or (kind == KEYWORD and heuristic.is_indirect_reference(line))
    )


@functools.cache
def _plugins() -> tuple[Any, ...]:
    """detect-secrets' detectors, which take 0.2 s to load: only when first used."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    kinds: Iterable[Any] = get_mapping_from_secret_type_to_class().values()
    return tuple(kind() for kind in kinds if kind.__name__ not in _LEFT_OUT)
