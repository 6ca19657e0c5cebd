"""How fast a model has answered of late, and how long its answers were.

Learned from answers that ended, so it holds what really went on: other answers in the same batch,
prompts whose beginning was known, a device that is hot. Knows no clock.
"""

from __future__ import annotations

import statistics
from collections import deque

from edgellm.types import Finished, Sampling

NUM_RECENT = 64  # answers whose lengths are remembered
DEFAULT_ANSWER_TOKENS = 128  # before any answer was seen
_MEMORY = 0.9  # what an older answer counts against the next newer one


class _Rate:
    """Seconds of a token; newer ones count more, and long ones more than short ones."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    def learn(self, tokens: int, seconds: float) -> None:
        if tokens > 0 and seconds > 0:
            self._tokens = _MEMORY * self._tokens + tokens
            self._seconds = _MEMORY * self._seconds + seconds

    @property
    def seconds_per_token(self) -> float | None:
        return self._seconds / self._tokens if self._tokens else None


class Pace:
    """Mutable; one for each model."""

    def __init__(self) -> None:
        self._prefill = _Rate()
        self._decode = _Rate()
        self._lengths: deque[int] = deque(maxlen=NUM_RECENT)

    def learn(self, finished: Finished) -> None:
        """An answer has ended by itself."""
        usage, timings = finished.usage, finished.timings
        # All of the prompt, cached or not: the next ones will know as much of theirs.
        self._prefill.learn(usage.prompt_tokens, timings.prefill_seconds)
        self._decode.learn(usage.completion_tokens - 1, timings.decode_seconds)
        self._lengths.append(usage.completion_tokens)

    @property
    def is_known(self) -> bool:
        """Whether there is anything to foretell from."""
        return self._prefill.seconds_per_token is not None

    def prefill_seconds(self, num_tokens: int) -> float:
        return num_tokens * (self._prefill.seconds_per_token or 0.0)

    def decode_seconds(self, num_tokens: int) -> float:
        return num_tokens * (self._decode.seconds_per_token or 0.0)

    def expected_tokens(self, sampling: Sampling) -> int:
        """Of an answer that is still to come.

        Clients ask for far more than models say, so a limit counts for no more than the longest of
        the recent answers.
        """
        limit = sampling.max_tokens
        if limit is None:
            usual = statistics.median_high(self._lengths) if self._lengths else None
            return max(usual or DEFAULT_ANSWER_TOKENS, sampling.min_tokens)
        if sampling.ignore_eos or not self._lengths:
            return limit
        return min(limit, max(*self._lengths, sampling.min_tokens, 1))
