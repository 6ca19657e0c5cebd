"""The loss of a quantisation: published, or measured of the very file, and then of its siblings."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgellm.catalog.card import Catalog, Measured, ModelCard, Variant
from edgellm.hardware.profile import Cpu
from edgellm.planner.goal import Goal, Plan
from edgellm.planner.quality import divergence, loss, quantisation_loss, score
from edgellm.planner.runtime import Runtime
from tests.planner.test_plan import BOARD, card, make

ORDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q4_0", "Q3_K_S", "Q2_K")  # as published


def variant(quant: str, kld: float | None = None) -> Variant:
    measured = None if kld is None else Measured(kld_mean=kld)
    return Variant("llama_cpp", quant, source="hf:o/r", measured=measured)


def model(**klds: float | None) -> ModelCard:
    return card("m", 1e9, variants=tuple(variant(quant, kld) for quant, kld in klds.items()))


def test_without_a_measurement_the_published_one_counts() -> None:
    plain = model(**dict.fromkeys(ORDER))
    for each in plain.variants:
        assert loss(plain, each) == quantisation_loss(each.quant)


def test_what_the_tool_makes_for_other_runtimes_is_in_the_table() -> None:
    order = ("fp16", "int8", "int4", "q3f16_1")
    losses = [quantisation_loss(quant) for quant in order]
    assert losses[0] == 0
    assert losses == sorted(losses)
    assert losses[2] == quantisation_loss("q4f16_1")


def test_a_measured_divergence_takes_the_place_of_the_published_one() -> None:
    own = model(Q4_K_M=0.1)
    assert divergence(own, own.variants[0]) == 0.1
    assert loss(own, own.variants[0]) == pytest.approx(18.7 * 0.1**0.75)
    assert score(own, own.variants[0]) == pytest.approx(40 - 18.7 * 0.1**0.75)


def test_a_mix_of_its_own_has_what_was_measured_of_it() -> None:
    own = replace(model(), variants=(variant("mix-3.0GiB", 0.01),))
    assert divergence(own, own.variants[0]) == 0.01


def test_the_others_move_along() -> None:
    """Three times the published loss at 4 bits: three times at 8 bits, too."""
    own = model(Q8_0=None, Q4_K_M=3 * 0.0282, Q2_K=None, F16=None)
    klds = [divergence(own, each) for each in own.variants]
    assert klds == pytest.approx([3 * 0.00136, 3 * 0.0282, 3 * 0.332, 0])


def test_rounding_below_zero_is_no_gain() -> None:
    own = model(Q8_0=-1e-7)
    assert loss(own, own.variants[0]) == 0


@given(
    st.dictionaries(st.sampled_from(ORDER), st.floats(1e-5, 10), max_size=len(ORDER)),
)
def test_what_is_published_as_worse_stays_worse(measured: dict[str, float]) -> None:
    own = model(**{quant: measured.get(quant) for quant in ORDER})
    open_ = [each for each in own.variants if each.measured is None]
    klds = [divergence(own, each) for each in open_]
    assert all(a <= b * (1 + 1e-9) for a, b in itertools.pairwise(klds))
    if sorted(measured.values()) == [measured[quant] for quant in ORDER if quant in measured]:
        both = [divergence(own, each) for each in own.variants]
        assert all(a <= b * (1 + 1e-9) for a, b in itertools.pairwise(both))


def test_a_plan_follows_what_was_measured_and_says_so() -> None:
    """Nearly as good as 8 bits, at half the size: the plan would have taken Q8_0."""
    plain = card("m", 1e9)
    assert plain.variants[1].quant == "Q8_0"
    goal = Goal(model="m")
    before = make(goal, Catalog((plain,)))
    good = replace(plain.variants[0], quant="mix", measured=Measured(kld_mean=0.002))
    after = make(goal, Catalog((replace(plain, variants=(good, *plain.variants)),)))
    assert isinstance(before, Plan)
    assert isinstance(after, Plan)
    assert (before.variant.quant, after.variant.quant) == ("Q8_0", "mix")
    assert "whose loss was measured: KL divergence 0.002" in after.reasons[0]


def test_a_measured_speed_counts_on_devices_of_the_same_kind() -> None:
    board = replace(BOARD, board="Some Board", cpu=Cpu(num_cores=4))
    assert board.label == "Some Board, 4 cores"
    plain = card("m", 1e9)
    measured = Measured(device=board.label, decode_tokens_per_second=17.0)
    fast = replace(plain.variants[0], measured=measured)
    goal, catalog = Goal(model="m", quant="Q4_K_M"), Catalog((replace(plain, variants=(fast,)),))
    here = make(goal, catalog, board)
    assert isinstance(here, Plan)
    # A little slower than measured, since more is in the cache.
    assert 15 < here.decode_tokens_per_second < 17
    assert here.full_tokens_per_second < here.decode_tokens_per_second
    assert any("this file was measured here" in words for words in here.reasons)
    elsewhere = make(goal, catalog, replace(board, board="Another Board"))
    unmeasured = make(goal, Catalog((plain,)), board)
    assert isinstance(elsewhere, Plan)
    assert isinstance(unmeasured, Plan)
    assert elsewhere.decode_tokens_per_second == unmeasured.decode_tokens_per_second
    gpu = (Runtime("llama_cpp", apis=("cpu", "cuda")),)  # it may have been measured on that
    unsure = make(goal, catalog, board, gpu)
    assert isinstance(unsure, Plan)
    assert unsure.decode_tokens_per_second == unmeasured.decode_tokens_per_second


def test_an_unknown_device_is_like_no_other() -> None:
    nobody = replace(BOARD, board=None, cpu=Cpu())
    assert nobody.label == ""
    plain = card("m", 1e9)
    measured = Measured(device="", decode_tokens_per_second=999.0)
    odd = replace(plain, variants=(replace(plain.variants[0], measured=measured),))
    found = make(Goal(model="m"), Catalog((odd,)), nobody)
    assert isinstance(found, Plan)
    assert found.decode_tokens_per_second < 100
