"""Where edgellm keeps things. Pure: the caller passes the environment, the platform and the home.

    Linux   $XDG_CONFIG_HOME/edgellm  $XDG_DATA_HOME/edgellm  $XDG_CACHE_HOME/edgellm
    macOS   ~/Library/Application Support/edgellm (configuration and data)  ~/Library/Caches/edgellm

`EDGELLM_HOME` puts all three under one folder, e.g. on a memory card. Nothing is created here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

_XDG = (
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_CACHE_HOME", ".cache"),
)


class Paths(Struct, frozen=True):
    """The three folders: what the user wrote, what must be kept, what can be fetched again."""

    config: Path
    data: Path
    cache: Path

    @property
    def config_file(self) -> Path:
        """The settings file that is read when no other is named."""
        return self.config / "config.toml"


def find_paths(environ: Mapping[str, str], platform: str, home: Path) -> Paths:
    """The folders of this user. `platform` is `sys.platform`'s word."""
    override = environ.get("EDGELLM_HOME")
    if override:
        root = _expand(override, home)
        return Paths(config=root, data=root / "data", cache=root / "cache")
    if platform == "darwin":
        support = home / "Library" / "Application Support" / "edgellm"
        return Paths(config=support, data=support, cache=home / "Library" / "Caches" / "edgellm")
    config, data, cache = (_xdg(environ, home, name, usual) for name, usual in _XDG)
    return Paths(config=config, data=data, cache=cache)


def _xdg(environ: Mapping[str, str], home: Path, name: str, usual: str) -> Path:
    """A relative path in an XDG variable is to be ignored, says the specification."""
    value = Path(environ.get(name, ""))
    return (value if value.is_absolute() else home / usual) / "edgellm"


def _expand(text: str, home: Path) -> Path:
    """`~` means the given home, not that of the process."""
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(text).absolute()
