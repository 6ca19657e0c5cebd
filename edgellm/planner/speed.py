"""Tokens per second before anything is loaded.

    decode:   1 / (A + (weight bytes read + cache bytes read) / B)
    prefill:  FLOP/s / (2 x parameters used)

`B` is the rate at which this engine reads memory here, `A` what a token costs besides. Both come
from the measured bandwidth or a table of devices; what earlier runs here showed corrects them. Not
known: heat, other programs, and how a GPU shares the bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from edgellm.catalog.card import Backend, ModelCard, Variant

# Bits of a weight on average, where no size is known: llama.cpp's tools/quantize/README.md; MLC's
# and ORT-GenAI's formats are 4 bits and a scale of 16 for each 32 weights.
_BITS = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.7,
    "Q4_K_M": 4.89,
    "Q4_1": 5.1,
    "Q4_0": 4.64,
    "Q4_0-QAT": 4.64,
    "Q3_K_M": 4.0,
    "Q2_K": 3.16,
    "q0f16": 16.0,
    "q0f32": 32.0,
    "q4f16_1": 4.5,
    "q4f32_1": 5.0,
    "q3f16_1": 3.6,  # ten in 32 bits, and a scale for forty
    "int4": 4.5,
    "int8": 8.5,
    "fp16": 16.0,
    "a8w4": 4.5,
}
_KV_BYTES = {"f32": 2.0, "f16": 1.0, "bf16": 1.0, "q8_0": 8.5 / 16, "q5_1": 6 / 16}
_KV_BYTES |= {"q5_0": 5.5 / 16, "q4_1": 5 / 16, "q4_0": 4.5 / 16, "iq4_nl": 4.5 / 16}
# Recurrent layers compute more than they read: Qwen3.5 on a Raspberry Pi 5 and an M4 Pro reached
# 0.76 to 0.90 of what this formula says (facts: hardware, section 1).
HYBRID_FACTOR = 0.85


class Rate(Struct, frozen=True):
    """How fast a runtime computes on a device."""

    bytes_per_second: float  # B
    seconds_per_token: float = 0.0  # A
    source: str = ""  # for people: "measured here", "published for ...", "assumed"
    is_least: bool = False  # at least that fast: nothing better is known
    flops_per_second: float | None = None  # of matrix products over many tokens


class Measured(Struct, frozen=True):
    """What a model did here, beside what was predicted."""

    model: str  # the card's id
    quant: str
    backend: Backend
    device: str  # its name; empty = the CPU
    predicted_tokens_per_second: float
    measured_tokens_per_second: float

    @property
    def ratio(self) -> float:
        return self.measured_tokens_per_second / self.predicted_tokens_per_second


def bits_per_weight(card: ModelCard, variant: Variant) -> float:
    """On average. Of a GGUF file its own, since small models have larger types in places."""
    size = variant.planned_bytes
    if variant.backend == "llama_cpp" and size is not None:
        return 8 * size / card.params
    return _BITS.get(variant.quant, _BITS["Q4_0"])


def bytes_per_token(
    card: ModelCard, variant: Variant, num_tokens: int, kv_type: str = "f16"
) -> float:
    """Read from memory to decode one token after `num_tokens` others."""
    shape = card.shape
    weights = (shape.decode_params or card.params) * bits_per_weight(card, variant) / 8
    window = shape.window_bytes * min(1.0, num_tokens / shape.window) if shape.window else 0
    cache = (shape.kv_bytes_per_token * num_tokens + window) * _KV_BYTES.get(kv_type, 1.0)
    return weights + cache + shape.state_bytes


def decode_tokens_per_second(
    card: ModelCard, variant: Variant, num_tokens: int, rate: Rate, kv_type: str = "f16"
) -> float:
    """Of one sequence that holds `num_tokens`. A vendor's figure for its own device goes first."""
    if variant.tokens_per_second is not None:
        return variant.tokens_per_second
    read = bytes_per_token(card, variant, num_tokens, kv_type) / rate.bytes_per_second
    return _factor(card) / (rate.seconds_per_token + read)


def split_tokens_per_second(
    card: ModelCard, variant: Variant, num_tokens: int, above: Rate, below: Rate, share: float
) -> float:
    """With a `share` (0..1) of the layers on a device and the others on the CPU."""
    read = bytes_per_token(card, variant, num_tokens)
    there = above.seconds_per_token + read / above.bytes_per_second
    here = below.seconds_per_token + read / below.bytes_per_second
    return _factor(card) / (share * there + (1 - share) * here)


def prefill_tokens_per_second(card: ModelCard, rate: Rate) -> float | None:
    """Of a long prompt; None where no compute was measured."""
    if rate.flops_per_second is None:
        return None
    return rate.flops_per_second / (2 * (card.shape.decode_params or card.params))


def correction(
    measured: Sequence[Measured], card: ModelCard, variant: Variant, device: str
) -> float:
    """By what to multiply a prediction: this file's last ratio, or all files' median here."""
    here = [m for m in measured if m.backend == variant.backend and m.device == device]
    same = [m for m in here if (m.model, m.quant) == (card.id, variant.quant)]
    if same:
        return same[-1].ratio
    return median(m.ratio for m in here) if here else 1.0


def _factor(card: ModelCard) -> float:
    return HYBRID_FACTOR if card.shape.state_bytes > 0 else 1.0
