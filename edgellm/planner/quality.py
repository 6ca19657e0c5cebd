"""How good a model still is in a quantisation: points out of 100, on the catalogue's one scale.

    score = published score - 18.7 x KLD ** 0.75

KLD is the mean Kullback-Leibler divergence from the unquantised model, as llama.cpp publishes it
for Llama-3-8B (tools/perplexity/README.md, with an importance matrix where there is a figure). The
curve goes through the two end-task checks that mlx-lm publishes (BENCHMARKS.md, MMLU-Pro of
Qwen3-4B-Instruct-2507 and Qwen3-30B-A3B-Instruct-2507): their mean loss is 0.2 points at 8 bits,
0.4 at 6 and 2.6 at 4 plain bits, the curve's 0.1, 0.4 and 2.6. Where nothing is published, the
nearest plain 4-bit format counts: nobody's format is taken to be better than what was measured.
Mixes that give some tensors more bits than a published one (`Q4_K_XL`) count as that one.

What a model of its own loses is known where `edgellm quant` measured it: then that KLD takes the
place of the published one, which small models exceed several times. Their other quantisations move
along, between and beyond the measured ones at the published proportions; so what is published as
worse stays worse, and what was measured is not held against what was not. Other measures are for
people only: perplexity may fall by chance, and a text of its own has its own.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from math import exp, log

from edgellm.catalog.card import ModelCard, Variant

_POINTS = 18.7
_POWER = 0.75
_PLAIN_4_BIT = 0.0719  # Q4_0
_KLD = {
    "F32": 0.0,
    "F16": 0.0,
    "BF16": 0.0,
    "Q8_0": 0.00136,
    "Q6_K": 0.00545,
    "Q5_K_M": 0.0108,
    "Q5_K_S": 0.0166,
    "Q4_K_M": 0.0282,
    "Q4_K_S": 0.032,
    "IQ4_NL": 0.0357,
    "IQ4_XS": 0.0363,
    "Q4_1": 0.0717,
    "Q4_0": _PLAIN_4_BIT,
    "Q3_K_L": 0.0872,
    "Q3_K_M": 0.0844,
    "IQ3_M": 0.103,
    "IQ3_XXS": 0.184,
    "Q3_K_S": 0.228,
    "IQ2_M": 0.326,
    "Q2_K": 0.332,
    "q0f16": 0.0,
    "q0f32": 0.0,
    "q4f16_1": _PLAIN_4_BIT,  # MLC: groups of 32 with a scale each, as Q4_0
    "q4f32_1": _PLAIN_4_BIT,
    "q3f16_1": 0.228,  # as llama.cpp's plainest 3 bits, Q3_K_S
    "int4": _PLAIN_4_BIT,  # ORT-GenAI: blocks of 32 or 128
    "int8": 0.00136,  # blocks with a scale each, as Q8_0
    "fp16": 0.0,
    "a8w4": _PLAIN_4_BIT,  # Hailo: a scale for each channel
    "Q4_0-QAT": _PLAIN_4_BIT,  # trained for it; how much that wins back is not published
}
# Mixes of repositories' own making, by what they are at least as good as.
_AT_LEAST = {
    "FP32": "F32",
    "FP16": "F16",
    "Q8_K_XL": "Q8_0",
    "Q6_K_L": "Q6_K",
    "Q6_K_XL": "Q6_K",
    "Q5_K": "Q5_K_M",
    "Q5_K_L": "Q5_K_M",
    "Q5_K_XL": "Q5_K_M",
    "Q4_K": "Q4_K_M",
    "Q4_K_L": "Q4_K_M",
    "Q4_K_XL": "Q4_K_M",
    "Q3_K": "Q3_K_M",
    "Q3_K_XL": "Q3_K_L",
    "IQ3_XS": "IQ3_XXS",
    "IQ3_S": "IQ3_XXS",
    "Q2_K_L": "Q2_K",
    "Q2_K_XL": "Q2_K",
}


def quantisation_loss(quant: str) -> float:
    """Points that a model loses by it. An unknown format loses what plain 4 bits do."""
    return _points(_KLD.get(_published(quant), _PLAIN_4_BIT))


def loss(card: ModelCard, variant: Variant) -> float:
    """Points that this model loses by it, by all that was measured of the model."""
    return _points(divergence(card, variant))


def divergence(card: ModelCard, variant: Variant) -> float:
    """The KLD to reckon with: measured, or published and moved by what was measured."""
    measured = measured_divergence(variant)
    if measured is not None:
        return measured
    published = _KLD.get(_published(variant.quant), _PLAIN_4_BIT)
    return _moved(published, sorted(_anchors(card)))


def measured_divergence(variant: Variant) -> float | None:
    """What was measured of these very files; rounding makes that of a copy a little negative."""
    found = variant.measured.kld_mean if variant.measured is not None else None
    return None if found is None else max(0.0, found)


def _anchors(card: ModelCard) -> Iterator[tuple[float, float]]:
    """Published and measured KLD of the formats for which both are known."""
    for variant in card.variants:
        published = _KLD.get(_published(variant.quant), 0.0)
        measured = measured_divergence(variant)
        if published and measured:
            yield published, measured


def _moved(published: float, anchors: list[tuple[float, float]]) -> float:
    """A line through the anchors, straight in logarithms, and of slope 1 beyond them. It never
    falls: where less was measured of a format that is published as worse, the larger one counts."""
    if not anchors or not published:
        return published
    levels = [max(level for _, level in anchors[: n + 1]) for n in range(len(anchors))]
    at = bisect([place for place, _ in anchors], published)
    if at == 0:
        return levels[0] * published / anchors[0][0]
    below, here = anchors[at - 1][0], levels[at - 1]
    if at == len(anchors):
        return here * published / below
    share = log(published / below) / log(anchors[at][0] / below)
    return here * exp(share * log(levels[at] / here))


def _points(kld: float) -> float:
    return _POINTS * float(kld**_POWER)


def is_rated(quant: str) -> bool:
    """Whether it is known what a model loses by it, at most."""
    return _published(quant) in _KLD


def is_unquantised(quant: str) -> bool:
    """Whether it loses nothing, and takes 16 bits or more for it."""
    return _KLD.get(_published(quant)) == 0.0


def _published(quant: str) -> str:
    name = quant.removeprefix("UD-")
    return _AT_LEAST.get(name, name)


def score(card: ModelCard, variant: Variant) -> float | None:
    """Points of the model in that quantisation; None if nobody published any for the model."""
    return None if card.quality is None else card.quality - loss(card, variant)
