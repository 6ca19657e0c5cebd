"""Distributions that are kept small are compared like whole ones."""

from __future__ import annotations

import zipfile

import numpy as np
import numpy.typing as npt
import pytest
from edgellm_quant.distributions import TAIL, Comparer, Distributions, join, keep

from edgellm.errors import QuantError

Floats = npt.NDArray[np.float32]


def logits(seed: int, spread: float, rows: int = 20, vocab: int = 5000) -> Floats:
    return np.random.default_rng(seed).normal(0, spread, (rows, vocab)).astype(np.float32)


def log_softmax(values: Floats) -> npt.NDArray[np.float64]:
    exact = values.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    result: npt.NDArray[np.float64] = exact - np.log(np.exp(exact).sum(axis=1, keepdims=True))
    return result


def divergence(reference: Floats, other: Floats) -> npt.NDArray[np.float64]:
    p, q = log_softmax(reference), log_softmax(other)
    total: npt.NDArray[np.float64] = (np.exp(p) * (p - q)).sum(axis=1)
    return total


@pytest.mark.parametrize("spread", [0.1, 4.0, 12.0])  # flat, usual, all but certain
@pytest.mark.parametrize("change", [0.003, 0.3])
def test_the_divergence_is_the_true_one(spread: float, change: float) -> None:
    reference = logits(0, spread)
    other = reference + logits(1, change)
    came = np.arange(20)
    found = Comparer(keep(reference, came)).compare(other, came)
    true = divergence(reference, other)
    np.testing.assert_allclose(found.kld, true, rtol=2e-3, atol=2e-6)  # some from TAIL
    assert found.kld.mean() == pytest.approx(true.mean(), rel=1e-2)
    np.testing.assert_allclose(found.nll, -log_softmax(other)[came, came], rtol=1e-5)
    np.testing.assert_allclose(found.reference_nll, -log_softmax(reference)[came, came], rtol=1e-5)
    assert (found.is_same_best == (reference.argmax(1) == other.argmax(1))).all()


def test_only_what_is_likely_is_kept() -> None:
    kept = keep(logits(0, 8.0), np.zeros(20, np.int64))
    assert (kept.counts < 2500).all()
    assert (kept.tails <= TAIL).all()
    assert (kept.tails > 0).all()
    assert len(kept.ids) == len(kept.logprobs) == kept.counts.sum()


def test_a_flat_distribution_is_kept_whole_and_without_ids() -> None:
    kept = keep(logits(0, 0.1), np.zeros(20, np.int64))
    assert (kept.counts == 5000).all()
    assert len(kept.ids) == 0
    assert (kept.tails == 0).all()


def test_a_model_is_no_different_from_itself() -> None:
    reference, came = logits(0, 4.0), np.zeros(20, np.int64)
    found = Comparer(keep(reference, came)).compare(reference, came)
    assert np.abs(found.kld).max() < 1e-6
    assert found.is_same_best.all()


def test_a_certainty_that_the_other_does_not_share_is_finite() -> None:
    reference, other = np.zeros((1, 5), np.float32), np.zeros((1, 5), np.float32)
    reference[0, 1], other[0, 2] = 200, 200
    found = Comparer(keep(reference, np.array([1]))).compare(other, np.array([1]))
    assert found.kld[0] == pytest.approx(200)
    assert found.nll[0] == pytest.approx(200)


def test_parts_are_compared_one_after_the_other() -> None:
    mixed = np.concatenate([logits(0, 8.0, 7), logits(1, 0.1, 6), logits(2, 8.0, 7)])
    other, came = mixed + logits(3, 0.3), np.arange(20)
    kept = join([keep(mixed[:9], came[:9]), keep(mixed[9:], came[9:])])
    comparer = Comparer(kept)
    found = [comparer.compare(other[a:b], came[a:b]).kld for a, b in ((0, 5), (5, 14), (14, 20))]
    true = divergence(mixed, other)
    np.testing.assert_allclose(np.concatenate(found), true, rtol=2e-3, atol=2e-6)


def test_they_survive_a_file() -> None:
    kept = keep(logits(0, 4.0), np.arange(20))
    again = Distributions.from_bytes(kept.to_bytes())
    for name in Distributions.__struct_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
    with pytest.raises(zipfile.BadZipFile):
        Distributions.from_bytes(kept.to_bytes()[:-100])


def test_what_one_of_them_takes_for_impossible_keeps_the_figures_finite() -> None:
    reference, other = logits(0, 0.1, 2, 50), logits(1, 0.1, 2, 50)
    reference[0, 7] = other[1, 9] = -np.inf  # a token that is never used
    found = Comparer(keep(reference, np.array([7, 9]))).compare(other, np.array([7, 9]))
    assert np.isfinite(found.kld).all()
    assert found.kld[1] > 10  # 1000 nats of a fiftieth
    assert found.nll[1] == 1000
    assert found.reference_nll[0] == 1000


def test_a_model_that_computes_no_numbers_is_told() -> None:
    broken, came = np.full((2, 50), np.nan, np.float32), np.zeros(2, np.int64)
    with pytest.raises(QuantError, match="not numbers"):
        keep(broken, came)
    with pytest.raises(QuantError, match="not numbers"):
        Comparer(keep(logits(0, 1, 2, 50), came)).compare(broken, came)
