"""The device's own authority: what its certificates say, when they are renewed, what breaks."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from edgellm.errors import ConfigError
from edgellm.security.certificates import Pair, make_ca, make_server, read_pair
from edgellm.security.local_ca import Issued, ensure
from edgellm.security.names import Names

NOW = datetime.now(UTC).replace(microsecond=0)
LOCAL = (ip_address("127.0.0.1"), ip_address("::1"))
NAMES = Names(("localhost", "pi", "pi.local"), LOCAL)


def server_of(issued: Issued) -> x509.Certificate:
    return read_pair(issued.server_file.read_bytes()).certificate


def handshake(issued: Issued, name: str, *, is_strict: bool = False) -> str:
    """Both ends of a TLS connection in this process: what a client that trusts us gets."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.server_file)
    client = ssl.create_default_context(cadata=issued.ca_pem.decode())
    if is_strict:
        client.verify_flags |= ssl.VERIFY_X509_STRICT
    one, other = socket.socketpair()

    def answer() -> None:
        try:
            with server.wrap_socket(other, server_side=True) as accepted:
                accepted.recv(1)
        except OSError:  # the client did not like it
            other.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(one, server_hostname=name) as connection:
            return str(connection.version())
    finally:
        one.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "pi", "pi.local", "127.0.0.1", "::1"])
def test_a_strict_client_that_trusts_the_authority_is_content(tmp_path: Path, name: str) -> None:
    assert handshake(ensure(tmp_path, NAMES, NOW), name, is_strict=True).startswith("TLSv1.")


def test_another_name_is_refused(tmp_path: Path) -> None:
    issued = ensure(tmp_path, NAMES, NOW)
    for name in ("example.com", "192.168.1.9"):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(issued, name)


def test_what_the_certificates_say(tmp_path: Path) -> None:
    issued = ensure(tmp_path, NAMES, NOW)
    server, ca = server_of(issued), x509.load_pem_x509_certificate(issued.ca_pem)
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=397)
    assert ca.not_valid_after_utc - NOW > timedelta(days=3640)
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert (tmp_path / "ca.crt").read_bytes() == issued.ca_pem
    assert b"PRIVATE" not in issued.ca_pem
    assert len(issued.fingerprint.split(":")) == 32


@pytest.mark.parametrize("name", ["bank.example", "1.1.1.1"])
def test_a_stolen_authority_cannot_speak_for_a_bank(tmp_path: Path, name: str) -> None:
    issued = ensure(tmp_path, NAMES, NOW)
    stolen = read_pair((tmp_path / "ca.pem").read_bytes())
    # The same subject and the stolen key, but without its limits.
    wide = Pair(make_ca(socket.gethostname(), ("bank.example",), NOW).certificate, stolen.key)
    names = Names((name,), ()) if name[0] == "b" else Names(("pi.local",), (ip_address(name),))
    issued.server_file.write_bytes(make_server(wide, names, NOW).pem)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(issued, name)


def test_all_files_are_the_user_s_alone(tmp_path: Path) -> None:
    ensure(tmp_path / "tls", NAMES, NOW)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_nothing_changes_without_a_reason(tmp_path: Path) -> None:
    before = ensure(tmp_path, NAMES, NOW), server_of(ensure(tmp_path, NAMES, NOW))
    later = NOW + timedelta(days=300)
    assert (ensure(tmp_path, NAMES, later), server_of(ensure(tmp_path, NAMES, later))) == before
    fewer = Names(("localhost",), LOCAL[:1])  # a cable is out
    assert server_of(ensure(tmp_path, fewer, NOW)) == before[1]


@pytest.mark.parametrize(
    ("names", "days"),
    [
        (NAMES, 370),  # its end is near
        (Names(NAMES.dns, (*LOCAL, ip_address("192.168.1.7"))), 0),  # another network
        (Names((*NAMES.dns, "kitchen.local"), LOCAL), 0),  # another host name
        (NAMES, -10),  # the clock was wrong when it was made
    ],
)
def test_the_server_s_certificate_follows_the_device(
    tmp_path: Path, names: Names, days: int
) -> None:
    first = ensure(tmp_path, NAMES, NOW)
    old = server_of(first)
    second = ensure(tmp_path, names, NOW + timedelta(days=days))
    assert server_of(second) != old
    assert second.ca_pem == first.ca_pem
    assert second.unnamed == ()


def test_a_bare_name_that_the_authority_was_not_made_for_is_told(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, NOW)
    issued = ensure(tmp_path, Names(("localhost", "kitchen", "kitchen.local"), LOCAL), NOW)
    assert issued.unnamed == ("kitchen",)
    assert handshake(issued, "kitchen.local").startswith("TLSv1.")


def test_the_authority_is_renewed_before_its_end(tmp_path: Path) -> None:
    first = ensure(tmp_path, NAMES, NOW - timedelta(days=3640))
    second = ensure(tmp_path, NAMES, NOW)
    assert second.ca_pem != first.ca_pem
    assert handshake(second, "localhost").startswith("TLSv1.")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN nothing", b"\0" * 300])
def test_a_damaged_server_certificate_is_made_anew(tmp_path: Path, content: bytes) -> None:
    issued = ensure(tmp_path, NAMES, NOW)
    issued.server_file.write_bytes(content)
    assert handshake(ensure(tmp_path, NAMES, NOW), "localhost").startswith("TLSv1.")


def test_half_a_pair_is_no_pair(tmp_path: Path) -> None:
    one, other = make_ca("a", (), NOW), make_ca("b", (), NOW)
    with pytest.raises(ValueError, match="not the certificate's"):
        read_pair(one.pem.replace(one.certificate_pem, other.certificate_pem))


def test_a_damaged_authority_is_an_error_and_stays(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, NOW)
    (tmp_path / "ca.pem").write_bytes(b"broken")
    with pytest.raises(ConfigError, match="is damaged") as caught:
        ensure(tmp_path, NAMES, NOW)
    assert "delete" in caught.value.hint
    assert (tmp_path / "ca.pem").read_bytes() == b"broken"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be read or written"):
        ensure(tmp_path / "tls", NAMES, NOW)
