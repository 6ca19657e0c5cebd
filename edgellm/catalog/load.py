"""Reads `models.yaml`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgellm.catalog.card import Catalog
from edgellm.errors import ConfigError


def load_catalog(path: Path) -> Catalog:
    """The catalogue in a file.

    Raises:
        ConfigError: not YAML, an unknown key, a wrong type, or two cards of one id.
    """
    try:
        catalog = msgspec.yaml.decode(path.read_bytes(), type=Catalog)
    except msgspec.DecodeError as error:  # its message ends in the path, e.g. `$.models[2].layers`
        raise ConfigError(f"{path}: {error}") from error
    ids = [card.id for card in catalog.models]
    twice = {id_ for id_ in ids if ids.count(id_) > 1}
    if twice:
        raise ConfigError(f"{path}: more than one model is called {', '.join(sorted(twice))}.")
    return catalog
