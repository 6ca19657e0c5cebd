"""The models that a server started from the command line knows: the one it was started with, more
files that were named, the built-in one, and a folder's. (`Resolver`; the store is another one.)"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from edgellm.errors import ModelNotFound
from edgellm.serving.resolver import DEFAULT_NAMES, ServedModel
from edgellm.types import EngineOptions

_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}$")  # llama.cpp opens a split model by its first


class LocalModels:
    """The first of several models of the same name is the one that has it.

    Args:
        named: at least one; the first is the default.
        folder: is looked into again for every question, so a file that appears is a model.
        options_of: how the engine of a file is started. Asked once for each file.
    """

    def __init__(
        self,
        named: tuple[ServedModel, ...],
        folder: Path | None,
        options_of: Callable[[Path], EngineOptions],
    ) -> None:
        self._named = named
        self._folder = folder
        self._options_of = options_of
        self._options: dict[Path, EngineOptions] = {}

    def models(self) -> tuple[ServedModel, ...]:
        found: dict[str, ServedModel] = {}
        for model in (*self._named, *self._in_folder()):
            found.setdefault(model.id, model)
        return tuple(found.values())

    def resolve(self, name: str) -> ServedModel:
        """Raises ModelNotFound."""
        models = self.models()
        if name in DEFAULT_NAMES:
            return self._with_options(models[0])
        for names_of in (_ids, _other_names):
            for model in models:
                if name in names_of(model):
                    return self._with_options(model)
        raise ModelNotFound(name, tuple(model.id for model in models))

    def _in_folder(self) -> Iterator[ServedModel]:
        if self._folder is None or not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.gguf")):
            if path.is_file() and not _LATER_PART.search(path.stem):
                yield ServedModel(path.stem, path.resolve())

    def _with_options(self, model: ServedModel) -> ServedModel:
        if model.path not in self._options:
            self._options[model.path] = self._options_of(model.path)
        return msgspec.structs.replace(model, options=self._options[model.path])


def _ids(model: ServedModel) -> tuple[str, ...]:
    return (model.id,)


def _other_names(model: ServedModel) -> tuple[str, ...]:
    return (*model.aliases, model.path.name)
