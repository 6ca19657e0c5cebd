"""What must come is computed ahead as long as that pays."""

from __future__ import annotations

from edgellm.engine.look_ahead import LookAhead
from edgellm.engine.sequence import Sequence
from edgellm.engine.speculation import MAX_RETRY_TOKENS, RETRY_TOKENS, StepCost
from edgellm.types import Constraint, Sampling

BOUND = Constraint("regex", "abc")


def sequence(id_: int, constraint: Constraint | None = BOUND, max_tokens: int = 50) -> Sequence:
    sampling = Sampling(max_tokens=max_tokens)
    return Sequence(id_, [1], sampling, 100, "", (), {}, constraint)


def test_what_must_come_is_guessed_as_far_as_there_is_room() -> None:
    ahead = LookAhead(StepCost(), {1: (7, 8, 9), 2: (), 3: (5, 5)}.__getitem__)
    running = [sequence(1), sequence(2), sequence(3), sequence(4, None)]
    assert ahead.guess(running, 4) == {1: [7, 8, 9], 3: [5]}
    assert ahead.guess(running, 2) == {1: [7, 8]}
    assert ahead.guess([sequence(1, max_tokens=2)], 4) == {1: [7]}
    assert ahead.guess([sequence(4, None)], 4) == {}


def test_only_its_own_guesses_teach_it() -> None:
    ahead = LookAhead(StepCost(), lambda _: (7,))
    first, second = sequence(1), sequence(2, None)
    ahead.guess([first, second], 8)
    assert ahead.observe(first, 1, 1)
    assert not ahead.observe(second, 3, 0)


def test_it_is_tried_less_and_less_where_steps_get_no_cheaper() -> None:
    cost = StepCost()
    cost.observe(1, 0, 1.0)
    for _ in range(40):
        cost.observe(1, 3, 4.0)  # three tokens more take three times as long
    ahead, one = LookAhead(cost, lambda _: (7, 8, 9)), sequence(1)
    tries = [bool(ahead.guess([one], 8)) for _ in range(20 * MAX_RETRY_TOKENS)]
    assert not any(tries[: RETRY_TOKENS - 1])
    assert 0 < sum(tries) < len(tries) / 100
    for _ in range(40):
        cost.observe(1, 3, 1.1)
    assert ahead.guess([one], 8)
