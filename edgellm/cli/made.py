"""Changes to the catalogue of what was quantised on this device, by one process at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.catalog.load import MADE_FILE
from edgellm.cli.settings import user_paths

if TYPE_CHECKING:
    from edgellm.catalog.card import ModelCard, Variant
    from edgellm.store.model import LocalModel


def made_file() -> Path:
    """Where it is, or would be."""
    return user_paths().data / MADE_FILE


def add(card: ModelCard, variant: Variant) -> None:
    """Make a variant known.

    Raises:
        ConfigError: the file has a mistake.
        StoreError: the disk does not take it.
    """
    from edgellm.catalog import made
    from edgellm.store.disk import disk_errors
    from edgellm.store.lock import lock

    path = made_file()
    with disk_errors(path), lock(_lock_of(path), on_wait=lambda: None):
        made.add(path, card, variant)


def take_out(models: Iterable[LocalModel]) -> None:
    """Forget what was removed from the store.

    Raises:
        ConfigError: the file has a mistake.
        StoreError: the disk does not take it.
    """
    _take_out(frozenset(model.sha256 for model in models))


def forget(name: str) -> bool:
    """Forget a variant by its name, e.g. "pocket:Q4_K_M"; whether there was one.

    Raises:
        ConfigError: the file has a mistake.
        StoreError: the disk does not take it.
    """
    from edgellm.catalog.load import load_catalog

    if not made_file().exists():
        return False
    digests = frozenset(
        variant.files[0].sha256 or ""
        for card in load_catalog(made_file()).models
        for variant in card.variants
        if variant.files and card.name_of(variant).lower() == name.lower()
    )
    return _take_out(digests)


def _take_out(digests: frozenset[str]) -> bool:
    from edgellm.catalog import made
    from edgellm.store.disk import disk_errors
    from edgellm.store.lock import lock

    path = made_file()
    if not digests or not path.exists():
        return False
    with disk_errors(path), lock(_lock_of(path), on_wait=lambda: None):
        return made.take_out(path, digests)


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")
