"""The few statistics of the benches, on plain lists of numbers."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence


def percentile(values: Iterable[float], percent: float) -> float:
    """Nearest rank: a value that was measured, not one in between. NaN of nothing."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Iterable[float]) -> float:
    """NaN of nothing."""
    found = list(values)
    return statistics.median(found) if found else math.nan


def gaps(times: Sequence[float]) -> list[float]:
    """From each moment to the next."""
    return [after - before for before, after in itertools.pairwise(times)]


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each figure's median over the runs that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: median(run[name] for run in runs if name in run) for name in names}


def ratio(ours: float, theirs: float) -> float:
    """NaN where there is nothing to compare with."""
    return ours / theirs if theirs else math.nan
