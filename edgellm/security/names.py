"""What this device is called by others: its host name and its addresses.

Only what a certificate may name, and what a `Host` header may say. Nothing is resolved: asking a
name server takes seconds where there is none.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from msgspec import Struct

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Networks whose addresses mean another device elsewhere: private, link-local, shared (as VPNs use).
LOCAL_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10"),
    )
)
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


class Names(Struct, frozen=True):
    """Names and addresses, each in a fixed order."""

    dns: tuple[str, ...]
    addresses: tuple[Address, ...]


def device_names() -> Names:
    """Of this device, now."""
    return names_of(socket.gethostname(), own_addresses())


def names_of(hostname: str, addresses: Iterable[Address]) -> Names:
    """What a device of that host name and with those addresses is called on its own network.

    The name that multicast DNS gives it is the first part of the host name with `.local`.
    """
    host = hostname.lower().rstrip(".")
    found = ["localhost"]
    if _NAME.fullmatch(host):
        found += [host, host.partition(".")[0] + ".local"]
    local = {each for each in addresses if any(each in network for network in LOCAL_NETWORKS)}
    local |= {IPv4Address("127.0.0.1"), IPv6Address("::1")}
    # A link-local IPv6 address cannot be written into a browser's address bar.
    usable = [each for each in local if each.version == 4 or not each.is_link_local]
    ordered = sorted(usable, key=lambda each: (each.version, int(each)))
    return Names(tuple(dict.fromkeys(found)), tuple(ordered))


def own_addresses() -> tuple[Address, ...]:
    """Of all network interfaces; none where the system does not tell (as on Android)."""
    import psutil

    try:
        entries = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    except OSError:
        return ()
    return tuple(
        ip_address(entry.address.partition("%")[0])
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6)
    )
