"""Decides who guesses the next tokens of an answer, and how many: its own text, or a draft model.

Both are asked only while that pays, as `speculation.py` measures it. Knows no runtime.
"""

from __future__ import annotations

from collections.abc import Collection

from edgellm.engine.draft import Draft, DraftModel, Wanted
from edgellm.engine.sequence import Sequence
from edgellm.engine.speculation import TRIAL_LENGTH, Acceptance, Guesses, Retry, StepCost

PROMPT_SHARE = 16  # a prompt of so many times the answer's length is not worth catching up with


class Guesser:
    """Guesses for all running answers, and learns from what is kept."""

    def __init__(
        self, cost: StepCost, *, use_lookup: bool = True, draft: DraftModel | None = None
    ) -> None:
        """`use_lookup`: guess what was said before in the same text."""
        self.cost = cost
        self._use_lookup = use_lookup
        self._draft = draft
        # One for all sequences: a new one need not find out again that the draft does not pay.
        self._acceptance = Acceptance()
        self._retry = Retry()
        self._drafted: set[int] = set()  # sequences whose newest guess is the draft model's

    def guess(self, running: Collection[Sequence], room: int) -> Guesses:
        """What to check beside the next tokens, by the sequence's id.

        Nothing in the first step of so many answers: it tells what the others are compared with.

        Args:
            running: all of them are decoding.
            room: tokens that can be checked, of all sequences together.
        """
        if not self.cost.is_known(len(running)):
            return {}
        guesses = self._look_up(running, room) if self._use_lookup else {}
        drafted: Guesses = {}
        if self._draft is not None:
            room -= sum(map(len, guesses.values()))
            drafted = self._ask(self._draft, running, guesses, room)
        self._drafted = set(drafted)
        return guesses | drafted

    def observe(self, sequence: Sequence, num_guessed: int, num_kept: int) -> None:
        """A guess of the newest ones was checked."""
        is_drafted = sequence.id in self._drafted
        acceptance = self._acceptance if is_drafted else sequence.acceptance
        acceptance.observe(num_guessed, num_kept)

    # -- inside ---------------------------------------------------------------------------------

    def _look_up(self, running: Collection[Sequence], room: int) -> Guesses:
        guesses: Guesses = {}
        for sequence in running:
            length = self.cost.best_length(sequence.acceptance)
            most = min(length or TRIAL_LENGTH, room, sequence.num_left - 1)
            guess = sequence.lookup.propose(most) if most > 0 else []
            if guess and _is_wanted(sequence.acceptance.retry, pays=length > 0):
                guesses[sequence.id] = guess
                room -= len(guess)
        return guesses

    def _ask(
        self, model: DraftModel, running: Collection[Sequence], found: Guesses, room: int
    ) -> Guesses:
        """The draft model's guesses, for those who have no better one from their text."""
        model.keep_only({sequence.id for sequence in running})
        length = self._draft_length(len(running))
        askers = [each for each in running if length and self._is_asking(each, length, found)]
        wanted = {}
        for sequence in askers:
            own_room = len(found.get(sequence.id, ())) + room // len(askers)
            most = min(length, own_room, sequence.num_left - 1)
            if most > 0:
                wanted[sequence.id] = Wanted(sequence.tokens, most)
        if not wanted:
            return {}
        draft = model.propose(wanted)
        self._learn(draft, len(running))
        return draft.guesses

    def _draft_length(self, num_answers: int) -> int:
        length = self.cost.best_length(self._acceptance, is_drafted=True)
        if length:
            self._retry.reset()
            return length
        return TRIAL_LENGTH if self._retry.is_due(num_answers) else 0

    def _is_asking(self, sequence: Sequence, length: int, found: Guesses) -> bool:
        if sequence.num_prompt > PROMPT_SHARE * (sequence.num_generated + sequence.num_left):
            return False
        guess = found.get(sequence.id)
        if guess is None:
            return True
        drafted = self.cost.gain(self._acceptance, length, is_drafted=True)
        return drafted > self.cost.gain(sequence.acceptance, len(guess))

    def _learn(self, draft: Draft, num_answers: int) -> None:
        if draft.seconds is not None:
            num_drafted = sum(map(len, draft.guesses.values()))
            self.cost.observe_draft(num_answers, num_drafted, draft.seconds)
            self._retry.spend()


def _is_wanted(retry: Retry, *, pays: bool) -> bool:
    """Whether to check what the text offers: always where that pays, else as a trial now and then,
    for the machine may have been busy, or the text another one."""
    if pays:
        retry.reset()
    elif not retry.is_due(1):
        return False
    else:
        retry.spend()
    return True
