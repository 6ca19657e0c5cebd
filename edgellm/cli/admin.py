"""What the commands share that manage a running server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgellm.client import EdgellmClient


def admin_client(server: str | None) -> EdgellmClient:
    """A client of the flag's server, else of EDGELLM_SERVER's, else of the one that `edgellm serve`
    starts with this user's settings."""
    from edgellm.cli.settings import user_settings
    from edgellm.client import EdgellmClient

    url = server or os.environ.get("EDGELLM_SERVER", "")
    if not url:
        url = f"http://127.0.0.1:{user_settings({}).port}"
    return EdgellmClient(url, os.environ.get("EDGELLM_API_KEY"))
