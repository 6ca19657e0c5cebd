"""Steps as large as the machine is fast."""

from __future__ import annotations

import pytest

from edgellm.engine.pace import FEWEST_TOKENS, FIRST_TOKENS, Pace


def test_the_first_step_is_a_careful_one() -> None:
    assert Pace(512).budget(is_anyone_decoding=False) == FIRST_TOKENS
    assert Pace(64).budget(is_anyone_decoding=False) == 64


@pytest.mark.parametrize(
    ("tokens_per_second", "alone", "with_streams"),
    [(40, 80, FEWEST_TOKENS), (200, 400, 50), (4000, 512, 512), (1, FEWEST_TOKENS, FEWEST_TOKENS)],
)
def test_a_step_takes_a_time_and_not_a_number(
    tokens_per_second: float, alone: int, with_streams: int
) -> None:
    pace = Pace(512)
    pace.observe(100, 100 / tokens_per_second)
    assert pace.budget(is_anyone_decoding=False) == alone
    assert pace.budget(is_anyone_decoding=True) == with_streams


def test_it_follows_a_machine_that_gets_slower() -> None:
    pace = Pace(512)
    pace.observe(100, 0.1)
    for _ in range(30):
        pace.observe(100, 1.0)
    assert pace.budget(is_anyone_decoding=False) == pytest.approx(200, abs=2)


def test_decode_steps_say_nothing_of_prefill() -> None:
    pace = Pace(512)
    pace.observe(8, 1.0)
    pace.observe(100, 0.0)
    assert pace.budget(is_anyone_decoding=False) == FIRST_TOKENS
