"""The server's side of TLS: certificates from files, or from the device's own authority.

Both may change while the server runs: files are renewed by whoever brought them, our own follow
the calendar and the network. `Tls.refresh` loads what is new into the context that the server's
socket uses, so the next connection has it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

from edgellm.errors import ConfigError

CertificateFiles = Callable[[], tuple[Path, Path]]  # the certificate's and the key's, after a look


class Tls:
    """What a server needs for TLS.

    Args:
        files: gives the files, and has them made where that is due. Raises ConfigError.
        ca_pem: the authority's certificate that clients have to trust; None = a public one.
    """

    def __init__(self, files: CertificateFiles, ca_pem: bytes | None = None) -> None:
        self.ca_pem = ca_pem
        self._files = files
        self.certificate, self.key = files()
        self._stamp = _stamp(self.certificate, self.key)
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.certificate, self.key)

    def refresh(self, context: ssl.SSLContext) -> bool:
        """Load what has changed, and tell whether anything had. Raises ConfigError, with the
        context as it was."""
        certificate, key = self._files()
        stamp = _stamp(certificate, key)
        if stamp == self._stamp:
            return False
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)  # half a pair changes it
        load(context, certificate, key)
        self._stamp = stamp
        return True


def load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Raises ConfigError where the files are no certificate with its key."""
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}.", "See --tls-cert and --tls-key."
            ) from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{certificate} and {key} are no certificate with its key: {_reason(error)}.",
            "Both must be PEM, the key without a password; intermediate certificates follow the "
            "server's in the same file.",
        ) from error


def _no_password() -> str:
    """OpenSSL would ask for one on the terminal, in the middle of a start."""
    return ""


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "they cannot be read"


def _stamp(*paths: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes with the files."""
    found = []
    for path in paths:
        stat = None
        with contextlib.suppress(OSError):
            stat = path.stat()
        found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size) if stat else None)
    return tuple(found)
