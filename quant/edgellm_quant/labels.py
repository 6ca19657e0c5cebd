"""Finds room for the labels of points, so that none covers another, or a point. Pure geometry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from msgspec import Struct

Spot: TypeAlias = tuple[float, float]

_POINT = 5.0  # half the width of a point's mark, with some air
_DISTANCES = (8.0, 16.0, 26.0, 38.0, 52.0, 70.0)
_DIRECTIONS = (0, 90, 180, 270, 45, 135, 315, 225)  # degrees; the usual ones first


class Box(Struct, frozen=True):
    """A rectangle. The origin is at the bottom left."""

    left: float
    bottom: float
    width: float
    height: float

    def overlaps(self, other: Box, air: float = 2.0) -> bool:
        """Whether they have less than that between them."""
        return (
            self.left < other.left + other.width + air
            and other.left < self.left + self.width + air
            and self.bottom < other.bottom + other.height + air
            and other.bottom < self.bottom + self.height + air
        )

    def is_within(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.bottom >= other.bottom
            and self.left + self.width <= other.left + other.width
            and self.bottom + self.height <= other.bottom + other.height
        )

    def nearest(self, x: float, y: float) -> Spot:
        """The place of the box that is nearest to a spot."""
        return (
            min(max(x, self.left), self.left + self.width),
            min(max(y, self.bottom), self.bottom + self.height),
        )

    def distance(self, x: float, y: float) -> float:
        near = self.nearest(x, y)
        return math.hypot(near[0] - x, near[1] - y)


def place(
    points: Sequence[Spot],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    taken: Sequence[Box] = (),
) -> list[Box]:
    """A box for each point's label, near to it.

    Where there is no room at all, what covers least is taken: more than some dozens of points have
    no better picture.

    Args:
        sizes: width and height of each label.
        area: that the labels must stay in.
        taken: what else must not be covered.
    """
    marks = [Box(x - _POINT, y - _POINT, 2 * _POINT, 2 * _POINT) for x, y in points]
    placed = list(taken)
    found = []
    for point, size in zip(points, sizes, strict=True):
        obstacles = [*marks, *placed]
        others = [each for each in points if each != point]

        costs = [
            (_cost(each, obstacles, area) + 0.5 * _is_misleading(each, point, others), at, each)
            for at, each in enumerate(_candidates(point, size))
        ]
        box = min(costs, key=lambda cost: cost[:2])[2]
        placed.append(box)
        found.append(box)
    return found


def along(line: Sequence[Spot], step: float = 4.0) -> list[Box]:
    """Small boxes all along a line, which no label shall cover."""
    found = []
    for (x0, y0), (x1, y1) in itertools.pairwise(line):
        count = max(1, round(math.hypot(x1 - x0, y1 - y0) / step))
        found += [
            Box(x0 + (x1 - x0) * n / count, y0 + (y1 - y0) * n / count, 0, 0) for n in range(count)
        ]
    return found


def _candidates(point: Spot, size: tuple[float, float]) -> Iterator[Box]:
    """Nearer ones first."""
    width, height = size
    for distance in _DISTANCES:
        for degrees in _DIRECTIONS:
            x, y = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
            yield Box(
                point[0] + x * distance + (x - 1) / 2 * width,
                point[1] + y * distance + (y - 1) / 2 * height,
                width,
                height,
            )


def _is_misleading(box: Box, own: Spot, others: Sequence[Spot]) -> bool:
    """Whether it seems to belong to another point."""
    return any(box.distance(*other) < box.distance(*own) for other in others)


def _cost(box: Box, obstacles: Sequence[Box], area: Box) -> int:
    """How many things it covers; to stick out of the picture is worse."""
    return sum(box.overlaps(each) for each in obstacles) + 100 * (not box.is_within(area))
