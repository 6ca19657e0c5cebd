"""The bytes that a token touches, for dense models, experts, windows and states."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from benches.synthetic import synthetic_model
from edgellm.assets import builtin_model
from edgellm.catalog.card import ModelCard, Shape, Variant
from edgellm.planner.card_facts import facts_of_card
from edgellm.planner.facts import Layer, ModelFacts
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.traffic import decode_bytes, decode_tokens_per_second
from edgellm.store.gguf_header import read_header

LAYER = Layer(8, 2, 64, 64, 2048)


def test_a_dense_tied_model_reads_all_of_itself() -> None:
    facts = facts_of_header(read_header(builtin_model()))
    assert decode_bytes(facts, 0) == facts.weight_bytes
    assert decode_bytes(facts, 100) - decode_bytes(facts, 0) == 100 * 3584
    assert decode_bytes(facts, 32, "q8_0") - facts.weight_bytes == 32 * 3584 // 64 * 34


def test_experts_that_rest_are_not_read(tmp_path: Path) -> None:
    facts = facts_of_header(read_header(synthetic_model("tiny-moe", "F16", folder=tmp_path)))
    experts = sum(w.size_bytes for w in facts.weights if "_exps." in w.name)
    assert facts.experts == 8
    assert decode_bytes(facts, 0) == facts.weight_bytes - experts * 6 // 8


def test_a_window_bounds_what_is_read() -> None:
    facts = ModelFacts("gemma3", 512, 100, 4096, (LAYER, replace(LAYER, has_window=True)), (), 64)
    assert decode_bytes(facts, 1000) == 512 * (1000 + 64)


def test_a_state_is_read_and_written() -> None:
    facts = ModelFacts("mamba", 512, 100, 4096, (Layer(state_values=50),), ())
    assert decode_bytes(facts, 1000) == 400


@pytest.mark.parametrize(
    ("shape", "params", "read"),
    [
        (Shape(2, 256, 4, 4, 64, 1000, 512, True), 1_310_720 + 256_000, 1_566_720),
        (Shape(2, 256, 4, 4, 64, 1000, 512, False), 1_310_720 + 512_000, 1_566_720 + 256),
        (Shape(2, 256, 4, 4, 64, 1000, decode_params=1_000_000), 8_000_000, 1_000_000),
    ],
)
def test_a_card_says_what_is_read(shape: Shape, params: int, read: int) -> None:
    card = ModelCard("x", params, 4096, "MIT", shape, ())
    found = decode_bytes(facts_of_card(card, Variant("llama_cpp", "F16")), 0)
    assert found == pytest.approx(2 * read, rel=0.01)


def test_speed_falls_with_what_is_read_and_never_ends_at_nothing() -> None:
    facts = ModelFacts("llama", 512, 100, 4096, (LAYER,) * 10, ())
    slow, fast = (decode_tokens_per_second(facts, speed, 1000) for speed in (1e9, 1e10))
    assert slow < fast < decode_tokens_per_second(facts, 1e10, 10) < 1 / 0.001
