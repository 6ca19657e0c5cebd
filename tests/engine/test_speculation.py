"""Guesses come from the text, and only while they pay."""

from __future__ import annotations

import random
from itertools import pairwise

from edgellm.engine.speculation import (
    FIRST_ACCEPTANCE,
    MAX_RETRY_TOKENS,
    NGRAM,
    RETRY_TOKENS,
    TRIAL_GUESSES,
    Acceptance,
    PromptLookup,
    Retry,
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


def test_guesses_stop_where_they_do_not_pay() -> None:
    cost, acceptance = StepCost(), Acceptance()
    cost.observe(1, 0, 0.1)
    for _ in range(30):
        acceptance.observe(4, 0)
        cost.observe(1, 4, 0.3)
    assert cost.best_length(acceptance) == 0


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


def sure() -> Acceptance:
    acceptance = Acceptance()
    for _ in range(30):
        acceptance.observe(8, 8)
    return acceptance


def test_a_token_for_each_of_four_answers_is_four_tokens() -> None:
    """4 answers take 0.1 s, and 4 more tokens as much again: nothing can be won."""
    cost = StepCost()
    for _ in range(40):
        cost.observe(4, 0, 0.1)
        cost.observe(4, 4, 0.2)
    assert abs(cost.slope - 1.0) < 0.01
    assert cost.best_length(sure()) == 0


def test_a_dear_draft_does_not_pay_where_a_free_guess_does() -> None:
    cost = StepCost()
    for _ in range(40):
        cost.observe(1, 0, 0.1)
        cost.observe(1, 4, 0.14)
        cost.observe_draft(1, 4, 0.4)
    assert abs(cost.draft_slope - 1.0) < 0.01
    assert cost.best_length(sure()) > 0
    assert cost.best_length(sure(), is_drafted=True) == 0
    for _ in range(40):
        cost.observe_draft(1, 4, 0.04)
    assert cost.best_length(sure(), is_drafted=True) > 0


def test_drafts_that_come_to_nothing_are_dear() -> None:
    cost = StepCost()
    for _ in range(40):
        cost.observe(1, 0, 0.1)
        cost.observe_draft(1, 0, 0.01)
    assert cost.best_length(sure(), is_drafted=True) == 0


def test_what_does_not_pay_is_tried_less_and_less_often() -> None:
    retry, trials = Retry(), []
    for token in range(4 * MAX_RETRY_TOKENS):
        if retry.is_due(1):
            retry.spend()
            trials.append(token)
    first = trials[::TRIAL_GUESSES]
    waits = [b - a - TRIAL_GUESSES + 1 for a, b in pairwise(first)]
    assert first[0] == RETRY_TOKENS - 1
    assert trials[:TRIAL_GUESSES] == list(range(first[0], first[0] + TRIAL_GUESSES))
    assert waits[:3] == [2 * RETRY_TOKENS, 4 * RETRY_TOKENS, 8 * RETRY_TOKENS]
    assert waits[-1] <= MAX_RETRY_TOKENS
    retry.reset()
    assert [retry.is_due(RETRY_TOKENS - 1), retry.is_due(1)] == [False, True]


def test_a_trial_waits_until_a_guess_was_made() -> None:
    retry = Retry()
    assert retry.is_due(RETRY_TOKENS)
    assert all(retry.is_due(1) for _ in range(1000))
