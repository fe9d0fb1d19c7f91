"""Which hosts a sandbox may reach: by name, and by the address that a name leads to."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import msgspec

from miyabi_tui.engine.errors import UsageError
from miyabi_tui.engine.sandbox.base import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = (80, 443)
PRIVATE = tuple(
    ipaddress.ip_network(one)
    for one in "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7".split()
)
CLOSED = tuple(  # metadata of the clouds, where it is not link-local, and what was site-local once
    ipaddress.ip_network(one)
    for one in "100.100.100.200 168.63.129.16 192.0.0.0/24 fd00:ec2::254 fd20:ce::254 "
    "fec0::/10".split()
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
_AUTHORITY = re.compile(
    r"(?:\[([0-9a-f:.]{2,45})\]|((?:\*\.)?[a-z0-9_][a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?", re.I
)


class Entry(msgspec.Struct, frozen=True):
    """One entry of the list. Without a `port`, it is about those of the web; `*` about all."""

    text: str
    host: str
    port: int | None = None

    def fits(self, port: int) -> bool:
        """Whether it is about this port."""
        if self.port is not None:
            return port == self.port
        return port in WEB_PORTS or self.host == EVERYWHERE

    def names(self, host: str) -> bool:
        """Whether it is about this host; no pattern but `*` is about an address."""
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and address_of(host) is None
        return self.host in (EVERYWHERE, host)


class AllowList:
    """Which hosts may be reached: `example.org`, `*.example.org`, `10.0.0.7:8080`, `*`.

    Raises:
        UsageError: an entry is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = tuple(map(_entry, entries))

    def entry_for(self, host: str, port: int) -> Entry | None:
        """The entry that allows this host and port, by name."""
        found = (one for one in self._entries if one.fits(port) and one.names(host))
        return next(found, None)

    def leads(self, host: str, port: int, address: str) -> bool:
        """Whether an allowed host may be reached at this address.

        At a public one always, at a private one when the host itself is listed and not a pattern;
        at any other (loopback, link-local, metadata of a cloud, …) when the address is listed too.
        """
        found = address_of(address)
        if found is None:
            return False
        named = {one.host for one in self._entries if one.fits(port)}
        if str(found) in named or _is_public(found):
            return True
        if host not in named or _within(found, CLOSED):
            return False
        return _within(found, PRIVATE) or (host == "localhost" and found.is_loopback)


def _entry(text: str) -> Entry:
    if text == EVERYWHERE:
        return Entry(text, EVERYWHERE)
    found = split(f"[{text}]" if _is_bare_v6(text) else text)
    if found is None:
        raise UsageError(
            f"[sandbox] network: {text!r} is no host",
            next_step="write example.org, *.example.org or example.org:8443",
        )
    return Entry(text, *found)


def _is_bare_v6(text: str) -> bool:
    return text.count(":") > 1 and not text.startswith("[")


def split(authority: str) -> tuple[str, int | None] | None:
    """The host, in its usual form, and the port of `host:port`; None for what is neither."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None or (found[3] and not 0 < int(found[3]) < 65_536):
        return None
    address = address_of(found[1] or found[2])
    if address is None and found[1]:
        return None
    host = str(address) if address else found[2].lower().rstrip(".")
    return host, int(found[3]) if found[3] else None


def address_of(text: str) -> Address | None:
    """The address, if it is one; of an IPv4 address in IPv6's clothes, that one."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if found in NAT64:
        return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found.sixtofour or found


def _is_public(address: Address) -> bool:
    odd = address.is_multicast or address.is_reserved or _within(address, CLOSED)
    return address.is_global and not odd


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in one for one in networks)
