"""The divergence of real quantised files: llama-perplexity's figures.

Made with, for each file:

    llama-quantize pocket.gguf FILE TYPE 1
    llama-perplexity -m pocket.gguf -f evaluation.txt -c 512 -b 512 -t 1 --chunks 8 \
        --kl-divergence-base base
    llama-perplexity -m FILE -f evaluation.txt -c 512 -b 512 -t 1 --chunks 8 --kl-divergence \
        --kl-divergence-base base

of the version that llama-cpp-python 0.3.36 comes with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgellm_quant import divergence
from edgellm_quant.distributions import Comparison
from edgellm_quant.reference import Reference
from edgellm_quant.texts import evaluation_text

from edgellm.errors import QuantCancelled, QuantError
from tests.quant.support import Q4_K_M, Q8_0, quantise
from tests.support.tiny_model import write_tiny_model

# ppl, kld mean, p90, p99, max, top-1 share, RMS of the change of p
GOLDEN = {
    Q8_0: (2576.603425, 0.004429, 0.009624, 0.049853, 0.199659, 0.95686, 0.00770),
    Q4_K_M: (2498.205629, 0.165480, 0.413956, 1.503353, 3.074605, 0.72402, 0.05329),
}
REFERENCE_PERPLEXITY = 2558.1058


@pytest.fixture(scope="module")
def reference(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("references")
    return Reference.compute(pocket, evaluation_text(), folder, most_windows=8)


@pytest.mark.parametrize("file_type", GOLDEN)
def test_the_figures_are_llama_perplexitys(
    pocket: Path, reference: Reference, tmp_path: Path, file_type: int
) -> None:
    loss = divergence.measure(quantise(pocket, tmp_path / "q.gguf", file_type), reference)
    perplexity, *rest = GOLDEN[file_type]
    assert loss.num_tokens == 8 * 255
    assert loss.perplexity == pytest.approx(perplexity, rel=1e-3)
    assert loss.reference_perplexity == pytest.approx(REFERENCE_PERPLEXITY, rel=1e-3)
    measured = (
        loss.kld_mean,
        loss.kld_p90,
        loss.kld_p99,
        loss.kld_max,
        loss.top1,
        loss.delta_p_rms,
    )
    assert measured == pytest.approx(rest, rel=1e-2)


def test_the_reference_is_no_different_from_itself(pocket: Path, reference: Reference) -> None:
    told: list[tuple[int, int]] = []
    loss = divergence.measure(
        pocket, reference, most_windows=2, on_progress=lambda *done: told.append(done)
    )
    assert loss.kld_max < 1e-5
    assert loss.top1 == 1
    assert loss.perplexity == pytest.approx(loss.reference_perplexity)
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_another_vocabulary_is_another_model(reference: Reference, tiny_model: Path) -> None:
    with pytest.raises(QuantError, match="260 tokens and its reference 4096"):
        divergence.measure(tiny_model, reference)


def test_it_stops_when_it_is_told_to(pocket: Path, reference: Reference) -> None:
    with pytest.raises(QuantCancelled):
        divergence.measure(pocket, reference, is_cancelled=lambda: True)


@pytest.mark.parametrize("architecture", ["mamba", "lfm2", "gemma3"])
def test_other_architectures(tmp_path: Path, architecture: str) -> None:
    source = write_tiny_model(tmp_path / "f32.gguf", architecture=architecture)
    other = write_tiny_model(tmp_path / "other.gguf", architecture=architecture, seed=1)
    text = evaluation_text()
    made = Reference.compute(source, text, tmp_path, context=64, most_windows=4)
    assert divergence.measure(source, made).kld_max < 1e-5
    assert divergence.measure(other, made).kld_mean > 0.1


def test_the_summary_counts_every_position_once() -> None:
    parts = [
        Comparison(
            kld=np.array([0.0, 0.1]),
            is_same_best=np.array([True, False]),
            nll=np.array([1.0, 2.0]),
            reference_nll=np.array([1.0, 1.0]),
        ),
        Comparison(
            kld=np.array([0.2]),
            is_same_best=np.array([True]),
            nll=np.array([3.0]),
            reference_nll=np.array([1.0]),
        ),
    ]
    loss = divergence.summarise(parts)
    assert loss.num_tokens == 3
    assert loss.kld_mean == pytest.approx(0.1)
    assert loss.kld_p90 == pytest.approx(0.18)
    assert loss.kld_max == 0.2
    assert loss.top1 == pytest.approx(2 / 3)
    assert loss.perplexity == pytest.approx(np.e**2)
    assert loss.reference_perplexity == pytest.approx(np.e)
