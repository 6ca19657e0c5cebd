"""What a variant takes in memory: the plan's view of it.

For llama.cpp tensor by tensor (`estimator`, by `memory.py`); for other runtimes from what their
makers publish (`card_footprint`), which also tells in no time what is far too large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from edgellm.catalog.card import ModelCard, Variant
from edgellm.planner.card_facts import facts_of_card
from edgellm.planner.facts import ModelFacts
from edgellm.planner.memory import Breakdown, Environment, estimate
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


Correct: TypeAlias = Callable[[ModelCard, Variant, EngineOptions, int, Breakdown], Breakdown]
# The facts of a file whose header was read; None = the card must do.
Exact: TypeAlias = Callable[[Variant], ModelFacts | None]


def estimator(
    environment: Environment, correct: Correct | None = None, exact: Exact | None = None
) -> Estimator:
    """What llama.cpp would take, from the header or from the shape on the card; other runtimes as
    they publish it.

    Args:
        environment: the cache of computed prompts is elastic: without `available_bytes` only the
            least of it is counted.
        correct: applies what was measured here before.
        exact: is asked once for each variant.
    """
    facts: dict[int, ModelFacts] = {}  # by the identity of a variant, which outlives a plan

    def footprint(
        card: ModelCard, variant: Variant, options: EngineOptions, gpu_layers: int
    ) -> Footprint:
        if variant.backend != "llama_cpp":
            return card_footprint(card, variant, options, gpu_layers)
        if id(variant) not in facts:
            known = exact(variant) if exact is not None else None
            facts[id(variant)] = known or facts_of_card(card, variant)
        found = estimate(facts[id(variant)], options, environment, gpu_layers=gpu_layers)
        if correct is not None:
            found = correct(card, variant, options, gpu_layers, found)
        return footprint_of(found)

    return footprint


def footprint_of(breakdown: Breakdown) -> Footprint:
    """The plan's view of it."""
    parts = {
        "weights": breakdown.weights,
        "repacked weights": breakdown.repacked,
        "cache": breakdown.kv + breakdown.state,
        "buffers": breakdown.compute + breakdown.logits,
        "computed prompts": breakdown.host_cache,
        "program": breakdown.runtime,
        "learned": breakdown.learned,
    }
    used = {name: size for name, size in parts.items() if size}
    return Footprint(breakdown.needed, breakdown.dedicated, breakdown.total, used)


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
