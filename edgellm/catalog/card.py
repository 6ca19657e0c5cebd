"""What the catalogue says of a model."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """A model in one quantisation, for one runtime."""

    backend: Literal["llama_cpp"]
    quant: str  # e.g. "F16", "Q4_K_M"
    asset: str  # a file that comes with edgellm


class ModelCard(Struct, frozen=True, forbid_unknown_fields=True):
    """A model, whatever its quantisation. `parser` names its format of tool calls."""

    id: str
    params: int
    layers: int
    kv_heads: int
    head_dim: int
    context: int  # tokens that it was trained for
    licence: str
    variants: tuple[Variant, ...]
    parser: str | None = None
    description: str = ""


class Catalog(Struct, frozen=True, forbid_unknown_fields=True):
    """All cards; ids are unique."""

    models: tuple[ModelCard, ...]

    def find(self, id_: str) -> ModelCard | None:
        """The card of that id."""
        return next((card for card in self.models if card.id == id_), None)
