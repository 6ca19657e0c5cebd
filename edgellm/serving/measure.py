"""One measured quantity: a histogram since the start, and percentiles of the last minutes.

Both have a fixed size, whatever comes. The percentiles come from buckets that grow by a fixed
ratio (as DDSketch's do: Masson, Rim and Lee 2019), so they are off by 5 % at most; the buckets lie
in a ring of slices of a minute each. To observe costs about a microsecond.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

# From a fast board's inter-token latency to a slow one's long answer.
SECONDS_BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
RATE_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4)

SLICE_SECONDS = 60.0
NUM_SLICES = 10
WINDOW_SECONDS = SLICE_SECONDS * NUM_SLICES

_RATIO = 1.1  # between a bucket's bounds
_LOG_RATIO = math.log(_RATIO)
_LEAST, _MOST = 1e-6, 1e9  # beyond these, values share a bucket


class Percentiles(Struct, frozen=True):
    """Of the last minutes; None where nothing was measured."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Measure:
    """Mutable. Times are the caller's clock's, in seconds, and never go back."""

    def __init__(self, bounds: Sequence[float] = SECONDS_BOUNDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)  # of the values up to each bound, and above
        self.total = 0.0
        self._slices: list[Counter[int]] = [Counter() for _ in range(NUM_SLICES)]
        self._numbers = [-1] * NUM_SLICES  # which minute each slice holds

    def observe(self, value: float, now: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        number = int(now / SLICE_SECONDS)
        place = number % NUM_SLICES
        if self._numbers[place] != number:
            self._slices[place].clear()
            self._numbers[place] = number
        self._slices[place][_bucket(value)] += 1

    def percentiles(self, now: float) -> Percentiles:
        oldest = int(now / SLICE_SECONDS) - NUM_SLICES
        merged: Counter[int] = Counter()
        for number, buckets in zip(self._numbers, self._slices, strict=True):
            if number > oldest:
                merged.update(buckets)
        count = merged.total()
        if not count:
            return Percentiles()
        p50, p95, p99 = (_quantile(merged, count, share) for share in (0.50, 0.95, 0.99))
        return Percentiles(count, p50, p95, p99)


def _bucket(value: float) -> int:
    return math.floor(math.log(min(max(value, _LEAST), _MOST)) / _LOG_RATIO)


def _quantile(buckets: Counter[int], count: int, share: float) -> float:
    """The nearest rank's bucket, and the middle of it."""
    rank, seen = math.ceil(share * count), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            break
    return float(f"{_RATIO ** (bucket + 0.5):.4g}")
