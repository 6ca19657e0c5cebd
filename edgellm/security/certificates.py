"""Makes certificates: an authority of this device alone, and a server's that it signs.

Pure: names, keys and times come in, PEM comes out. Where they are kept, and when a new one is due:
`local_ca.py`. The authority can only speak for names that are local: whoever steals its key cannot
pretend to be a bank (RFC 5280, 4.2.1.10).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from msgspec import Struct

from edgellm.security.names import LOCAL_NETWORKS, Names

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_DAYS = 3650
SERVER_DAYS = 397  # browsers refuse certificates of servers that are valid for longer than 398
_EARLY = timedelta(days=1)  # before now: the clocks of phones differ, and boards have none


class Pair(Struct, frozen=True):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The key, then the certificate: one file holds what belongs together."""
        from cryptography.hazmat.primitives import serialization as to

        key = self.key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
        return key + self.certificate_pem

    @property
    def certificate_pem(self) -> bytes:
        """Without the key."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.PEM)


def read_pair(pem: bytes) -> Pair:
    """What `Pair.pem` wrote. Raises ValueError for anything else."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except TypeError as error:  # it is encrypted
        raise ValueError(str(error)) from error
    certificate = x509.load_pem_x509_certificate(pem)
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the key is not the certificate's")
    return Pair(certificate, key)


def make_ca(hostname: str, names: tuple[str, ...], now: datetime) -> Pair:
    """A new authority for `names`, all `.local` names and local addresses."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"edgellm on {hostname}"[:64])
    permitted: list[x509.GeneralName] = [
        x509.DNSName(name) for name in dict.fromkeys((*names, "local"))
    ]
    permitted += [x509.IPAddress(network) for network in LOCAL_NETWORKS]
    builder = (
        _builder(subject, subject, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
    )
    return _signed(builder, key, key)


def make_server(ca: Pair, names: Names, now: datetime) -> Pair:
    """A new certificate for a server of these names, as far as `ca` may speak for them."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [
        x509.DNSName(name) for name in permitted_names(ca.certificate, names.dns)
    ]
    alternatives += [x509.IPAddress(address) for address in names.addresses]
    builder = (
        _builder(_name("edgellm"), ca.certificate.subject, key, now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    )
    return _signed(builder, key, ca.key)


def permitted_names(ca: x509.Certificate, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the authority may speak for: others would spoil the whole certificate."""
    from cryptography import x509

    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    roots = [
        each.value
        for each in constraints.permitted_subtrees or ()
        if isinstance(each, x509.DNSName)
    ]
    return tuple(
        name for name in names if any(name == root or name.endswith("." + root) for root in roots)
    )


def alternative_names(certificate: x509.Certificate) -> Names:
    """The names that a server's certificate is for."""
    from cryptography import x509

    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = found.get_values_for_type(x509.IPAddress)
    return Names(
        tuple(found.get_values_for_type(x509.DNSName)),
        # Networks stand in an authority's constraints only.
        tuple(each for each in addresses if isinstance(each, IPv4Address | IPv6Address)),
    )


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now - _EARLY + timedelta(days=days))
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(
    builder: x509.CertificateBuilder,
    own: EllipticCurvePrivateKey,
    issuer: EllipticCurvePrivateKey,
) -> Pair:
    """With the identifiers of both keys, without which strict clients refuse it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    whose = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    builder = builder.add_extension(whose, critical=False).add_extension(by, critical=False)
    return Pair(builder.sign(issuer, hashes.SHA256()), own)
