"""A card for a model that no catalogue has, from the header of one of its GGUF files.

What a header does not tell stays unknown: a score, a licence, what the model was made for. Shapes
are the same in every quantisation, so one header tells of all files of a repository.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from edgellm.catalog.card import ModelCard, Shape, Task, Variant
from edgellm.planner.facts import Layer, ModelFacts, Weight
from edgellm.planner.quality import is_rated, is_unquantised
from edgellm.store.gguf_header import GGUFHeader

_F16_BYTES, _F32_BYTES = 2, 4
_TEMPLATE = "tokenizer.chat_template"
# `llama_ftype` of llama.h, as `general.file_type` has it.
_FILE_TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1"}
_FILE_TYPES |= {10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M"}
_FILE_TYPES |= {16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S"}
_FILE_TYPES |= {22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M"}
_FILE_TYPES |= {28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0"}
_FILE_TYPES |= {37: "TQ2_0", 38: "MXFP4_MOE"}


def card_of_header(
    id_: str,
    header: GGUFHeader,
    facts: ModelFacts,
    variants: tuple[Variant, ...],
    licence: str = "",
) -> ModelCard:
    """What a plan needs to know.

    Args:
        id_: what the user may call it.
        facts: those of the header.
        licence: where somebody else than the header says it.
    """
    return ModelCard(
        id=id_,
        params=num_params(facts),
        context=facts.context,
        licence=licence or _text(header, "general.license"),
        shape=shape_of(facts),
        variants=variants,
        name=_text(header, "general.name"),
        family=facts.architecture,
        task=task_of_header(header),
    )


def shape_of(facts: ModelFacts) -> Shape:
    """The numbers of a card. Where layers differ, the widest counts."""
    whole = [layer for layer in facts.layers if not _sees_window(facts, layer)]
    windows = [layer for layer in facts.layers if _sees_window(facts, layer)]
    return Shape(
        layers=len(facts.layers),
        hidden=facts.width,
        heads=max((layer.heads for layer in facts.layers), default=0),
        kv_heads=max((layer.kv_heads for layer in facts.layers), default=0),
        head_dim=max((layer.key_length for layer in facts.layers), default=0),
        vocab=facts.vocab,
        ffn=max((layer.ffn for layer in facts.layers), default=0),
        tied=facts.is_tied,
        kv_bytes_per_token=_token_bytes(whole),
        window_bytes=_token_bytes(windows) * facts.window,
        window=facts.window if windows else 0,
        state_bytes=_F32_BYTES * sum(layer.state_values for layer in facts.layers),
        decode_params=round(sum(_num_values(w) * w.read_share for w in _used(facts))),
    )


def num_params(facts: ModelFacts) -> int:
    """All weights that are loaded."""
    return sum(map(_num_values, _used(facts)))


def quant_of_header(header: GGUFHeader) -> str:
    """The quantisation that a file says it has; empty if it says none that is known."""
    number = header.metadata.get("general.file_type")
    return _FILE_TYPES.get(number, "") if isinstance(number, int) else ""


def has_template(header: GGUFHeader) -> bool:
    """Whether the file says how a chat becomes a prompt."""
    return bool(_text(header, _TEMPLATE))


def type_shares(facts: ModelFacts) -> dict[str, float]:
    """By the type of tensor, its part (0..1) of the bytes; the largest first."""
    sizes: Counter[str] = Counter()
    for weight in _used(facts):
        sizes[weight.type] += weight.size_bytes
    total = sizes.total() or 1
    return {name: size / total for name, size in sizes.most_common()}


def worth_choosing(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Of a repository's files, those that a plan may pick by itself: quantised, since twice the
    size buys nothing that one could see, and by how much they lose is known. All, if there is no
    such file: then the plan has to do with what there is."""
    found = tuple(variants)
    rated = tuple(each for each in found if is_rated(each.quant))
    return tuple(each for each in rated if not is_unquantised(each.quant)) or rated or found


def _sees_window(facts: ModelFacts, layer: Layer) -> bool:
    return facts.window > 0 and layer.has_window


def _token_bytes(layers: Iterable[Layer]) -> int:
    """Of one token's keys and values at f16."""
    return _F16_BYTES * sum(
        layer.kv_heads * (layer.key_length + layer.value_length) for layer in layers
    )


def _used(facts: ModelFacts) -> list[Weight]:
    return [weight for weight in facts.weights if weight.place != "unused"]


def _num_values(weight: Weight) -> int:
    return math.prod(weight.shape)


def task_of_header(header: GGUFHeader) -> Task:
    """Models that pool their tokens embed or rank; those for chats have no word of it."""
    pooling = header.metadata.get(f"{header.architecture}.pooling_type", 0)
    if pooling:
        return "rerank" if pooling == 4 else "embedding"  # `LLAMA_POOLING_TYPE_RANK`
    is_causal = header.metadata.get(f"{header.architecture}.attention.causal", True)
    return "chat" if is_causal else "embedding"


def _text(header: GGUFHeader, key: str) -> str:
    value = header.metadata.get(key, "")
    return value if isinstance(value, str) else ""
