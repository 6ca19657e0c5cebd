"""What the commands share that manage a running server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgellm.client import EdgellmClient


def admin_client(server: str | None, ca: str | None = None) -> EdgellmClient:
    """A client of the flag's server, else of EDGELLM_SERVER's, else of the one that `edgellm serve`
    starts with this user's settings."""
    from edgellm.cli.settings import user_settings
    from edgellm.cli.trust import trusted
    from edgellm.client import EdgellmClient

    url = server or os.environ.get("EDGELLM_SERVER", "")
    if not url:
        settings = user_settings({})
        scheme = "https" if settings.tls != "off" or settings.tls_cert else "http"
        url = f"{scheme}://127.0.0.1:{settings.port}"
    return EdgellmClient(url, os.environ.get("EDGELLM_API_KEY"), trust=trusted(ca))
