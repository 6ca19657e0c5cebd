"""Which models leave: by memory, the least recently used first, and none in vain."""

from __future__ import annotations

import itertools
import random

import pytest

from edgellm.serving.evict import Loaded, choose_victims

A, B, C = Loaded("a", 40, 1.0), Loaded("b", 30, 2.0), Loaded("c", 20, 3.0)


@pytest.mark.parametrize(
    ("needed", "victims"),
    [
        (10, ()),  # 90 + 10 is the budget
        (11, ("a",)),
        (50, ("a",)),
        (51, ("a", "b")),
        (81, ("a", "b", "c")),
        (100, ("a", "b", "c")),
        (101, None),
    ],
)
def test_the_least_recently_used_leave_first(needed: int, victims: tuple[str, ...] | None) -> None:
    assert choose_victims((C, A, B), needed, 100) == victims


def test_without_a_known_budget_nobody_leaves() -> None:
    assert choose_victims((A, B, C), 10**12, None) == ()


def test_those_that_cannot_leave_stay_and_nobody_leaves_in_vain() -> None:
    busy = Loaded("a", 40, 1.0, can_leave=False)
    assert choose_victims((busy, B, C), 51, 100) == ("b", "c")
    assert choose_victims((busy, B, C), 61, 100) is None


def test_one_whose_going_is_not_needed_after_all_is_spared() -> None:
    small, large = Loaded("small", 5, 1.0), Loaded("large", 80, 2.0)
    assert choose_victims((small, large), 60, 100) == ("large",)


def test_too_much_is_held_already() -> None:
    assert choose_victims((A, B, C), 0, 60) == ("a",)
    assert choose_victims((), 10, 0) is None
    assert choose_victims((), 0, 0) == ()


def test_against_all_subsets() -> None:
    """None exactly if no subset is enough; otherwise enough, and no victim could be spared."""
    draw = random.Random(7)
    for _ in range(300):
        loaded = [
            Loaded(str(i), draw.randint(1, 9), draw.random(), draw.random() < 0.7) for i in range(5)
        ]
        needed, budget = draw.randint(0, 20), draw.randint(0, 40)
        excess = sum(m.memory_bytes for m in loaded) + needed - budget
        sizes = {m.id: m.memory_bytes for m in loaded if m.can_leave}
        possible = any(
            sum(sizes[i] for i in some) >= excess
            for count in range(len(sizes) + 1)
            for some in itertools.combinations(sizes, count)
        )
        victims = choose_victims(loaded, needed, budget)
        assert (victims is not None) == possible
        for victim in victims or ():
            freed = sum(sizes[i] for i in victims or ())
            assert freed >= excess > freed - sizes[victim]
