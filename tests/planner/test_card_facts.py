"""Facts from a card against those of the file that it describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches._shapes import SHAPES
from benches.synthetic import synthetic_model
from edgellm.assets import builtin_model, catalog_file
from edgellm.catalog.card import ModelCard, ModelFile, Shape, Variant
from edgellm.catalog.load import load_catalog
from edgellm.planner.card_facts import facts_of_card
from edgellm.planner.facts import ModelFacts
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import Environment, estimate
from edgellm.store.gguf_header import read_header
from edgellm.types import EngineOptions

ARM = Environment(features=("neon", "dotprod"))
X86 = Environment(features=("avx2",))


def card_of(name: str, **shape: int) -> ModelCard:
    """A card for one of the benches' shapes."""
    made = SHAPES[name]
    values = {
        "layers": made.layers,
        "hidden": made.width,
        "heads": made.heads,
        "kv_heads": made.kv_heads,
        "head_dim": made.head_dim,
        "vocab": made.vocab,
        "ffn": made.ffn,
        "kv_bytes_per_token": made.layers * 4 * made.kv_heads * made.head_dim,
    }
    return ModelCard(name, 0, made.context, "MIT", Shape(**(values | shape)), ())


def with_params(card: ModelCard, facts: ModelFacts) -> ModelCard:
    params = sum(w.shape[0] * w.shape[1] for w in facts.weights if len(w.shape) == 2)
    params += sum(w.shape[0] * w.shape[1] * w.shape[2] for w in facts.weights if len(w.shape) == 3)
    return ModelCard(card.id, params, card.context, "MIT", card.shape, ())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("environment", [ARM, X86], ids=["arm", "x86"])
@pytest.mark.parametrize("quant", ["Q4_K_M", "Q4_0", "Q8_0"])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("tiny", {}),
        ("tiny-gemma", {"kv_bytes_per_token": 512, "window_bytes": 5 * 512 * 64, "window": 64}),
        ("tiny-moe", {"ffn": 512}),
    ],
)
def test_a_card_predicts_what_the_file_does(
    name: str, shape: dict[str, int], quant: str, environment: Environment, folder: Path
) -> None:
    path = synthetic_model(name, quant, folder=folder)
    exact = facts_of_header(read_header(path))
    variant = Variant("llama_cpp", quant, files=(ModelFile("x", path.stat().st_size),))
    facts = facts_of_card(with_params(card_of(name, **shape), exact), variant)
    assert facts.is_approximate
    for swa_cache in ("full", "window"):
        options = EngineOptions(context=2048, parallel=4, cache_ram=1, swa_cache=swa_cache)  # type: ignore[arg-type]
        guessed, known = (estimate(f, options, environment) for f in (facts, exact))
        assert guessed.kv == known.kv
        assert guessed.weights == pytest.approx(known.weights, rel=0.08)  # the tokenizer
        assert guessed.repacked == pytest.approx(known.repacked, rel=0.5 if "moe" in name else 0.3)
        assert guessed.total == pytest.approx(known.total, rel=0.03)


@pytest.mark.parametrize("quant", ["Q4_K_M", "Q8_0"])
def test_a_hybrids_card_knows_its_cache_and_its_states(quant: str, folder: Path) -> None:
    path = synthetic_model("tiny-hybrid", quant, folder=folder)
    exact = facts_of_header(read_header(path))
    state_bytes = 3 * 4 * (3 * 6144 + 2048 * 128)  # of three layers: convolution and state
    card = card_of("tiny-hybrid", kv_bytes_per_token=2048, state_bytes=state_bytes)
    variant = Variant("llama_cpp", quant, files=(ModelFile("x", path.stat().st_size),))
    facts = facts_of_card(with_params(card, exact), variant)
    options = EngineOptions(context=2048, parallel=4, cache_ram=1)
    guessed, known = (estimate(f, options, X86) for f in (facts, exact))
    assert (guessed.kv, guessed.state) == (known.kv, known.state) == (2048 * 8192, 4 * state_bytes)
    assert guessed.weights == pytest.approx(known.weights, rel=0.08)  # the tokenizer


def test_the_built_in_models_card_describes_its_file() -> None:
    card = load_catalog(catalog_file()).find("pocket")
    assert card is not None
    facts = facts_of_card(card, card.variants[0])
    exact = facts_of_header(read_header(builtin_model()))
    options = EngineOptions(context=512, parallel=2, cache_ram=1)
    guessed, known = (estimate(f, options, X86) for f in (facts, exact))
    assert guessed.kv == known.kv
    assert guessed.total == pytest.approx(known.total, rel=0.05)  # the card says no ffn


def test_an_expected_size_counts_as_a_pinned_one_does() -> None:
    """Qwen2.5 0.5B is tied, its makers' files are not: they are larger than its shape says."""
    card = load_catalog(catalog_file()).find("qwen2.5-0.5b")
    assert card is not None
    (variant,) = (v for v in card.variants if v.quant == "Q5_K_M")
    assert variant.size_bytes is None
    assert variant.expected_bytes is not None
    facts = facts_of_card(card, variant)
    assert facts.weight_bytes == pytest.approx(variant.expected_bytes, rel=0.001)


def test_states_and_odd_caches_add_up() -> None:
    shape = Shape(24, 1024, 8, 2, 256, 1000, 3584, True, 12_288, state_bytes=20_201_472)
    card = ModelCard("hybrid", 0, 32_768, "MIT", shape, ())
    facts = facts_of_card(card, Variant("llama_cpp", "Q8_0"))
    assert facts.is_recurrent
    options = EngineOptions(context=1024, parallel=1)
    found = estimate(facts, options, X86)
    assert found.kv == 12_288 * 1024
    assert found.state == pytest.approx(20_201_472, rel=0.001)
    odd = ModelCard(
        "mla", 0, 32_768, "MIT", Shape(27, 2048, 16, 16, 192, 1000, 0, True, 31_104), ()
    )
    facts = facts_of_card(odd, Variant("llama_cpp", "Q8_0"))
    assert estimate(facts, options, X86).kv == 31_104 * 1024


@pytest.mark.parametrize(
    ("quant", "kind"),
    [("Q4_0-QAT", "Q4_0"), ("UD-Q4_K_XL", "Q4_K"), ("f16", "F16"), ("unheard-of", "F16")],
)
def test_names_of_quantisations(quant: str, kind: str) -> None:
    facts = facts_of_card(card_of("tiny"), Variant("llama_cpp", quant))
    assert {w.type for w in facts.weights if w.name == "blk.0.ffn_up.weight"} == {kind}


def test_a_variant_may_have_a_shorter_context() -> None:
    assert facts_of_card(card_of("tiny"), Variant("hailo", "a8w4", context=2048)).context == 2048
