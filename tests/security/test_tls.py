"""Certificates from files: what is refused, and that new ones are taken while the server runs."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as to

from edgellm.errors import ConfigError
from edgellm.security.certificates import Pair, make_ca
from edgellm.security.tls import Tls

NOW = datetime.now(UTC)


@pytest.fixture
def pair() -> Pair:
    return make_ca("test", (), NOW)


def write(folder: Path, pair: Pair) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.pem.removesuffix(pair.certificate_pem))
    return certificate, key


def test_two_files_or_one(tmp_path: Path, pair: Pair) -> None:
    files = write(tmp_path, pair)
    assert Tls(lambda: files).certificate == files[0]
    both = tmp_path / "both.pem"
    both.write_bytes(pair.pem)
    assert Tls(lambda: (both, both)).key == both


def test_what_is_no_certificate_with_its_key(tmp_path: Path, pair: Pair) -> None:
    certificate, key = write(tmp_path, pair)
    other = tmp_path / "other"
    other.mkdir()
    _, wrong = write(other, make_ca("other", (), NOW))
    locked = tmp_path / "locked.pem"
    secret = to.BestAvailableEncryption(b"secret")
    locked.write_bytes(pair.key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, secret))
    for files in (
        (certificate, wrong),
        (key, key),
        (certificate, certificate),
        (certificate, locked),
    ):
        with pytest.raises(ConfigError, match="are no certificate with its key") as caught:
            Tls(lambda files=files: files)  # type: ignore[misc] # the loop's own value
        assert caught.value.hint
    for files in ((tmp_path / "none", key), (certificate, tmp_path)):
        with pytest.raises(ConfigError, match="cannot be read"):
            Tls(lambda files=files: files)  # type: ignore[misc] # the loop's own value


def test_a_renewed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path, pair: Pair) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pair.pem)
    tls = Tls(lambda: (both, both))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    assert not tls.refresh(context)
    both.write_bytes(pair.pem[:-40])
    for _ in range(2):
        with pytest.raises(ConfigError):
            tls.refresh(context)
    both.write_bytes(make_ca("new", (), NOW).pem)
    os.utime(both, ns=(1, 1))
    assert tls.refresh(context)
    assert not tls.refresh(context)


def shown(context: ssl.SSLContext) -> bytes | None:
    """The certificate that a new connection to a server with this context is shown."""
    one, other = socket.socketpair()
    thread = threading.Thread(target=lambda: context.wrap_socket(other, server_side=True).close())
    thread.start()
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with blind.wrap_socket(one) as client:
        found = client.getpeercert(binary_form=True)
        client.recv(1)
    thread.join()
    return found


def test_the_next_connection_has_the_new_certificate(tmp_path: Path, pair: Pair) -> None:
    both, new = tmp_path / "both.pem", make_ca("new", (), NOW)
    both.write_bytes(pair.pem)
    tls = Tls(lambda: (both, both))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    assert shown(context) == pair.certificate.public_bytes(to.Encoding.DER)
    both.write_bytes(new.pem)
    assert tls.refresh(context)
    assert shown(context) == new.certificate.public_bytes(to.Encoding.DER)
    both.write_bytes(b"broken")
    with pytest.raises(ConfigError):
        tls.refresh(context)
    assert shown(context) == new.certificate.public_bytes(to.Encoding.DER)
