"""How commands get their settings: the files and variables of this user, and the logging."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from edgellm.cli.output import say
from edgellm.config import Settings, load_settings, unknown_variables
from edgellm.paths import Paths, find_paths

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def user_paths() -> Paths:
    """The folders of the user who runs this."""
    return find_paths(os.environ, sys.platform, Path.home())


def user_settings(flags: Mapping[str, object | None], config: Path | None = None) -> Settings:
    """The settings as flags, environment and file give them; warnings go to stderr.

    Args:
        config: a file that was named, and so must exist; otherwise the usual one may be absent.
    """
    for warning in unknown_variables(os.environ):
        say(f"warning: {warning}")
    named = config or _named_by_environment()
    usual = user_paths().config_file
    settings, _ = load_settings(flags, os.environ, named or (usual if usual.exists() else None))
    return settings


def _named_by_environment() -> Path | None:
    text = os.environ.get("EDGELLM_CONFIG")
    return Path(text).expanduser() if text else None


def set_up_logging(level: str) -> None:
    """Our log lines go to stderr; the libraries' own chatter only at the level `debug`."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format=_LOG_FORMAT, datefmt="%H:%M:%S", force=True
    )
    if level != "debug":
        for name in ("uvicorn.access", "httpx", "httpx2", "httpcore", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Its warning is that a client left while tokens were on their way to it.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        # "Started server process", "Shutting down": we say that ourselves.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
