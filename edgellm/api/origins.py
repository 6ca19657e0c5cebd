"""Walls against web pages: a browser on this network sends what any page that it shows wants.

A page may have its own name lead to this device (DNS rebinding): then the request's Host is that
name. A page of another site may also just send a request, whose answer it cannot read, but which
would be computed all the same: then the request's Origin is that site's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_address

from edgellm.errors import HostRefused, OriginRefused

# A name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/?#@\[\]\\]+))(?::\d*)?")
_LOCAL_ENDS = (".local", ".localhost")
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_SHOWN = 100


def check_host(host: str | None, allowed: tuple[str, ...]) -> None:
    """Raises HostRefused for a name that some DNS server might have made lead here.

    Args:
        host: the header; None where the client knows none (HTTP/1.0), which no browser does.
        allowed: further names; `*.example.com` for all below one, `*` for any.
    """
    if host is None or "*" in allowed:
        return
    found = _HOST.fullmatch(host)
    name = (found["six"] or found["name"]).lower().removesuffix(".") if found else ""
    if not name or not (is_local_name(name) or any(fnmatchcase(name, each) for each in allowed)):
        raise HostRefused(
            f"The host {host[:_MAX_SHOWN]!r} is no name of this server.",
            "Use its address or its .local name, or start it with --allowed-host NAME.",
        )


def is_local_name(name: str) -> bool:
    """An address, or a name that no public DNS server answers for."""
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_LOCAL_ENDS)
    return True


def check_origin(method: str, headers: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Raises OriginRefused for a request that changes or computes something, sent by a page of
    another site without a key. What reads only is let through: the page cannot see the answer."""
    origin = headers.get("origin")
    if origin is None or method in _HARMLESS or "*" in allowed or origin in allowed:
        return
    site = origin.partition("://")[2].lower()
    if site and site == headers.get("host", "").lower():
        return
    raise OriginRefused(
        f"Pages of {origin[:_MAX_SHOWN]!r} may not use this server.",
        "Start it with --cors-origin and that origin, or let the page send an API key.",
    )
