"""Guesses the next tokens from what was said before, as long as that pays.

Checking several guessed tokens costs one step, in which each of them is computed as if it were
certain; those that the model would have chosen itself are kept. Answers that repeat a part of
their prompt (edits, quotations, code, JSON) are guessed well by looking the newest tokens up in
the text so far. Whether a guess pays depends on the machine, where a step with k more tokens may
cost a little more or k times as much, and on the text; both are measured all the time.
"""

from __future__ import annotations

NGRAM = 3  # tokens that must have occurred before
LENGTHS = (16, 8, 4, 2)  # of a guess
FIRST_ACCEPTANCE = 0.7  # the share of guessed tokens that is hoped for at first
FIRST_SLOPE = 0.35  # cost of one more token in a step, in parts of the cost of a plain step
RETRY_TOKENS = 64  # after so many without a guess, another try
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
        self._num_idle = 0

    def observe(self, num_guessed: int, num_kept: int) -> None:
        """A guess was checked."""
        self._num_idle = 0
        num_tried = min(num_guessed, num_kept + 1)  # those behind the first wrong one say nothing
        for index in range(num_tried):
            self.share += _NEWEST_SHARE * ((index < num_kept) - self.share)

    def idle(self) -> None:
        """A token came without a guess, though there was one to be had."""
        self._num_idle += 1
        if self._num_idle >= RETRY_TOKENS:
            self._num_idle = 0
            self.share = max(self.share, 0.5)

    def expected(self, length: int) -> float:
        """Tokens kept of a guess of that length, on average."""
        share = min(self.share, 0.99)
        return share * (1 - share**length) / (1 - share)


class StepCost:
    """What one more token in a step costs here, relative to a step without guesses."""

    def __init__(self) -> None:
        self.slope = FIRST_SLOPE
        self._plain: dict[int, float] = {}  # seconds, by the number of answers in the step

    def observe(self, num_answers: int, num_guessed: int, seconds: float) -> None:
        """A step is over in which nothing but answers was computed."""
        plain = self._plain.get(num_answers)
        if not num_guessed:
            self._plain[num_answers] = (
                seconds if plain is None else plain + _NEWEST_SHARE * (seconds - plain)
            )
        elif plain:
            slope = max(0.0, (seconds / plain - 1) / num_guessed)
            self.slope += _NEWEST_SHARE * (slope - self.slope)

    def best_length(self, acceptance: Acceptance) -> int:
        """How many tokens to guess; 0 where guessing would lose time."""

        def gain(length: int) -> float:
            return (1 + acceptance.expected(length)) / (1 + self.slope * length)

        best = max(LENGTHS, key=gain)
        return best if gain(best) > 1.0 else 0
