"""Which certificates a client believes: those of public authorities, and files that it is given.

`SSL_CERT_FILE`, which OpenSSL's own programs read, replaces the public ones.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from edgellm.errors import ConfigError


def tls_context(files: Iterable[Path]) -> ssl.SSLContext:
    """For connections to servers. Raises ConfigError for a file without certificates."""
    import certifi

    named = os.environ.get("SSL_CERT_FILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks names and certificates
    for path in (Path(named) if named else Path(certifi.where()), *files):
        try:
            context.load_verify_locations(cafile=path)
        except ssl.SSLError as error:
            raise ConfigError(
                f"{path} is no file of certificates.", "It must be PEM, as GET /ca.crt gives it."
            ) from error
        except OSError as error:
            raise ConfigError(
                f"The certificates in {path} cannot be read: {error.strerror}.",
                "See --ca and SSL_CERT_FILE.",
            ) from error
    return context
