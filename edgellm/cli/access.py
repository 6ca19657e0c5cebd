"""Who may use the server that this user starts, and with which certificate: from the settings to
keys, names and TLS. All of it is checked before anything is bound, fetched or loaded.

The key in EDGELLM_API_KEY is the one that clients of this environment send. A server that is
started in it takes that key for an admin's: so one variable serves both sides of a container, and
no key is ever an argument, which every user of a device can read in `ps`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from edgellm.cli.output import say
from edgellm.cli.settings import user_paths
from edgellm.errors import ConfigError

if TYPE_CHECKING:
    import uvicorn

    from edgellm.config import Settings
    from edgellm.security.key_ring import KeyRing
    from edgellm.security.keys import Key, KeyFile
    from edgellm.security.local_ca import Issued
    from edgellm.security.tls import Tls

logger = logging.getLogger(__name__)

KEY_VARIABLE = "EDGELLM_API_KEY"
CERTIFICATE_SECONDS = 60.0  # between two looks whether the device's addresses or a file changed
_LEAST_KEY_CHARACTERS = 16


class Door(Struct, frozen=True):
    """How a server is reached: whose keys it takes, what it is called, its certificate."""

    keys: KeyRing
    allowed_hosts: tuple[str, ...] = ()
    tls: Tls | None = None


def key_file() -> KeyFile:
    """The keys of the user who runs this."""
    from edgellm.security.keys import KeyFile

    return KeyFile(user_paths().data / "keys.json")


def ca_folder() -> Path:
    """Where this user's own authority and the server's certificate are kept."""
    return user_paths().data / "tls"


def open_door(settings: Settings) -> Door:
    """What the settings say, checked.

    Raises:
        ConfigError: the network could use the model without a key, or a file is bad.
    """
    keys = key_ring(settings.require_key)
    if not is_loopback(settings.host) and not keys.keys and not settings.insecure_no_key:
        raise ConfigError(
            f"Without an API key, everyone who can reach {settings.host} could use the models.",
            "Make a key: edgellm keys add NAME (or accept that with --insecure-no-key).",
        )
    allowed = (*settings.allowed_hosts, socket.gethostname())
    return Door(keys, tuple(name.lower().rstrip(".") for name in allowed), tls_of(settings))


def private_door() -> Door:
    """Of a server for one client in the same process, on loopback."""
    from edgellm.security.key_ring import KeyRing

    return Door(KeyRing())


def key_ring(must_have_key: bool) -> KeyRing:
    """This user's keys, with the environment's. Raises ConfigError for a file that is damaged."""
    from edgellm.security.key_ring import KeyRing

    file = key_file()
    file.read()  # a server must not start with keys that it cannot read
    more = environment_keys(os.environ.get(KEY_VARIABLE, ""), time.time())
    return KeyRing(file, more, must_have_key=must_have_key)


def environment_keys(token: str, now: float) -> tuple[Key, ...]:
    """The variable's key, if it has one. Raises ConfigError for one that could be guessed."""
    from edgellm.security.keys import make_key

    token = token.strip()
    if not token:
        return ()
    if len(token) < _LEAST_KEY_CHARACTERS:
        raise ConfigError(
            f"The key in {KEY_VARIABLE} is too short for a server: it could be guessed.",
            f"Unset it, or give it {_LEAST_KEY_CHARACTERS} random characters or more, such as: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return (make_key(KEY_VARIABLE, "admin", token, int(now)),)


def is_loopback(host: str) -> bool:
    """Whether only this device reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def tls_of(settings: Settings) -> Tls | None:
    """None without TLS. Raises ConfigError."""
    from edgellm.security.tls import Tls

    if settings.tls_cert:
        if settings.tls == "auto":
            raise ConfigError(
                "--tls auto makes a certificate, and --tls-cert names one.",
                "Leave one of them out.",
            )
        certificate = Path(settings.tls_cert).expanduser()
        key = Path(settings.tls_key).expanduser() if settings.tls_key else certificate
        return Tls(lambda: (certificate, key))
    if settings.tls_key:
        raise ConfigError("There is a --tls-key without a --tls-cert.", "Name both.")
    if settings.tls == "off":
        return None
    issued = issue()

    def files() -> tuple[Path, Path]:
        current = issue()
        return current.server_file, current.server_file

    return Tls(files, issued.ca_pem)


def issue() -> Issued:
    """This device's certificate, made or renewed where that is due."""
    from edgellm.security.local_ca import ensure
    from edgellm.security.names import device_names

    return ensure(ca_folder(), device_names(), datetime.now(UTC))


async def keep_certificate(tls: Tls | None, config: uvicorn.Config) -> None:
    """While the server runs, give it the certificate that is right now. What fails is told, and
    tried again; meanwhile the old one serves."""
    while tls is not None:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        try:
            if config.loaded and config.ssl is not None and tls.refresh(config.ssl):
                logger.info("a new certificate is in use: %s", tls.certificate)
        except ConfigError as error:
            logger.error("the certificate stays as it is: %s %s", error.message, error.hint)


def say_who_may(settings: Settings, door: Door) -> None:
    """Once the server is up: what its user should know of its door."""
    num_keys = len(door.keys.keys)
    if num_keys or door.keys.is_required:
        say(f"requests need an API key ({num_keys} there; edgellm keys list)")
    elif not is_loopback(settings.host):
        say(
            f"warning: listening on {settings.host} without an API key: everyone who can reach "
            "this address can use the models."
        )
    if settings.tls == "auto":
        _say_how_to_trust(issue())


def _say_how_to_trust(issued: Issued) -> None:
    """A phone can compare the fingerprint, since it fetches the certificate before it trusts it."""
    say(f"certificate of this device's authority: {issued.ca_file}")
    say("  other devices get it with GET /ca.crt, and must be told to trust it")
    say(f"  SHA-256 {issued.fingerprint}")
    for name in issued.unnamed:
        say(
            f"warning: the authority was made under another host name and cannot speak for {name}; "
            f"delete {issued.ca_file.parent} to make a new one."
        )
