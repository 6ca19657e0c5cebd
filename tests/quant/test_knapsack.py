"""The knapsack: as good as trying everything, within its size, and never worse for more bytes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from edgellm_quant import knapsack
from edgellm_quant.knapsack import Option, loss_of, size_of, solve
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import QuantError

OPTIONS = st.lists(
    st.builds(Option, st.integers(1, 60), st.floats(0, 10, allow_subnormal=False)),
    min_size=1,
    max_size=5,
)
ITEMS = st.lists(OPTIONS, min_size=1, max_size=5)


def least_loss(items: list[list[Option]], budget: int) -> float:
    """By trying all combinations."""
    numbers = itertools.product(*(range(len(options)) for options in items))
    fitting = [chosen for chosen in numbers if size_of(items, chosen) <= budget]
    return min(loss_of(items, chosen) for chosen in fitting)


@given(ITEMS, st.integers(0, 200))
def test_it_is_as_good_as_trying_everything(items: list[list[Option]], more: int) -> None:
    budget = sum(min(option.size_bytes for option in options) for options in items) + more
    chosen = solve(items, budget)
    assert size_of(items, chosen) <= budget
    assert loss_of(items, chosen) == pytest.approx(least_loss(items, budget))


@given(ITEMS)
def test_too_small_a_budget_is_an_error_that_says_the_least(items: list[list[Option]]) -> None:
    least = sum(min(option.size_bytes for option in options) for options in items)
    with pytest.raises(QuantError, match=f"take {least:,}"):
        solve(items, least - 1)


def real_like(seed: int, count: int) -> list[list[Option]]:
    """Tensors in types of 2 to 8 bits, whose loss falls to a quarter with each bit."""
    random = np.random.default_rng(seed)
    items = []
    for _ in range(count):
        values, worth = int(random.integers(1, 64)) << 14, float(random.lognormal(0, 2))
        options = [
            Option(int(values * bits / 8), worth * 4.0**-bits * float(random.uniform(0.8, 1.2)))
            for bits in (2.5, 3.5, 4.25, 4.5, 5.5, 6.5, 8.5)
        ]
        items.append(options)
    return items


def test_more_bytes_never_lose_more() -> None:
    items = real_like(1, 200)
    least, most = (sum(f(o.size_bytes for o in options) for options in items) for f in (min, max))
    losses = [loss_of(items, solve(items, int(b))) for b in np.linspace(least, most, 12)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(sum(min(o.loss for o in options) for options in items))


def test_a_cap_on_the_states_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    items = real_like(2, 60)
    budget = int(1.3 * sum(min(o.size_bytes for o in options) for options in items))
    exact = loss_of(items, solve(items, budget))
    monkeypatch.setattr(knapsack, "MOST_STATES", 50)
    capped = solve(items, budget)
    assert size_of(items, capped) <= budget
    assert exact <= loss_of(items, capped) <= 1.01 * exact
