"""The catalogue as the commands see it: the packaged one, this user's own before it, and what was
quantised on this device."""

from __future__ import annotations

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import MADE_FILE, USER_FILE, load_catalog
from edgellm.cli.settings import user_paths


def user_catalog() -> Catalog:
    """All models that this user may name.

    Raises:
        ConfigError: a mistake in the user's `models.yaml`, with its line.
    """
    paths = user_paths()
    user, made = paths.config / USER_FILE, paths.data / MADE_FILE
    return load_catalog(catalog_file(), user, paths.cache / "catalog", made)
