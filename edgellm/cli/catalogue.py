"""The catalogue as the commands see it: the packaged one, and this user's own before it."""

from __future__ import annotations

from edgellm.assets import catalog_file
from edgellm.catalog.card import Catalog
from edgellm.catalog.load import USER_FILE, load_catalog
from edgellm.cli.settings import user_paths


def user_catalog() -> Catalog:
    """All models that this user may name.

    Raises:
        ConfigError: a mistake in the user's `models.yaml`, with its line.
    """
    paths = user_paths()
    return load_catalog(catalog_file(), paths.config / USER_FILE, paths.cache / "catalog")
