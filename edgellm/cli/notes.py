"""What a server is doing in the background, in a line for people."""

from __future__ import annotations

from edgellm.cli.output import format_bytes
from edgellm.types import UpgradeStatus


def upgrade_note(status: UpgradeStatus | None) -> str:
    """How far the search for a better model is; empty where there is nothing to tell."""
    if status is None:
        return ""
    match status.state:
        case "fetching":
            parts = [f"fetching {status.model}"]
            if status.percent is not None and status.total_bytes is not None:
                parts.append(f"{status.percent} % of {format_bytes(status.total_bytes)}")
            if status.bytes_per_second:
                parts.append(f"{format_bytes(int(status.bytes_per_second))}/s")
            return ", ".join(parts) + "; the built-in model answers meanwhile"
        case "loading":
            return f"loading {status.model}; the built-in model answers meanwhile"
        case "stays" | "failed":
            return f"{status.message} {status.hint}".strip()
        case _:
            return ""
