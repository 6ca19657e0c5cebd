"""Who guesses: the text itself where it knows, else the draft model, and nobody where none pays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from edgellm.engine.draft import Draft, DraftModel, Wanted
from edgellm.engine.guesser import PROMPT_SHARE, Guesser
from edgellm.engine.sequence import Sequence
from edgellm.engine.speculation import RETRY_TOKENS, TRIAL_GUESSES, TRIAL_LENGTH, StepCost
from edgellm.types import Sampling

DRAFTED = 7


class Scripted:
    """A draft model that says 7 7 7, in as many seconds as it is told."""

    def __init__(self, seconds: float | None = 0.001) -> None:
        self.seconds = seconds
        self.calls: list[dict[int, int]] = []  # tokens wanted, by sequence
        self.followed: set[int] = set()

    def keep_only(self, ids: Collection[int]) -> None:
        self.followed = set(ids)

    def propose(self, wanted: Mapping[int, Wanted]) -> Draft:
        self.calls.append({id_: most for id_, (_, most) in wanted.items()})
        guesses = {id_: [DRAFTED] * most for id_, (_, most) in wanted.items()}
        return Draft(guesses if self.seconds is not None else {}, self.seconds)


def guesser(draft: Scripted, *, use_lookup: bool = True) -> Guesser:
    """On a machine where a step takes 0.1 s, however many answers it has."""
    made = Guesser(StepCost(), use_lookup=use_lookup, draft=cast("DraftModel", draft))
    for num_answers in range(1, 5):
        made.cost.observe(num_answers, 0, 0.1)
    return made


def sequence(id_: int, tokens: list[int], max_tokens: int = 100) -> Sequence:
    return Sequence(id_, tokens, Sampling(max_tokens=max_tokens), 1000)


def test_the_text_guesses_where_it_can_and_the_draft_model_for_the_others() -> None:
    draft = Scripted()
    both = [sequence(1, [1, 2, 3, 4, 1, 2, 3]), sequence(2, [1, 2, 3, 4])]
    guesses = guesser(draft).guess(both, 32)
    assert guesses[1][0] == 4
    assert set(guesses[2]) == {DRAFTED}
    assert [list(call) for call in draft.calls] == [[2]]
    assert draft.followed == {1, 2}


def test_the_first_step_of_so_many_answers_has_no_guesses() -> None:
    made = guesser(Scripted())
    five = [sequence(id_, [1, 2, 3] * 2) for id_ in range(5)]
    assert made.guess(five, 32) == {}
    made.cost.observe(5, 0, 0.1)
    assert made.guess(five, 32)


def test_the_text_is_not_asked_where_lookup_is_off() -> None:
    (guess,) = guesser(Scripted(), use_lookup=False).guess([sequence(1, [1, 2, 3] * 2)], 8).values()
    assert set(guess) == {DRAFTED}


def test_the_draft_model_guesses_where_the_text_is_mostly_wrong() -> None:
    made, asker = guesser(Scripted()), sequence(1, [1, 2, 3, 4, 1, 2, 3])
    asker.acceptance.share = 0.4
    assert set(made.guess([asker], 32)[1]) == {DRAFTED}
    made.observe(asker, 4, 0)
    assert asker.acceptance.share == 0.4  # it was not the text's fault


def test_guesses_stay_within_what_a_step_can_check_and_an_answer_may_still_say() -> None:
    made = guesser(Scripted())
    made.cost.slope = made.cost.draft_slope = 0.0
    four = [sequence(id_, [id_]) for id_ in range(4)]
    assert sum(map(len, made.guess(four, 9).values())) == 8
    assert made.guess([sequence(1, [1], max_tokens=3)], 32) == {1: [DRAFTED] * 2}
    assert made.guess([sequence(1, [1], max_tokens=1)], 32) == {}


def test_the_draft_model_rests_where_its_guesses_are_wrong_and_is_tried_again() -> None:
    draft = Scripted()
    made, asker = guesser(draft), sequence(1, [1, 2, 3])
    for _ in range(30):
        for guess in made.guess([asker], 32).values():
            made.observe(asker, len(guess), 0)
    assert 0 < len(draft.calls) < 12
    assert made.guess([sequence(2, [5])], 32) == {}  # nor for the next one
    draft.calls.clear()
    for _ in range(RETRY_TOKENS + TRIAL_GUESSES + 10):
        for guess in made.guess([asker], 32).values():
            made.observe(asker, len(guess), 0)
    assert draft.calls == [{1: TRIAL_LENGTH}] * TRIAL_GUESSES


def test_lookup_rests_while_checks_are_dear_and_comes_back_when_they_are_cheap_again() -> None:
    made, asker = Guesser(StepCost()), sequence(1, [1, 2, 3] * 4)
    made.cost.observe(1, 0, 0.1)

    def steps(count: int, seconds: float) -> int:
        """Steps with guesses, each of which is right."""
        num_guesses = 0
        for _ in range(count):
            guess = made.guess([asker], 32).get(1, [])
            made.observe(asker, len(guess), len(guess))
            made.cost.observe(1, len(guess), 0.1 + seconds * len(guess))
            num_guesses += bool(guess)
        return num_guesses

    assert steps(200, seconds=0.3) < 40
    assert made.cost.best_length(asker.acceptance) == 0
    steps(20 * RETRY_TOKENS, seconds=0.001)
    assert steps(10, seconds=0.001) == 10


def test_the_draft_model_rests_where_it_is_as_slow_as_the_served_one() -> None:
    draft = Scripted(seconds=0.4)
    made, asker = guesser(draft), sequence(1, [1, 2, 3])
    for _ in range(30):
        for guess in made.guess([asker], 32).values():
            made.observe(asker, len(guess), len(guess))
    assert 0 < len(draft.calls) < 12


def test_catching_up_counts_neither_as_cost_nor_as_a_trial() -> None:
    draft = Scripted(seconds=None)
    made = guesser(draft)
    before = made.cost.draft_slope
    for _ in range(50):
        assert made.guess([sequence(1, [1, 2, 3])], 32) == {}
    assert len(draft.calls) == 50
    assert made.cost.draft_slope == before


def test_a_long_prompt_for_a_short_answer_is_not_worth_catching_up_with() -> None:
    made = guesser(Scripted())
    assert made.guess([sequence(1, [*range(PROMPT_SHARE * 5)], max_tokens=5)], 32)
    assert not made.guess([sequence(1, [*range(PROMPT_SHARE * 5 + 1)], max_tokens=5)], 32)
