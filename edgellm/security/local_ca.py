"""The authority and the server's certificate of this device, kept in a folder.

    ca.pem      the authority's key and certificate (mode 0600, as all here)
    ca.crt      its certificate alone, for other devices: a copy
    server.pem  the server's key and certificate

Each file is replaced as a whole. The authority stays the same for ten years, since every phone has
been told to trust it; the server's certificate follows the device's names and the calendar.
"""

from __future__ import annotations

import hashlib
import socket
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from edgellm.atomic import write_atomically
from edgellm.errors import ConfigError
from edgellm.security.certificates import (
    Pair,
    alternative_names,
    make_ca,
    make_server,
    permitted_names,
    read_pair,
)
from edgellm.security.names import Names
from edgellm.store.files import sync_folder
from edgellm.store.lock import lock

CA_FILE = "ca.crt"
_RENEW = timedelta(days=30)  # before its end


class Issued(Struct, frozen=True):
    """What a server needs, and what its clients must trust."""

    server_file: Path
    ca_file: Path
    ca_pem: bytes
    fingerprint: str  # SHA-256 of the authority's certificate, as phones show it
    unnamed: tuple[str, ...]  # names that the authority may not speak for


def ensure(folder: Path, names: Names, now: datetime) -> Issued:
    """The certificate for these names, made or renewed where that is due.

    Raises:
        ConfigError: the folder cannot be used, or the authority in it is damaged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock(folder / "lock", on_wait=lambda: None):
            ca = _authority(folder, names, now)
            _server(folder, ca, names, now)
    except OSError as error:
        raise ConfigError(
            f"The certificates in {folder} cannot be read or written: {error.strerror}.",
            "Check the folder's permissions and the disk, or use --tls-cert and --tls-key.",
        ) from error
    return Issued(
        folder / "server.pem",
        folder / CA_FILE,
        ca.certificate_pem,
        _fingerprint(ca),
        tuple(n for n in names.dns if n not in permitted_names(ca.certificate, names.dns)),
    )


def _authority(folder: Path, names: Names, now: datetime) -> Pair:
    """As it is, or a new one. A damaged one is not replaced: phones trust it."""
    path = folder / "ca.pem"
    try:
        ca = read_pair(path.read_bytes())
    except FileNotFoundError:
        ca = make_ca(socket.gethostname(), names.dns, now)
        _keep(path, ca.pem)
    except ValueError as error:
        raise ConfigError(
            f"The local authority in {path} is damaged: {error}.",
            f"Restore it, or delete {folder} and have all devices trust the new one.",
        ) from error
    if ca.certificate.not_valid_after_utc - now < _RENEW:
        ca = make_ca(socket.gethostname(), names.dns, now)
        _keep(path, ca.pem)
    copy = folder / CA_FILE
    if not copy.exists() or copy.read_bytes() != ca.certificate_pem:
        _keep(copy, ca.certificate_pem)
    return ca


def _server(folder: Path, ca: Pair, names: Names, now: datetime) -> None:
    """Make a new certificate unless there is one that will do."""
    path = folder / "server.pem"
    try:
        is_good = is_current(read_pair(path.read_bytes()), ca, names, now)
    except (FileNotFoundError, ValueError):
        is_good = False
    if not is_good:
        _keep(path, make_server(ca, names, now).pem)


def _keep(path: Path, pem: bytes) -> None:
    """An authority that a power cut takes away would have to be trusted anew on every phone."""
    write_atomically(path, pem)
    sync_folder(path.parent)


def is_current(server: Pair, ca: Pair, names: Names, now: datetime) -> bool:
    """Whether the certificate is this authority's, for all the names, and valid for a while. A name
    that the device no longer has is no reason for another: it may come back with the network."""
    certificate = server.certificate
    known = alternative_names(certificate)
    return (
        certificate.issuer == ca.certificate.subject
        and _is_signed(server, ca)
        and certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc - now >= _RENEW
        and set(permitted_names(ca.certificate, names.dns)) <= set(known.dns)
        and set(names.addresses) <= set(known.addresses)
    )


def _is_signed(server: Pair, ca: Pair) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        server.certificate.verify_directly_issued_by(ca.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _fingerprint(ca: Pair) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    found = hashlib.sha256(ca.certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    return ":".join(found[i : i + 2] for i in range(0, len(found), 2))
