"""Guesses the next tokens from what was said before, and measures whether guesses pay.

Checking several guessed tokens costs one step, in which each of them is computed as if it were
certain; those that the model would have chosen itself are kept. Answers that repeat a part of
their prompt (edits, quotations, code, JSON) are guessed well by looking the newest tokens up in
the text so far; others by a draft model (`draft.py`), at a price. Whether a guess pays depends on
the machine, where a step with k more tokens may cost a little more or k times as much, and on the
text; both are measured all the time.
"""

from __future__ import annotations

from typing import TypeAlias

Guesses: TypeAlias = dict[int, list[int]]  # tokens, by the sequence's id

NGRAM = 3  # tokens that must have occurred before
LENGTHS = (16, 12, 8, 6, 4, 3, 2, 1)  # of a guess
FIRST_ACCEPTANCE = 0.7  # the share of guessed tokens that is hoped for at first
FIRST_SLOPE = 0.35  # cost of one more token of each answer, in parts of that of a plain step
FIRST_DRAFT_SLOPE = 0.05  # cost of drafting one token of each answer, in the same parts
RETRY_TOKENS = 64  # after so many without a guess, another try
MAX_RETRY_TOKENS = 4096
TRIAL_GUESSES = 4  # of a draft model, when it is tried again
TRIAL_LENGTH = 3  # tokens of each
_NEWEST_SHARE = 0.2


class PromptLookup:
    """Finds the newest n-gram's last earlier occurrence; a step costs the same for any length."""

    def __init__(self, tokens: list[int]) -> None:
        """`tokens` is the sequence's own list, which grows."""
        self._tokens = tokens
        self._next: dict[tuple[int, ...], int] = {}  # n-gram -> where what followed it begins
        self._num_known = NGRAM

    def propose(self, most: int) -> list[int]:
        """What followed the newest tokens when they occurred before; may be nothing."""
        tokens = self._tokens
        for end in range(self._num_known, len(tokens)):  # the newest n-gram must not find itself
            self._next[tuple(tokens[end - NGRAM : end])] = end
        self._num_known = max(self._num_known, len(tokens))
        begin = self._next.get(tuple(tokens[-NGRAM:]))
        return tokens[begin : begin + most] if begin is not None else []


class Acceptance:
    """How many of its guessed tokens a sequence can expect to keep."""

    def __init__(self) -> None:
        self.share = FIRST_ACCEPTANCE  # the chance of each token to be kept, if those before were
        self.retry = Retry()

    def observe(self, num_guessed: int, num_kept: int) -> None:
        """A guess was checked."""
        num_tried = min(num_guessed, num_kept + 1)  # those behind the first wrong one say nothing
        for index in range(num_tried):
            self.share += _NEWEST_SHARE * ((index < num_kept) - self.share)

    def expected(self, length: int) -> float:
        """Tokens kept of a guess of that length, on average."""
        share = min(self.share, 0.99)
        return share * (1 - share**length) / (1 - share)


class Retry:
    """When to try again what did not pay: for a few guesses, and less and less often.

    A trial is not free even if nothing is guessed wrong: the draft model has to catch up first.
    """

    def __init__(self) -> None:
        self._patience = RETRY_TOKENS
        self._num_idle = 0
        self._num_left = 0  # guesses of the trial that goes on

    def reset(self) -> None:
        """It pays now."""
        self._patience, self._num_idle, self._num_left = RETRY_TOKENS, 0, 0

    def is_due(self, num_tokens: int) -> bool:
        """Whether to guess, before a step whose `num_tokens` would come without a guess."""
        self._num_idle += num_tokens
        if not self._num_left and self._num_idle >= self._patience:
            self._patience = min(2 * self._patience, MAX_RETRY_TOKENS)
            self._num_left = TRIAL_GUESSES
        if self._num_left:
            self._num_idle = 0
        return self._num_left > 0

    def spend(self) -> None:
        """A guess was made."""
        self._num_left = max(0, self._num_left - 1)


class StepCost:
    """What one more token of each answer costs here, relative to a step without guesses."""

    def __init__(self) -> None:
        self.slope = FIRST_SLOPE  # of checking a token
        self.draft_slope = FIRST_DRAFT_SLOPE  # of drafting it
        self._drafting = FIRST_DRAFT_SLOPE  # of a draft for all answers, on average
        self._num_drafted = 1.0  # tokens of it, per answer
        self._plain: dict[int, float] = {}  # seconds, by the number of answers in the step

    def observe(self, num_answers: int, num_guessed: int, seconds: float) -> None:
        """A step is over in which nothing but answers was computed."""
        plain = self._plain.get(num_answers)
        if not num_guessed:
            self._plain[num_answers] = (
                seconds if plain is None else plain + _NEWEST_SHARE * (seconds - plain)
            )
        elif plain:
            slope = max(0.0, (seconds / plain - 1) * num_answers / num_guessed)
            self.slope += _NEWEST_SHARE * (slope - self.slope)

    def is_known(self, num_answers: int) -> bool:
        """Whether it was seen what a step of that many answers takes without guesses."""
        return num_answers in self._plain

    def observe_draft(self, num_answers: int, num_drafted: int, seconds: float) -> None:
        """`num_drafted` tokens were drafted, which may be none, before a step of that many."""
        plain = self._plain.get(num_answers)
        if plain:
            self._drafting += _NEWEST_SHARE * (seconds / plain - self._drafting)
            self._num_drafted += _NEWEST_SHARE * (num_drafted / num_answers - self._num_drafted)
            self.draft_slope = self._drafting / max(self._num_drafted, 0.01)

    def gain(self, acceptance: Acceptance, length: int, *, is_drafted: bool = False) -> float:
        """How many times faster answers come with guesses of that length."""
        slope = self.slope + (self.draft_slope if is_drafted else 0.0)
        return (1 + acceptance.expected(length)) / (1 + slope * length)

    def best_length(self, acceptance: Acceptance, *, is_drafted: bool = False) -> int:
        """How many tokens to guess; 0 where guessing would lose time."""

        def gain(length: int) -> float:
            return self.gain(acceptance, length, is_drafted=is_drafted)

        best = max(LENGTHS, key=gain)
        return best if gain(best) > 1.0 else 0
