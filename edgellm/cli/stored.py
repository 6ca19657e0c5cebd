"""What lies in the models' folder, as models to serve: what was pulled, and GGUF files that were
put there by hand."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from edgellm.catalog.card import Catalog
from edgellm.catalog.ollama_names import catalogue_name
from edgellm.errors import ConfigError
from edgellm.serving.resolver import ServedModel
from edgellm.store import shelf
from edgellm.store.model import LocalModel
from edgellm.store.store import Store

logger = logging.getLogger(__name__)

_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}$")  # llama.cpp opens a split model by its first


class StoredModels:
    """Looks into the folder whenever it is asked."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        """Make one.

        Raises:
            ConfigError: the folder is no folder. One that is not there yet is empty.
        """
        folder = store.places.root
        if folder.exists() and not folder.is_dir():
            raise ConfigError(
                f"The models folder {folder} is not a folder.", "See --models-folder."
            )
        self.store = store
        self.catalog = catalog
        self._doubted: set[Path] = set()

    def models(self) -> tuple[ServedModel, ...]:
        """Pulled ones first, the newest before older ones; then files."""
        pulled = sorted(self.store.list(), key=lambda each: -each.manifest.pulled_at)
        served = [served_of(each, self.catalog) for each in pulled if self._can_serve(each)]
        return (*served, *self._files())

    @contextlib.contextmanager
    def hold(self, model: ServedModel) -> Iterator[None]:
        """Keep a pulled model from being removed; any other model needs nothing."""
        pulled = self.store.list()
        found = next((each for each in pulled if each.path.resolve() == model.path), None)
        with self.store.hold(found) if found is not None else contextlib.nullcontext():
            yield

    def hint(self, name: str) -> str:
        """How to get a model that is not here, where the catalogue knows it or one like it."""
        known = catalogue_name(name, self.catalog)
        if self.catalog.find(known.partition(":")[0]) is not None:
            return f"It is in the catalogue: edgellm pull {known}"
        near = get_close_matches(name, [each.id for each in self.catalog.models], n=1)
        return (
            f"Did you mean {near[0]}? The catalogue has it: edgellm pull {near[0]}" if near else ""
        )

    def _can_serve(self, model: LocalModel) -> bool:
        """Not what another runtime opens, nor what changed since it was verified."""
        if model.path.suffix != ".gguf":
            return False
        if shelf.is_unchanged(model):
            return True
        if model.folder not in self._doubted:
            self._doubted.add(model.folder)
            logger.warning("%s changed on the disk: `edgellm verify` checks it", model.name)
        return False

    def _files(self) -> Iterator[ServedModel]:
        for path in sorted(self.store.places.root.glob("*.gguf")):
            if path.is_file() and not _LATER_PART.search(path.stem):
                yield ServedModel(path.stem, path.resolve())


def served_of(model: LocalModel, catalog: Catalog) -> ServedModel:
    """By the name that it was pulled as; a card's id is enough where that is clear."""
    id_, _, quant = model.name.rpartition(":")
    card = catalog.find(id_) or catalog.find(model.name)
    known: tuple[str, ...] = (id_,) if "/" in id_ and quant else ()  # hf:owner/repo
    if card is not None:
        known = (card.id, *card.aliases)
    names = dict.fromkeys((*known, *model.manifest.names, model.id))
    aliases = tuple(name for name in names if name != model.name)
    parser = card.parser if card is not None else None
    path = model.path.resolve()
    return ServedModel(model.name, path, aliases, parser, digest=model.sha256)
