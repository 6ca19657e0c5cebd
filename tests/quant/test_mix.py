"""The mix: within its budget to the byte, better than llama.cpp's own type of that size, and a
killed search goes on where it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from edgellm_quant import divergence, mix
from edgellm_quant.gguf import quantise
from edgellm_quant.reference import Reference
from edgellm_quant.spec import Recipe

from edgellm.errors import QuantCancelled, QuantError
from edgellm.store.gguf_header import read_header
from edgellm.store.gguf_types import BY_NAME
from tests.quant.mix_support import TEXT, matrix_of, write_deep_model

Measure = Callable[[Path], float]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deep_model(tmp_path_factory.mktemp("mix") / "deep.gguf", 4)


@pytest.fixture(scope="module")
def reference(source: Path) -> Reference:
    return Reference.compute(source, TEXT, source.parent / "reference", context=64, most_windows=4)


@pytest.fixture
def measure(reference: Reference) -> Measure:
    return lambda path: divergence.measure(path, reference).kld_mean


def types_of(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in read_header(path).tensors}


@pytest.fixture(scope="module")
def rated(source: Path, reference: Reference) -> tuple[mix.Rated, ...]:
    return mix.rate(
        source,
        reference=reference,
        measure=lambda path: divergence.measure(path, reference).kld_mean,
    )


def test_the_file_is_what_was_foretold(
    source: Path, reference: Reference, rated: tuple[mix.Rated, ...], tmp_path: Path
) -> None:
    header = read_header(source)
    # What activations in 8 bits cost, whatever the weights are: much, in a random model.
    eight_bits = quantise(source, tmp_path / "Q8_0.gguf", Recipe("Q8_0"))
    noise = divergence.measure(eight_bits, reference).kld_mean
    for budget in (170_000, 200_000, 260_000):
        found = mix.choose(header, rated, budget)
        made = quantise(source, tmp_path / "made.gguf", found.recipe)
        assert made.stat().st_size == found.size_bytes <= budget
        assert found.size_bytes > 0.97 * budget
        chosen = {override.pattern: override.type for override in found.recipe.overrides}
        for name, type_ in types_of(made).items():
            assert chosen.get(f"^{re.escape(name)}$", "F32") == type_
        assert divergence.measure(made, reference).kld_mean < 1.5 * (found.loss + noise)


def test_more_bytes_never_lose_more(source: Path, rated: tuple[mix.Rated, ...]) -> None:
    header = read_header(source)
    losses = [mix.choose(header, rated, budget).loss for budget in range(170_000, 900_000, 50_000)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0  # all of it fits as it is


def test_what_matters_more_gets_more_bits(rated: tuple[mix.Rated, ...], source: Path) -> None:
    """The embedding is the output too: nothing else changes a token as directly."""
    found = mix.choose(read_header(source), rated, 200_000)
    share = {o.pattern: BY_NAME[o.type].num_bytes(256) for o in found.recipe.overrides}
    losses = {each.name: max(r.loss for r in each.ratings) for each in rated}
    assert max(losses, key=lambda name: losses[name]) == "token_embd.weight"
    assert share[r"^token_embd\.weight$"] >= sorted(share.values())[len(share) // 2]


def test_only_the_types_that_were_asked_for(
    source: Path, reference: Reference, measure: Measure, tmp_path: Path
) -> None:
    found = mix.best_mix(
        source,
        150_000,
        reference=reference,
        types=("Q5_0", "Q8_0"),
        folder=tmp_path,
        measure=measure,
    )
    assert {override.type for override in found.overrides} == {"Q5_0", "Q8_0"}


def test_a_budget_below_the_smallest_types_is_an_error(
    source: Path, rated: tuple[mix.Rated, ...]
) -> None:
    with pytest.raises(QuantError, match="The budget leaves") as caught:
        mix.choose(read_header(source), rated, 100_000)
    assert "prune" in caught.value.hint


def test_a_stopped_search_goes_on_where_it_was(
    source: Path, reference: Reference, measure: Measure, tmp_path: Path
) -> None:
    measured: list[Path] = []

    def counted(path: Path) -> float:
        measured.append(path)
        return measure(path)

    def search(is_cancelled: Callable[[], bool]) -> Recipe:
        return mix.best_mix(
            source,
            200_000,
            reference=reference,
            folder=tmp_path,
            measure=counted,
            is_cancelled=is_cancelled,
        )

    with pytest.raises(QuantCancelled):
        search(lambda: len(measured) == 7)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]  # what is measured, no copy
    (copy,) = set(measured)
    copy.write_bytes(b"what a killed process left")
    first = search(lambda: False)
    assert len(measured) == len(first.overrides) + 1  # each tensor once, and all of them together
    assert search(lambda: False) == first
    assert len(measured) == len(first.overrides) + 1


def test_damaged_measurements_are_made_anew(
    source: Path, reference: Reference, measure: Measure, tmp_path: Path
) -> None:
    def search() -> Recipe:
        return mix.best_mix(source, 200_000, reference=reference, folder=tmp_path, measure=measure)

    first = search()
    (memory,) = tmp_path.glob("*.json")
    memory.write_bytes(memory.read_bytes()[:40])
    assert search() == first


def test_without_the_pruned_blocks_names_and_sizes_are_the_new_ones(
    source: Path, rated: tuple[mix.Rated, ...], tmp_path: Path
) -> None:
    found = mix.choose(read_header(source), rated, 160_000, pruned_blocks=(1,))
    made = quantise(source, tmp_path / "made.gguf", found.recipe)
    assert made.stat().st_size == found.size_bytes <= 160_000
    chosen = {override.pattern: override.type for override in found.recipe.overrides}
    types = types_of(made)
    assert not any(name.startswith("blk.3.") for name in types)
    assert "blk.3.attn_q.weight" in {each.name for each in rated}
    for name, type_ in types.items():
        assert chosen.get(f"^{re.escape(name)}$", "F32") == type_


def test_a_bf16_source_with_a_matrix_measured_in_a_child(source: Path, tmp_path: Path) -> None:
    narrow = quantise(source, tmp_path / "bf16.gguf", Recipe("BF16"))
    matrix = matrix_of(narrow, tmp_path / "matrix.gguf")
    text = Reference.compute(narrow, TEXT, tmp_path / "reference", context=64, most_windows=1)
    measured: list[float] = []

    def measure(path: Path) -> float:
        """The first one is measured as it is in earnest."""
        here = divergence.measure(path, text).kld_mean
        if not measured:
            assert mix._in_child(text, 1, 1, lambda: False)(path) == pytest.approx(here, abs=1e-6)
        measured.append(here)
        return here

    recipe = mix.best_mix(narrow, 130_000, reference=text, imatrix=matrix, measure=measure)
    made = quantise(narrow, tmp_path / "made.gguf", recipe, imatrix=matrix)
    assert 0.98 * 130_000 < made.stat().st_size <= 130_000


def test_measurements_that_say_nothing_are_an_error(
    source: Path, reference: Reference, tmp_path: Path
) -> None:
    with pytest.raises(QuantError, match="no tensor from another"):
        mix.best_mix(
            source, 200_000, reference=reference, folder=tmp_path, measure=lambda _path: 0.0
        )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", ["pocket", "outliers"])
def test_it_loses_a_fifth_less_than_llama_cpps_types_of_the_same_size(
    pocket: Path, tmp_path: Path, model: str
) -> None:
    from benches.mix import compare, prepare, with_outliers

    source = pocket if model == "pocket" else with_outliers(pocket, tmp_path / "outliers.gguf")
    given = prepare(source, tmp_path, most_windows=16)
    rows = compare(source, ("Q3_K_M", "Q4_K_M", "Q5_K_M"), given, tmp_path)
    for row in rows:
        assert row.mix_bytes <= row.stock_bytes
        assert row.mix_kld <= 0.8 * row.stock_kld, row


def test_outlier_channels_change_nothing_but_the_weights(pocket: Path, tmp_path: Path) -> None:
    """So that the model above is as good as the one that it was made of."""
    from benches.mix import with_outliers

    source = with_outliers(pocket, tmp_path / "outliers.gguf")
    text = Reference.compute(pocket, TEXT, tmp_path, context=128, most_windows=2)
    assert divergence.measure(source, text).kld_mean < 1e-5
    assert source.read_bytes() != pocket.read_bytes()
