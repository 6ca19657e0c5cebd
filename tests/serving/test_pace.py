"""What is learned of the answers of late."""

from __future__ import annotations

import pytest

from edgellm.serving.pace import DEFAULT_ANSWER_TOKENS, NUM_RECENT, Pace
from edgellm.types import Finished, Sampling, Timings, Usage


def answer(
    prompt: int = 100, tokens: int = 11, prefill: float = 1.0, decode: float = 2.0
) -> Finished:
    return Finished("stop", Usage(prompt, tokens), Timings(0.0, prefill, decode))


def test_before_the_first_answer_nothing_is_known() -> None:
    pace = Pace()
    assert not pace.is_known
    assert pace.expected_tokens(Sampling()) == DEFAULT_ANSWER_TOKENS
    assert pace.expected_tokens(Sampling(max_tokens=9)) == 9


def test_the_speeds_are_those_of_the_answers() -> None:
    pace = Pace()
    pace.learn(answer())
    assert pace.is_known
    assert pace.prefill_seconds(50) == pytest.approx(0.5)
    assert pace.decode_seconds(50) == pytest.approx(10.0)  # the first token is the prefill's


def test_newer_answers_count_more() -> None:
    pace = Pace()
    for _ in range(50):
        pace.learn(answer(decode=2.0))
    for _ in range(30):
        pace.learn(answer(decode=20.0))
    assert pace.decode_seconds(1) == pytest.approx(2.0, rel=0.1)


def test_a_short_answer_tells_less_than_a_long_one() -> None:
    pace = Pace()
    pace.learn(answer(tokens=1001, decode=100.0))
    pace.learn(answer(tokens=2, decode=5.0))  # something else took its time
    assert pace.decode_seconds(1) == pytest.approx(0.1, rel=0.1)


def test_an_answer_of_one_token_says_nothing_of_decoding() -> None:
    pace = Pace()
    pace.learn(answer(tokens=1, decode=0.0))
    assert pace.is_known
    assert pace.decode_seconds(100) == 0


def test_the_usual_length_is_the_median_and_a_limit_counts_up_to_the_longest() -> None:
    pace = Pace()
    for tokens in (10, 20, 90):
        pace.learn(answer(tokens=tokens))
    assert pace.expected_tokens(Sampling()) == 20
    assert pace.expected_tokens(Sampling(min_tokens=30)) == 30
    assert pace.expected_tokens(Sampling(max_tokens=15)) == 15
    assert pace.expected_tokens(Sampling(max_tokens=4096)) == 90
    assert pace.expected_tokens(Sampling(max_tokens=4096, ignore_eos=True)) == 4096
    assert pace.expected_tokens(Sampling(max_tokens=4096, min_tokens=200)) == 200


def test_old_lengths_are_forgotten() -> None:
    pace = Pace()
    pace.learn(answer(tokens=5000))
    for _ in range(NUM_RECENT):
        pace.learn(answer(tokens=10))
    assert pace.expected_tokens(Sampling(max_tokens=4096)) == 10
