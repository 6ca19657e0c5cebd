"""The mix: within its budget to the byte, better than llama.cpp's own type of that size, and a
killed search goes on where it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from edgellm.errors import QuantCancelled, QuantError
from edgellm.store.gguf_header import read_header
from edgellm_quant import divergence, mix
from edgellm_quant.gguf import quantise
from edgellm_quant.reference import Reference
from edgellm_quant.spec import Recipe
from tests.quant.mix_support import TEXT, matrix_of, write_deep_model

Measure = Callable[[Path], float]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deep_model(tmp_path_factory.mktemp("mix") / "deep.gguf", 4)


@pytest.fixture(scope="module")
def reference(source: Path) -> Reference:
    return Reference.make(source, TEXT, source.parent / "reference", context=64, most_windows=4)


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
    for budget in (170_000, 200_000, 260_000):
        found = mix.choose(header, rated, budget)
        made = quantise(source, tmp_path / "made.gguf", found.recipe)
        assert made.stat().st_size == found.size_bytes <= budget
        assert found.size_bytes > 0.97 * budget
        chosen = {override.pattern: override.type for override in found.recipe.overrides}
        for name, type_ in types_of(made).items():
            assert chosen.get(f"^{re.escape(name)}$", "F32") == type_
        assert divergence.measure(made, reference).kld_mean < 2 * found.loss + 1e-4


def test_more_bytes_never_lose_more(source: Path, rated: tuple[mix.Rated, ...]) -> None:
    header = read_header(source)
    losses = [mix.choose(header, rated, budget).loss for budget in range(170_000, 900_000, 50_000)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0  # all of it fits as it is


def test_what_matters_more_gets_more_bits(rated: tuple[mix.Rated, ...], source: Path) -> None:
    """The embedding is the output too: nothing else changes a token as directly."""
    found = mix.choose(read_header(source), rated, 200_000)
    bits = {o.pattern: gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[o.type]] for o in found.recipe.overrides}
    share = {pattern: size / block for pattern, (block, size) in bits.items()}
    losses = {each.name: max(r.loss for r in each.ratings) for each in rated}
    assert max(losses, key=lambda name: losses[name]) == "token_embd.weight"
    assert share[r"^token_embd\.weight$"] >= sorted(share.values())[len(share) // 2]


def test_only_the_types_that_were_asked_for(
    source: Path, reference: Reference, measure: Measure, tmp_path: Path
) -> None:
    found = mix.best_mix(
        source,
        300_000,
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
        return mix.best_mix(
            source, 200_000, reference=reference, folder=tmp_path, measure=measure
        )

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
    by_source = dict(zip([each.name for each in rated], [each.ratings for each in rated], strict=True))
    types = types_of(made)
    assert not any(name.startswith("blk.3.") for name in types)
    assert "blk.3.attn_q.weight" in by_source
    for name, type_ in types.items():
        assert chosen.get(f"^{re.escape(name)}$", "F32") == type_


def test_a_bf16_source_with_a_matrix_and_measurements_in_children(
    pocket: Path, tmp_path: Path
) -> None:
    """All as it is used, on two tensors' worth of measurements."""
    source = quantise(pocket, tmp_path / "bf16.gguf", Recipe("BF16", can_requantise=True))
    matrix = matrix_of(source, tmp_path / "matrix.gguf")
    text = Reference.make(source, TEXT, tmp_path / "reference", context=64, most_windows=1)
    found = mix.quantisable(source)
    assert len(found) == 50
    recipe = mix.best_mix(
        source,
        3_500_000,
        reference=text,
        imatrix=matrix,
        measure=lambda path: float(len(path.name)),  # all alike
        folder=tmp_path,
    )
    made = quantise(source, tmp_path / "made.gguf", recipe, imatrix=matrix)
    assert 0.99 * 3_500_000 < made.stat().st_size <= 3_500_000
    assert mix._in_child(text, 1, 1, lambda: False)(made) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model", ["pocket", "outliers"])
def test_it_loses_a_fifth_less_than_llama_cpps_types_of_the_same_size(
    pocket: Path, tmp_path: Path, model: str
) -> None:
    from benches._pocket_texts import calibration_text, heldout_text
    from benches.mix import MEASURED, compare, with_outliers
    from edgellm_quant.calibrate import make_imatrix

    source = pocket if model == "pocket" else with_outliers(pocket, tmp_path / "outliers.gguf")
    imatrix = make_imatrix(source, tmp_path / "matrix.gguf", calibration_text())
    measured = Reference.make(source, MEASURED(), tmp_path / "measured", most_windows=8)
    held_out = Reference.make(source, heldout_text(), tmp_path / "held-out")
    rows = compare(source, ("Q3_K_M", "Q4_K_M", "Q5_K_M"), imatrix, measured, held_out, tmp_path)
    for row in rows:
        assert row.mix_bytes <= row.stock_bytes
        assert row.mix_kld <= 0.8 * row.stock_kld, row
