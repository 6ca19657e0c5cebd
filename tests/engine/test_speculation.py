"""Guesses come from the text, and only while they pay."""

from __future__ import annotations

import random

from edgellm.engine.speculation import (
    FIRST_ACCEPTANCE,
    NGRAM,
    RETRY_TOKENS,
    Acceptance,
    PromptLookup,
    StepCost,
)


def naive(tokens: list[int], most: int) -> list[int]:
    """The last earlier occurrence, by looking everywhere."""
    newest = tokens[-NGRAM:]
    for end in range(len(tokens) - 1, NGRAM - 1, -1):
        if tokens[end - NGRAM : end] == newest:
            return tokens[end : end + most]
    return []


def test_it_finds_what_a_full_search_finds_while_the_text_grows() -> None:
    rng = random.Random(3)
    tokens: list[int] = []
    lookup = PromptLookup(tokens)
    num_found = 0
    for _ in range(2000):
        tokens += [rng.randrange(4) for _ in range(rng.randrange(1, 5))]
        if len(tokens) >= NGRAM:
            found = lookup.propose(5)
            assert found == naive(tokens, 5)
            num_found += bool(found)
    assert num_found > 1000


def test_no_guess_without_an_earlier_occurrence() -> None:
    assert PromptLookup([1, 2, 3, 4, 5]).propose(4) == []
    assert PromptLookup([1]).propose(4) == []


def test_what_is_kept_is_learned() -> None:
    good, bad = Acceptance(), Acceptance()
    for _ in range(20):
        good.observe(4, 4)
        bad.observe(4, 0)
    assert good.share > 0.98
    assert bad.share < 0.02
    assert good.expected(8) > 7
    assert bad.expected(8) < 0.1


def test_tokens_behind_a_wrong_one_say_nothing() -> None:
    acceptance = Acceptance()
    acceptance.observe(16, 0)
    assert acceptance.share == FIRST_ACCEPTANCE * 0.8


def test_guesses_stop_where_they_do_not_pay_and_are_tried_again() -> None:
    cost, acceptance = StepCost(), Acceptance()
    cost.observe(1, 0, 0.1)
    for _ in range(30):
        acceptance.observe(4, 0)
        cost.observe(1, 4, 0.3)
    assert cost.best_length(acceptance) == 0
    for _ in range(RETRY_TOKENS):
        acceptance.idle()
    assert acceptance.share == 0.5


def test_cheap_checks_make_long_guesses_and_dear_ones_none() -> None:
    sure = Acceptance()
    for _ in range(30):
        sure.observe(8, 8)
    cheap, dear = StepCost(), StepCost()
    for costs, seconds in ((cheap, 0.11), (dear, 0.9)):
        costs.observe(1, 0, 0.1)
        for _ in range(40):
            costs.observe(1, 8, seconds)
    assert cheap.best_length(sure) == 16
    assert dear.best_length(sure) == 0
