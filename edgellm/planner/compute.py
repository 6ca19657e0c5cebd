"""Bytes of llama.cpp's compute buffer: what one step needs between its input and its logits.

The real size comes out of an allocator that places a graph's tensors (ggml-alloc.c). These terms
reproduce what it reserves for dense models, mixtures of experts and sliding windows within a few
per cent: found with `no_alloc` loads of twelve shapes from 0.1B to 8B, and explained by the
largest set of tensors that live at a time. Not known: encoders, vision, recurrent layers' scans.
"""

from __future__ import annotations

from edgellm.backends.base import Limits
from edgellm.planner.facts import Layer, ModelFacts
from edgellm.types import EngineOptions

_F32 = 4
_INPUT_VALUES = 8  # of one token: its id, its position, where its keys and values go
_QUANTISED = 292 / 256  # bytes of a value that is made ready for a product with quantised weights


def compute_bytes(facts: ModelFacts, options: EngineOptions, limits: Limits) -> int:
    """Of the largest step: a full batch of prompts over a full cache."""
    tokens = _reserved_tokens(limits)
    widest = max((_values(facts.width, layer) for layer in facts.layers), default=0)
    values = tokens * (widest + _INPUT_VALUES)
    if options.flash_attention == "off":
        values = max(values, tokens * _unfused_values(facts, padded_cells(limits.num_cells)))
    values = max(values, limits.outputs * facts.vocab)
    work = tokens * max((layer.ffn for layer in facts.layers), default=0) * _QUANTISED
    return values * _F32 + mask_bytes(facts, options, limits) + int(work)


def mask_bytes(facts: ModelFacts, options: EngineOptions, limits: Limits) -> int:
    """Who may see whom: a value for each pair of a token and a cell, in each kind of cache."""
    size = _F32 if options.flash_attention == "off" else 2
    if not facts.is_causal:
        return limits.batch_tokens**2 * size
    kinds = {layer.has_window for layer in facts.layers if layer.kv_heads}
    cells = sum(num_cells(facts, options, limits, has_window=kind) for kind in kinds)
    return _reserved_tokens(limits) * cells * size


def num_cells(
    facts: ModelFacts, options: EngineOptions, limits: Limits, *, has_window: bool
) -> int:
    """Tokens that a layer's cache holds; a window is kept for each sequence, and a batch more."""
    cells = padded_cells(limits.num_cells)
    if not (has_window and facts.window and options.swa_cache == "window"):
        return cells
    return padded_cells(min(cells, facts.window * limits.num_slots + limits.batch_tokens))


def padded_cells(count: int) -> int:
    """llama.cpp's caches are a multiple of 256 cells."""
    return -(-count // 256) * 256


def _reserved_tokens(limits: Limits) -> int:
    """Of a step, as llama.cpp reserves it: so many for each sequence, rounded up."""
    tokens = min(limits.batch_tokens, padded_cells(limits.num_cells))
    return -(-tokens // limits.num_slots) * limits.num_slots


def _values(width: int, layer: Layer) -> int:
    """Of one token, at the layer's widest place: its feed-forward part, or its attention."""
    queries = layer.heads * layer.key_length
    attention = 2 * layer.attention_width + 2 * width
    feed_forward = 3 * layer.ffn + 3 * width + min(width, queries or width)
    if not layer.num_used_experts:
        return max(attention, feed_forward)
    answers = layer.num_used_experts * width  # of all experts; the weighted ones need a new place
    gap = 2 * layer.ffn  # unless they fit where the hidden values lay
    return max(attention, feed_forward, gap + answers + (answers if gap < answers else 0))


def _unfused_values(facts: ModelFacts, cells: int) -> int:
    """Of one token without flash attention: a score for each head and cell."""
    return max(
        (
            layer.heads * cells + 3 * layer.attention_width + facts.width
            for layer in facts.layers
            if layer.kv_heads
        ),
        default=0,
    )
