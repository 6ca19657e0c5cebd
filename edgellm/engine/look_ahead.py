"""Computes what a constraint leaves no choice about together with the token before, while it pays.

Such tokens are guesses, for a text can be cut into tokens in several ways and the model may choose
another one. Finding them takes time in every step, too; on a small model that is more than what
fewer steps save, so both are measured, as with other guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgellm.engine.sequence import Sequence as Answer
from edgellm.engine.speculation import Acceptance, Guesses, StepCost

LEAST_GAIN = 1.15  # of a usual guess, which has to pay for the looking in all other steps
USUAL_LENGTH = 3  # tokens of one


class LookAhead:
    """For all running answers that have a constraint."""

    def __init__(self, cost: StepCost, forced: Callable[[int], Sequence[int]]) -> None:
        """`forced`: the tokens that must come next in a sequence, by its id."""
        self._cost = cost
        self._forced = forced
        self._acceptance = Acceptance()
        self._asked: set[int] = set()  # sequences whose newest guess is ours

    def guess(self, running: Iterable[Answer], room: int) -> Guesses:
        """What must come, by the sequence's id.

        Args:
            running: all of them are decoding.
            room: tokens that can be checked, of all sequences together.
        """
        self._asked = set()
        bound = [each for each in running if each.constraint is not None]
        if not bound or not self._is_worth_it(len(bound)):
            return {}
        guesses: Guesses = {}
        for sequence in bound:
            most = min(room, sequence.num_left - 1)
            tokens = [*self._forced(sequence.id)[:most]] if most > 0 else []
            if tokens:
                guesses[sequence.id] = tokens
                room -= len(tokens)
        self._asked = set(guesses)
        if guesses:
            self._acceptance.retry.spend()
        return guesses

    def observe(self, sequence: Answer, num_guessed: int, num_kept: int) -> bool:
        """A guess of the newest step was checked; False if it was not ours."""
        if sequence.id not in self._asked:
            return False
        self._acceptance.observe(num_guessed, num_kept)
        return True

    def _is_worth_it(self, num_answers: int) -> bool:
        retry = self._acceptance.retry
        if self._cost.gain(self._acceptance, USUAL_LENGTH) >= LEAST_GAIN:
            retry.reset()
            return True
        return retry.is_due(num_answers)
