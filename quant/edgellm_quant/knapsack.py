"""The multiple-choice knapsack: one option for each item, so that the loss is least within a size.

Exact but for one limit: states are dropped that cannot beat what is known, by the bound that the
relaxed problem gives (parts of options), and of the rest the `MOST_STATES` with the best bound are
kept. The answer then is not proven best, and misses it by less than a step of one item between two
options, which is the most that the relaxed problem leaves open. Pure; knows no tensors.

Sources: G. Nemhauser and Z. Ullmann, Discrete dynamic programming and capital allocation, 1969 (the
states); P. Sinha and A. Zoltners, The multiple-choice knapsack problem, 1979 (the bound).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from edgellm.errors import QuantError

MOST_STATES = 50_000

Sizes: TypeAlias = npt.NDArray[np.int64]
Losses: TypeAlias = npt.NDArray[np.float64]


class Option(NamedTuple):
    """What an item takes and loses if this one is chosen."""

    size_bytes: int
    loss: float


class _Step(NamedTuple):
    """From one corner of an item's convex hull to the next: more bytes, less loss."""

    item: int
    option: int  # that it leads to
    size_bytes: int
    gain: float


class _States(NamedTuple):
    """Choices for the items so far, by size ascending and loss descending."""

    sizes: Sizes
    losses: Losses
    parents: npt.NDArray[np.int64]  # states of the item before
    options: npt.NDArray[np.int64]  # of this item


def solve(items: Sequence[Sequence[Option]], budget_bytes: int) -> tuple[int, ...]:
    """The number of each item's option.

    Raises:
        QuantError: the smallest options together are larger than the budget.
    """
    least = sum(min(option.size_bytes for option in options) for options in items)
    if least > budget_bytes:
        raise QuantError(
            f"The budget leaves {budget_bytes:,} bytes for the weights, and in the smallest types "
            f"they take {least:,}.",
            "Allow more, prune blocks, or choose a smaller model.",
        )
    efficient = [_efficient(options) for options in items]
    greedy = _greedy(items, efficient, budget_bytes)
    return _improve(items, efficient, budget_bytes, greedy)


def loss_of(items: Sequence[Sequence[Option]], chosen: Sequence[int]) -> float:
    """Of all items together."""
    return sum(options[at].loss for options, at in zip(items, chosen, strict=True))


def size_of(items: Sequence[Sequence[Option]], chosen: Sequence[int]) -> int:
    """Of all items together."""
    return sum(options[at].size_bytes for options, at in zip(items, chosen, strict=True))


def _efficient(options: Sequence[Option]) -> list[int]:
    """Those that lose less than every one that is no larger; by size."""
    found: list[int] = []
    for at in sorted(range(len(options)), key=lambda at: options[at]):
        if not found or options[at].loss < options[found[-1]].loss:
            found.append(at)
    return found


def _steps(items: Sequence[Sequence[Option]], efficient: Sequence[list[int]]) -> list[_Step]:
    """Of all items, the best first; within an item from the smallest option on."""
    found = [
        _Step(
            item,
            later,
            items[item][later].size_bytes - items[item][former].size_bytes,
            items[item][former].loss - items[item][later].loss,
        )
        for item, numbers in enumerate(efficient)
        for former, later in _corners(items[item], numbers)
    ]
    return sorted(found, key=lambda step: -step.gain / step.size_bytes)


def _corners(options: Sequence[Option], numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours on the lower convex hull."""
    hull: list[int] = []
    for at in numbers:
        while len(hull) > 1 and _slope(options, hull[-2], at) <= _slope(options, *hull[-2:]):
            hull.pop()
        hull.append(at)
    return list(pairwise(hull))


def _slope(options: Sequence[Option], former: int, later: int) -> float:
    """Loss for a byte: negative."""
    (size, loss), (later_size, later_loss) = options[former], options[later]
    return (later_loss - loss) / (later_size - size)


def _greedy(
    items: Sequence[Sequence[Option]], efficient: Sequence[list[int]], budget_bytes: int
) -> list[int]:
    """Every step that still fits, the best first; an item's later steps need its former ones."""
    chosen = [numbers[0] for numbers in efficient]
    left = budget_bytes - size_of(items, chosen)
    stopped: set[int] = set()
    for step in _steps(items, efficient):
        if step.item in stopped or step.size_bytes > left:
            stopped.add(step.item)
            continue
        chosen[step.item] = step.option
        left -= step.size_bytes
    return chosen


def _improve(
    items: Sequence[Sequence[Option]],
    efficient: Sequence[list[int]],
    budget_bytes: int,
    greedy: list[int],
) -> tuple[int, ...]:
    """Over the states of all items, keeping only those that may still beat the greedy choice."""
    best = loss_of(items, greedy)
    bounds = _bounds(items, efficient)
    none = np.zeros(1, np.int64)
    layers = [_States(none, np.zeros(1), none, none)]
    for item, numbers in enumerate(efficient):
        found = _combine(layers[-1], items[item], numbers)
        found = _promising(found, bounds[item + 1], budget_bytes, best)
        if not len(found.sizes):
            return tuple(greedy)
        layers.append(found)
    return _trace(layers)


def _bounds(
    items: Sequence[Sequence[Option]], efficient: Sequence[list[int]]
) -> list[tuple[Losses, Losses]]:
    """For the items from each one on: the least loss within a size if parts of steps could be
    taken, as the corners of a falling line (sizes, losses)."""
    steps = _steps(items, efficient)
    found = []
    for first in range(len(items) + 1):
        smallest = [items[at][efficient[at][0]] for at in range(first, len(items))]
        rest = [step for step in steps if step.item >= first]
        sizes = np.cumsum([sum(o.size_bytes for o in smallest), *(s.size_bytes for s in rest)])
        losses = np.cumsum([sum(o.loss for o in smallest), *(-s.gain for s in rest)])
        found.append((sizes.astype(np.float64), losses.astype(np.float64)))
    return found


def _combine(states: _States, options: Sequence[Option], numbers: Sequence[int]) -> _States:
    """Every state with every option; those left out that are no better than a smaller one."""
    sizes = np.concatenate([states.sizes + options[at].size_bytes for at in numbers])
    losses = np.concatenate([states.losses + options[at].loss for at in numbers])
    parents = np.tile(np.arange(len(states.sizes)), len(numbers))
    chosen = np.repeat(np.array(numbers, np.int64), len(states.sizes))
    order = np.lexsort((losses, sizes))
    sorted_losses = losses[order]
    before = np.concatenate(([np.inf], np.minimum.accumulate(sorted_losses)[:-1]))
    kept = order[sorted_losses < before]
    return _States(sizes[kept], losses[kept], parents[kept], chosen[kept])


def _promising(
    states: _States, bound: tuple[Losses, Losses], budget_bytes: int, best: float
) -> _States:
    """The states from which less than `best` may be reached; if they are many, the likeliest."""
    left = (budget_bytes - states.sizes).astype(np.float64)
    reachable = states.losses + np.interp(left, *bound)
    reachable[left < bound[0][0]] = np.inf
    kept = np.flatnonzero(reachable < best)
    if len(kept) > MOST_STATES:
        kept = np.sort(kept[np.argpartition(reachable[kept], MOST_STATES)[:MOST_STATES]])
    return _States(
        states.sizes[kept], states.losses[kept], states.parents[kept], states.options[kept]
    )


def _trace(layers: Sequence[_States]) -> tuple[int, ...]:
    """Back from the state that loses least: the last of the last layer."""
    at, chosen = len(layers[-1].sizes) - 1, []
    for layer in reversed(layers[1:]):
        chosen.append(int(layer.options[at]))
        at = int(layer.parents[at])
    return tuple(reversed(chosen))
