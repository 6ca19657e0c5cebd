"""What the memory and speed of a model depend on, whatever it is computed with.

From a GGUF header it is exact (`header_facts.py`), from a catalogue's card it is a good guess
(`card_facts.py`). Knows no device and no options.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Place: TypeAlias = Literal["input", "layer", "output", "unused"]


class Weight(Struct, frozen=True):
    """A tensor. `shape`: the row's length first."""

    name: str
    type: str  # ggml's, e.g. "Q4_K"
    shape: tuple[int, ...]
    size_bytes: int
    place: Place
    layer: int = -1  # of `place` "layer"
    offset: int = 0  # in its file
    part: int = 0  # which file of a split model
    is_multiplied: bool = True  # used by matrix products, so that it may be repacked
    read_share: float = 1.0  # of it, for one token: a row of an embedding, some of the experts


class Layer(Struct, frozen=True):
    """What a layer computes and keeps. `kv_heads` 0 = it keeps no keys and values of its own."""

    heads: int = 0
    kv_heads: int = 0
    key_length: int = 0  # values of one head's key
    value_length: int = 0  # 0 where keys are all that is kept (MLA)
    ffn: int = 0  # width of the feed-forward part of one token; of experts, all that it uses
    num_used_experts: int = 0  # 0 = dense
    has_window: bool = False
    state_values: int = 0  # f32 values of a sequence's recurrent state

    @property
    def attention_width(self) -> int:
        """Of queries, keys and values together."""
        values = self.value_length or self.key_length
        return self.heads * self.key_length + self.kv_heads * (self.key_length + values)


class ModelFacts(Struct, frozen=True):
    """A model in one quantisation."""

    architecture: str
    width: int
    vocab: int
    context: int  # tokens that it was trained for
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    window: int = 0  # tokens that layers with a window see
    experts: int = 0  # of a layer; 0 = dense
    num_merges: int = 0  # of the tokenizer
    is_approximate: bool = False  # from a card: no file has been looked at
    writes: bool = True  # False: made for embeddings or reranking, and for nothing else
    is_causal: bool = True  # attention looks back only; an encoder's looks both ways

    @property
    def is_tied(self) -> bool:
        """The output shares the embedding's weights."""
        return not any(weight.name == "output.weight" for weight in self.weights)

    @property
    def is_recurrent(self) -> bool:
        """In whole or in part."""
        return any(layer.state_values for layer in self.layers)

    @property
    def has_window(self) -> bool:
        return self.window > 0 and any(layer.has_window for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        return sum(weight.size_bytes for weight in self.weights)
