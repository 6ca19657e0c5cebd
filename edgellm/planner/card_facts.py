"""A model's facts from the catalogue: good enough to plan with before any file is there.

The matrices follow from the card's shape and their types from llama.cpp's rules for the common
quantisations (`llama-quant.cpp`, without an importance matrix), scaled to the size of the variant's
files where that is known. Not known: how a model of experts or a hybrid one divides its parameters;
what the shape does not explain is counted as more of the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec.structs import replace

from edgellm.catalog.card import ModelCard, Shape, Variant
from edgellm.planner.facts import Layer, ModelFacts, Weight
from edgellm.store.gguf_types import BY_NAME

_F16 = 2
_QUANT = re.compile(r"(IQ\d_[A-Z]+|Q\d_K(?:_[SML]|_XL)?|Q\d_[01]|BF16|F16|F32|MXFP4)")
_BLOCK_ROWS = 256  # rows of what the shape does not explain come in multiples of that


class _Mix(NamedTuple):
    """The types of most matrices, of half of the sensitive ones, and of the output."""

    most: str
    sensitive: str
    output: str


_MIXES = {
    "Q2_K": _Mix("Q2_K", "Q4_K", "Q6_K"),
    "Q3_K_S": _Mix("Q3_K", "Q3_K", "Q6_K"),
    "Q3_K_M": _Mix("Q3_K", "Q5_K", "Q6_K"),
    "Q3_K_L": _Mix("Q3_K", "Q5_K", "Q6_K"),
    "Q4_K_S": _Mix("Q4_K", "Q5_K", "Q6_K"),
    "Q4_K_M": _Mix("Q4_K", "Q6_K", "Q6_K"),
    "Q4_K_XL": _Mix("Q4_K", "Q6_K", "Q6_K"),
    "Q5_K_S": _Mix("Q5_K", "Q5_K", "Q6_K"),
    "Q5_K_M": _Mix("Q5_K", "Q6_K", "Q6_K"),
    "Q4_0": _Mix("Q4_0", "Q4_0", "Q6_K"),
    "Q4_1": _Mix("Q4_1", "Q4_1", "Q6_K"),
    "Q5_0": _Mix("Q5_0", "Q5_0", "Q6_K"),
    "Q5_1": _Mix("Q5_1", "Q5_1", "Q6_K"),
    "IQ4_XS": _Mix("IQ4_XS", "Q5_K", "Q6_K"),
    "IQ4_NL": _Mix("IQ4_NL", "Q5_K", "Q6_K"),
}
# Of rows that are no multiple of 256 values.
_SMALL_ROWS = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "IQ4_XS": "IQ4_NL"}
_SMALL_ROWS |= {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


def facts_of_card(card: ModelCard, variant: Variant) -> ModelFacts:
    """The facts of one variant, approximately."""
    mix = _mix(variant.quant)
    weights = [*_ends(card.shape, mix), *_matrices(card.shape, mix)]
    weights += _unexplained(card, mix, weights)
    weights = _with_idle_experts(card.shape, weights)
    weights.sort(key=lambda weight: (weight.layer, "norm" in weight.name))  # as they lie in files
    return ModelFacts(
        architecture=card.family,
        width=card.shape.hidden,
        vocab=card.shape.vocab,
        context=min(card.context, variant.context or card.context),
        layers=_layers(card.shape),
        weights=_placed(weights, variant.planned_bytes),
        window=card.shape.window,
        num_merges=card.shape.vocab,
        is_approximate=True,
        writes=card.task == "chat",
        is_causal=card.task == "chat" or card.shape.kv_bytes_per_token > 0,  # encoders keep none
    )


def _mix(quant: str) -> _Mix:
    match = _QUANT.search(quant.upper())
    name = match[1] if match else "F16"
    kind = name if name in BY_NAME else "F16"
    return _MIXES.get(name, _Mix(kind, kind, kind))


def _weight(name: str, kind: str, row: int, rows: int, layer: int = -1) -> Weight:
    if row % BY_NAME[kind].block_values:
        kind = _SMALL_ROWS.get(kind, "F16")
    return Weight(
        name=name,
        type=kind,
        shape=(row, rows),
        size_bytes=rows * BY_NAME[kind].num_bytes(row),
        place="layer" if layer >= 0 else "output",
        layer=layer,
        is_multiplied=rows > 1,
    )


def _ends(shape: Shape, mix: _Mix) -> list[Weight]:
    """The embedding first; a tied one has the output's type."""
    kind = mix.output if shape.tied else mix.most
    embedding = _weight("token_embd.weight", kind, shape.hidden, shape.vocab)
    share = 1.0 if shape.tied else 1 / shape.vocab
    found = [replace(embedding, place="input", is_multiplied=shape.tied, read_share=share)]
    if not shape.tied:
        found.append(_weight("output.weight", mix.output, shape.hidden, shape.vocab))
    return found


def _matrices(shape: Shape, mix: _Mix) -> list[Weight]:
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    found = []
    for layer in range(shape.layers):
        better = mix.sensitive if layer % 2 else mix.most
        sizes = (
            ("attn_q", mix.most, shape.hidden, queries),
            ("attn_k", mix.most, shape.hidden, keys),
            ("attn_v", better, shape.hidden, keys),
            ("attn_output", mix.most, queries, shape.hidden),
            ("ffn_down", better, shape.ffn, shape.hidden),
            ("ffn_gate", mix.most, shape.hidden, shape.ffn),
            ("ffn_up", mix.most, shape.hidden, shape.ffn),
            (
                "ffn_norm",
                "F32",
                shape.hidden,
                1,
            ),  # never copied: it stays mapped, and all before it
        )
        found += [
            _weight(f"blk.{layer}.{name}.weight", kind, row, rows, layer)
            for name, kind, row, rows in sizes
            if row and rows
        ]
    return found


def _unexplained(card: ModelCard, mix: _Mix, weights: list[Weight]) -> list[Weight]:
    """Experts, convolutions and the like: a matrix in each layer for what is left."""
    shape = card.shape
    left = card.params - sum(weight.shape[0] * weight.shape[1] for weight in weights)
    rows = left // (shape.layers * shape.hidden) // _BLOCK_ROWS * _BLOCK_ROWS
    if rows <= 0:
        return []
    return [
        _weight(f"blk.{layer}.others.weight", mix.most, shape.hidden, rows, layer)
        for layer in range(shape.layers)
    ]


def _with_idle_experts(shape: Shape, weights: list[Weight]) -> list[Weight]:
    """What a token reads of the unexplained: the rest of `decode_params`."""
    others = [weight for weight in weights if ".others." in weight.name]
    if not others or not shape.decode_params:
        return weights
    explained = sum(w.shape[0] * w.shape[1] * w.read_share for w in weights if w not in others)
    size = sum(weight.shape[0] * weight.shape[1] for weight in others)
    share = min(1.0, max(0.0, (shape.decode_params - explained) / size))
    return [replace(w, read_share=share) if w in others else w for w in weights]


def _placed(weights: list[Weight], size_bytes: int | None) -> tuple[Weight, ...]:
    """One behind the other, as long together as the file."""
    total = sum(weight.size_bytes for weight in weights)
    scale = (size_bytes or total) / total if total else 1.0
    placed, offset = [], 0
    for weight in weights:
        size = int(weight.size_bytes * scale)
        placed.append(replace(weight, offset=offset, size_bytes=size))
        offset += size
    return tuple(placed)


def _layers(shape: Shape) -> tuple[Layer, ...]:
    """Windows first, then the whole context, then recurrent ones; how they alternate matters to
    nobody but a GPU that holds a part of them."""
    one = 2 * _F16 * shape.kv_heads * shape.head_dim  # bytes that a token takes in one layer
    num_whole, whole = _spread(shape.kv_bytes_per_token, one)
    num_window, window = _spread(shape.window_bytes // max(1, shape.window), one)
    kinds = [_layer(shape, window, has_window=True)] * num_window
    kinds += [_layer(shape, whole)] * num_whole
    num_others = max(0, shape.layers - len(kinds))
    state = shape.state_bytes // 4 // num_others if num_others else 0
    kinds += [Layer(ffn=shape.ffn, state_values=state)] * num_others
    return tuple(kinds)


def _spread(bytes_per_token: int, one: int) -> tuple[int, int]:
    """Layers that keep it, and the width of each one's keys; a single layer where it is no
    multiple of a layer's (MLA, heads of several sizes)."""
    if not bytes_per_token:
        return 0, 0
    count = bytes_per_token // one if one else 0
    if not count or bytes_per_token % one:
        count = 1
    return count, bytes_per_token // count // (2 * _F16)


def _layer(shape: Shape, width: int, *, has_window: bool = False) -> Layer:
    heads = max(1, shape.kv_heads)
    if width % heads:
        heads = 1
    length = width // heads
    return Layer(shape.heads, heads, length, length, shape.ffn, has_window=has_window)
