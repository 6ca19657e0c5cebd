"""Who asks: the key of a request, and what it may do.

Keys come as `Authorization: Bearer`, as `x-api-key` (Anthropic's clients) or `api-key` (Azure's).
What was found lies in the request's state, for the routes:

    key_name     the key's name; "" without one
    key_role     "user" or "admin"; None without a key
    is_stranger  the server wants a key, and this public page was asked for without one
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Scope

from edgellm.errors import AdminRefused, KeyRefused
from edgellm.security.key_ring import KeyRing

# For everyone: what a load balancer, a browser and a phone ask for before they have a key.
PUBLIC_PATHS = frozenset({"/", "/health", "/ca.crt"})

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_KEY_HEADERS = ("x-api-key", "api-key")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def identify(scope: Scope, ring: KeyRing) -> None:
    """Note in the request's state whose key it carries. Raises KeyRefused where one is needed."""
    tokens = tuple(tokens_of(Headers(scope=scope)))
    key = ring.find(tokens)
    state = scope.setdefault("state", {})
    state["key_name"] = key.name if key is not None else ""
    state["key_role"] = key.role if key is not None else None
    state["is_stranger"] = key is None and ring.is_required
    if state["is_stranger"] and not is_public(scope["method"], scope["path"]):
        raise KeyRefused(is_wrong=bool(tokens))


def tokens_of(headers: Mapping[str, str]) -> Iterator[bytes]:
    """Every key that a request shows, as the bytes that were sent."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        yield token.strip().encode("latin-1")
    for name in _KEY_HEADERS:
        if token := headers.get(name, "").strip():
            yield token.encode("latin-1")


def is_public(method: str, path: str) -> bool:
    """Whether a request needs no key. A browser's preflight cannot carry one."""
    return method == "OPTIONS" or (method in _SAFE_METHODS and path in PUBLIC_PATHS)


def is_stranger(request: Request) -> bool:
    """Whether the client must be told no more than that the server lives."""
    return bool(getattr(request.state, "is_stranger", False))


def check_admin(request: Request, *, is_open: bool) -> None:
    """Raises AdminRefused for a client that may not manage models.

    Args:
        is_open: whether clients without a key may, wherever they are; otherwise those on this
            device may. What a key may do depends on its role only.
    """
    match getattr(request.state, "key_role", None):
        case "admin":
            return
        case "user":
            raise AdminRefused(
                "This API key may not manage models.",
                "Use an admin's: edgellm keys add NAME --role admin",
            )
    if not is_open:
        check_is_local(request.client.host if request.client else "", request.headers)


def check_is_local(peer: str, headers: Mapping[str, str]) -> None:
    """Raises AdminRefused for a client that is not on this device, or not its own master: a page of
    another site, even one that may use the models."""
    origin = headers.get("origin")
    if not is_loopback(peer) or any(name in headers for name in _FORWARDED):
        raise AdminRefused(
            "Models are managed from this device only, or with an admin's API key.",
            "Run the command there, make a key with edgellm keys add NAME --role admin, or start "
            "the server with --admin-from anywhere.",
        )
    if origin and _netloc(origin) != headers.get("host"):
        raise AdminRefused(
            "Models are not managed by web pages of other sites.",
            "Use edgellm ps, load and stop, or start the server with --admin-from anywhere.",
        )


def is_loopback(host: str) -> bool:
    """Whether it is an address of this device that no other one reaches."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
