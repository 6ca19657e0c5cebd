"""Tokens per second: the formula, its parts, and which rate it is given."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgellm.catalog.card import ModelCard, ModelFile, Shape, Variant
from edgellm.hardware.profile import Bandwidth, Device, HardwareProfile
from edgellm.planner import speed
from edgellm.planner.quality import quantisation_loss, score
from edgellm.planner.rates import decode_threads, rate_of
from edgellm.planner.speed import Measured, Rate
from edgellm.planner.traffic import READ_SHARE
from tests.planner.devices import PI_5, Known

SHAPE = Shape(layers=10, hidden=64, heads=1, kv_heads=1, head_dim=64, vocab=99)
VARIANT = Variant("llama_cpp", "Q4_0", source="hf:o/r", files=(ModelFile("f", 500_000_000),))
CARD = ModelCard("m", 1_000_000_000, 8192, "MIT", SHAPE, (VARIANT,), quality=50)
RATE = Rate(10e9, 0.010)
GPU = Device("gpu", "nvidia", "G", "unified", apis=("cuda",))
MLC = Known(100e9, 0.002, "mlc", "gpu", "MLC int4")


def decode(card: ModelCard = CARD, tokens: int = 0, rate: Rate = RATE) -> float:
    return speed.decode_tokens_per_second(card, VARIANT, tokens, rate)


def test_bytes_over_bandwidth_and_a_fixed_cost() -> None:
    assert decode() == pytest.approx(1 / (0.010 + 0.050))
    idle_experts = replace(CARD, shape=replace(SHAPE, decode_params=100_000_000))
    assert decode(idle_experts) == pytest.approx(1 / (0.010 + 0.005))


def test_the_cache_is_read_too() -> None:
    cached = replace(CARD, shape=replace(SHAPE, kv_bytes_per_token=100_000))
    assert decode(cached, 1000) == pytest.approx(1 / (0.010 + 0.060))
    window = replace(CARD, shape=replace(SHAPE, window=100, window_bytes=100_000_000))
    assert decode(window, 50) == pytest.approx(1 / (0.010 + 0.055))
    assert decode(window, 5000) == pytest.approx(1 / (0.010 + 0.060))
    half = speed.bytes_per_token(cached, VARIANT, 1000, "q8_0") - 500e6
    assert half == pytest.approx(100e6 * 8.5 / 16)


def test_recurrent_models_are_slower_than_their_bytes() -> None:
    hybrid = replace(CARD, shape=replace(SHAPE, state_bytes=1))
    assert decode(hybrid) == pytest.approx(0.85 * decode())


def test_a_vendors_figure_goes_first() -> None:
    own = replace(VARIANT, tokens_per_second=7.5)
    assert speed.decode_tokens_per_second(CARD, own, 0, RATE) == 7.5


def test_a_size_that_is_not_known_comes_from_the_bits() -> None:
    unknown = replace(VARIANT, files=(), quant="Q8_0")
    assert speed.bytes_per_token(CARD, unknown, 0) == pytest.approx(1e9 * 8.5 / 8)


def test_layers_on_two_devices_add_their_times() -> None:
    fast, slow = Rate(100e9, 0.001), Rate(10e9, 0.010)
    found = speed.split_tokens_per_second(CARD, VARIANT, 0, fast, slow, 0.5)
    assert found == pytest.approx(1 / (0.5 * (0.001 + 0.005) + 0.5 * (0.010 + 0.050)))


def test_prefill_needs_measured_compute() -> None:
    assert speed.prefill_tokens_per_second(CARD, RATE) is None
    assert speed.prefill_tokens_per_second(CARD, replace(RATE, flops_per_second=4e11)) == 200


def test_corrections() -> None:
    other = Measured("other", "Q4_0", "llama_cpp", "", 10, 8)
    same = Measured("m", "Q4_0", "llama_cpp", "", 10, 5)
    assert speed.correction((), CARD, VARIANT, "") == 1
    assert speed.correction((other,), CARD, VARIANT, "") == 0.8
    assert speed.correction((other, same), CARD, VARIANT, "") == 0.5
    assert speed.correction((other, same), CARD, VARIANT, "G") == 1


def test_the_cpus_rate() -> None:
    assumed = rate_of(HardwareProfile(), "llama_cpp", None, ())
    assert (assumed.bytes_per_second, assumed.is_least) == (10e9, True)
    published = rate_of(HardwareProfile(), "llama_cpp", None, (PI_5,))
    assert (published.bytes_per_second, published.seconds_per_token) == (10.5e9, 0.017)
    profile = HardwareProfile(bandwidth=Bandwidth(30e9 / READ_SHARE, "measured"))
    measured = rate_of(profile, "llama_cpp", None, (PI_5,))
    assert measured.bytes_per_second == pytest.approx(30e9)
    assert measured.seconds_per_token == 0.017
    table = HardwareProfile(bandwidth=Bandwidth(99e9, "table"))  # perhaps of its GPU
    assert rate_of(table, "llama_cpp", None, (MLC,)).bytes_per_second == 10e9
    assert rate_of(profile, "ort_genai", None, ()).bytes_per_second == pytest.approx(18e9)
    assert (decode_threads((MLC, PI_5)), decode_threads((MLC,))) == (3, 0)


def test_the_gpus_rate() -> None:
    profile = HardwareProfile(bandwidth=Bandwidth(30e9 / READ_SHARE, "measured"))
    assert rate_of(profile, "mlc", GPU, (MLC,)).bytes_per_second == 100e9
    other = rate_of(profile, "llama_cpp", GPU, (MLC,))
    assert other.bytes_per_second == pytest.approx(60e9)
    assert "with mlc" in other.source
    unknown = rate_of(profile, "llama_cpp", GPU, ())
    assert unknown.bytes_per_second == pytest.approx(30e9)
    assert unknown.is_least
    shared = rate_of(profile, "llama_cpp", replace(GPU, memory_kind="shared"), ())
    assert shared.bytes_per_second == pytest.approx(18e9)


def test_the_loss_of_a_quantisation_follows_published_checks() -> None:
    """mlx-lm's two MMLU-Pro checks: means of 0.18, 0.37 and 2.62 points."""
    assert quantisation_loss("F16") == 0
    assert quantisation_loss("Q8_0") == pytest.approx(0.18, abs=0.06)
    assert quantisation_loss("Q6_K") == pytest.approx(0.37, abs=0.06)
    assert quantisation_loss("Q4_0") == pytest.approx(2.62, abs=0.06)
    order = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")
    losses = [quantisation_loss(quant) for quant in order]
    assert losses == sorted(losses)
    assert quantisation_loss("brand-new") == quantisation_loss("Q4_0")


def test_scores() -> None:
    assert score(CARD, VARIANT) == 50 - quantisation_loss("Q4_0")
    assert score(replace(CARD, quality=None), VARIANT) is None
