"""The statistics of the benches."""

from __future__ import annotations

import math

import pytest

from benches._report import number
from benches._stats import gaps, median, medians, percentile, ratio
from benches.compare import TARGETS, Target, rows


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 3), (90, 5), (95, 5), (100, 5)])
def test_a_percentile_is_a_measured_value(percent: float, value: float) -> None:
    assert percentile([5, 3, 1, 4, 2], percent) == value


def test_p95_of_many_leaves_out_the_worst_twentieth() -> None:
    assert percentile(range(1, 101), 95) == 95


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(percentile([], 95))
    assert math.isnan(median([]))
    assert math.isnan(ratio(1, 0))
    assert number(math.nan) == "-"


def test_gaps_are_between_neighbours() -> None:
    assert gaps([1.0, 1.5, 4.0]) == [0.5, 2.5]
    assert gaps([1.0]) == []


def test_medians_are_taken_figure_by_figure() -> None:
    runs = [{"a": 1.0, "b": 5.0}, {"a": 3.0}, {"a": 2.0, "b": 7.0}]
    assert medians(runs) == {"a": 2.0, "b": 6.0}


def test_a_target_says_which_way_is_better() -> None:
    assert Target(1.05).is_met(1.0)
    assert not Target(1.05).is_met(1.1)
    assert Target(0.97, is_rate=True).is_met(1.2)
    assert not Target(0.97, is_rate=True).is_met(0.9)


def test_the_table_sets_ratios_beside_their_targets() -> None:
    ours = {"shared.ttft_p50_seconds": 1.0, "restart.warm_to_cold": 0.1, "only.ours": 1.0}
    peer = {"shared.ttft_p50_seconds": 4.0, "restart.warm_to_cold": 1.0}
    shared, restart = rows(ours, peer)
    assert shared == ("shared.ttft_p50_seconds", "1", "4", "0.250x", "lower", "<= 0.08x", "no")
    assert restart[-1] == "yes"


def test_rates_are_to_be_higher() -> None:
    assert all(target.is_rate == name.endswith("per_second") for name, target in TARGETS.items())
