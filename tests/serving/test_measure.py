"""Percentiles against the exact ones, and a size that does not grow."""

from __future__ import annotations

import math
import random

import pytest

from edgellm.serving.measure import (
    NUM_SLICES,
    SLICE_SECONDS,
    WINDOW_SECONDS,
    Measure,
    Percentiles,
)


def exact(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def test_nothing_has_no_percentiles() -> None:
    assert Measure().percentiles(0.0) == Percentiles(0, None, None, None)


@pytest.mark.parametrize("seed", range(10))
def test_percentiles_are_off_by_five_per_cent_at_most(seed: int) -> None:
    dice = random.Random(seed)
    values = [dice.lognormvariate(math.log(0.05), 2.0) for _ in range(5000)]
    measure = Measure()
    for value in values:
        measure.observe(value, now=100.0)
    found = measure.percentiles(100.0)
    assert found.count == 5000
    for share, value in ((0.50, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert value == pytest.approx(exact(values, share), rel=0.051)


def test_old_values_leave_the_percentiles_and_stay_in_the_histogram() -> None:
    measure = Measure((1.0, 10.0))
    measure.observe(5.0, now=0.0)
    measure.observe(0.5, now=WINDOW_SECONDS - 1)
    assert measure.percentiles(WINDOW_SECONDS - 1).count == 2
    later = measure.percentiles(WINDOW_SECONDS + 1)
    assert later.count == 1
    assert later.p99 == pytest.approx(0.5, rel=0.05)
    assert measure.counts == [1, 1, 0]
    assert measure.total == 5.5


def test_a_long_pause_forgets_everything() -> None:
    measure = Measure()
    measure.observe(1.0, now=30.0)
    assert measure.percentiles(30.0 + 100 * WINDOW_SECONDS).count == 0


def test_a_value_on_a_bound_belongs_below_it() -> None:
    measure = Measure((1.0, 10.0))
    for value in (1.0, 10.0, 10.1):
        measure.observe(value, now=0.0)
    assert measure.counts == [1, 1, 1]


def test_absurd_values_are_taken() -> None:
    measure = Measure()
    for value in (0.0, -1.0, 1e300):
        measure.observe(value, now=0.0)
    assert measure.percentiles(0.0).count == 3


def test_its_size_has_a_bound() -> None:
    """However long it runs and whatever comes: slices times buckets."""
    measure, dice = Measure(), random.Random(1)
    for step in range(20_000):
        measure.observe(10 ** dice.uniform(-30, 30), now=step * SLICE_SECONDS / 100)
    sizes = [len(buckets) for buckets in measure._slices]
    assert len(sizes) == NUM_SLICES
    assert max(sizes) <= math.log(1e9 / 1e-6) / math.log(1.1) + 2
