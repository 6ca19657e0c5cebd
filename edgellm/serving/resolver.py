"""From the name in a request to a model file. The router is given one; the store and the CLI
implement it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from msgspec import Struct

from edgellm.types import EngineOptions

DEFAULT_NAMES = ("", "auto", "default")


class ServedModel(Struct, frozen=True):
    """A model file under the name that requests use."""

    id: str
    path: Path
    aliases: tuple[str, ...] = ()
    parser: str | None = None  # of tool calls; None = what its chat template shows
    options: EngineOptions = EngineOptions()
    backend: str = "llama_cpp"
    digest: str = ""  # sha256 of the file, where it is known


class Resolver(Protocol):
    """Asked for every request, so it answers at once. What it says may change at any time: a name
    that leads elsewhere moves when the model that it led to is idle."""

    def resolve(self, name: str) -> ServedModel:
        """The model of an id, an alias or a file; of `DEFAULT_NAMES`, the default.

        Raises:
            ModelNotFound: nothing here has that name.
        """

    def models(self) -> tuple[ServedModel, ...]:
        """All that could be loaded, the default first."""
