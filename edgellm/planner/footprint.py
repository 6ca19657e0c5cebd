"""What a variant takes in memory: the plan's view of it, and an estimate from the card alone.

The plan asks through `Estimator`, so that a better one (tensor by tensor, from a file's header) can
stand in. `card_footprint` counts weights, cache and an allowance; it knows no repacking and no
compute buffers beyond that allowance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from edgellm.catalog.card import ModelCard, Variant
from edgellm.planner.speed import bits_per_weight
from edgellm.types import EngineOptions

MIB = 1024 * 1024
_PROGRAM_BYTES = 110 * MIB  # server and engine without a model
_BATCH_TOKENS = 512  # that a step computes at most, for its buffers
_PUBLISHED_TOKENS = 4096  # at which MLC's figures were taken
_KV_SHARE = {"f32": 2.0, "q8_0": 8.5 / 16, "q4_0": 4.5 / 16}


class Footprint(Struct, frozen=True):
    """Bytes. `needed` must be free in main memory, `dedicated` on the device."""

    needed: int
    dedicated: int = 0
    total: int = 0  # resident at most, with what the kernel can take back
    parts: dict[str, int] = {}  # of `total`, by what they are for


# (card, variant, options, layers on the device) -> what it takes
Estimator: TypeAlias = Callable[[ModelCard, Variant, EngineOptions, int], Footprint]


def card_footprint(
    card: ModelCard, variant: Variant, options: EngineOptions, gpu_layers: int
) -> Footprint:
    """From the figures of the card."""
    weights = weight_bytes(card, variant)
    if variant.backend == "hailo":  # the module holds the model and its cache
        return _footprint({"program": _PROGRAM_BYTES}, dedicated=weights)
    cells = options.cells or options.context * options.parallel
    cache = _cache_bytes(card, options, cells)
    if variant.memory_bytes is not None:  # weights, buffers and the cache of so many tokens
        more = max(0, cells - _PUBLISHED_TOKENS) * card.shape.kv_bytes_per_token
        return _footprint({"program": _PROGRAM_BYTES}, dedicated=variant.memory_bytes + more)
    buffers = 4 * (_BATCH_TOKENS * (4 * card.shape.hidden + 3 * card.shape.ffn) + card.shape.vocab)
    if not gpu_layers:
        parts = {"weights": weights, "cache": cache, "buffers": buffers}
        return _footprint({**parts, "program": _PROGRAM_BYTES})
    share = min(1.0, gpu_layers / (card.shape.layers + 1))
    above = int(share * (weights + cache)) + buffers
    parts = {"weights": weights - int(share * weights), "cache": cache - int(share * cache)}
    return _footprint({**parts, "program": _PROGRAM_BYTES}, dedicated=above)


def weight_bytes(card: ModelCard, variant: Variant) -> int:
    """Of the model's files: their size, or what their quantisation makes of so many parameters."""
    if variant.planned_bytes is not None:
        return variant.planned_bytes
    return int(card.params * bits_per_weight(card, variant) / 8)


def _cache_bytes(card: ModelCard, options: EngineOptions, cells: int) -> int:
    shape = card.shape
    share = _KV_SHARE.get(options.kv_type, 1.0)
    # Sliding-window layers keep all tokens too, unless the engine is told to keep the window only.
    per_token = shape.kv_bytes_per_token
    if shape.window and options.swa_cache == "full":
        per_token += shape.window_bytes // shape.window
        return int(cells * per_token * share) + options.parallel * shape.state_bytes
    window = options.parallel * shape.window_bytes
    return int((cells * per_token + window) * share) + options.parallel * shape.state_bytes


def _footprint(parts: dict[str, int], dedicated: int = 0) -> Footprint:
    total = sum(parts.values())
    return Footprint(total, dedicated, total, parts)
