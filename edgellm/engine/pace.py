"""How many tokens a step may compute, so that nobody waits long for it to end.

Nothing reacts while a step runs: no stream gets its next token, no cancelled request stops. A
small board computes some 40 tokens of a prompt in a second, a workstation 4,000, so the limit is a
time, and the tokens follow from what the steps before took.
"""

from __future__ import annotations

import math

STALL_SECONDS = 0.25  # between two tokens of a stream, while somebody else's prompt is computed
ALONE_SECONDS = 2.0  # when only prompts are computed
FIRST_TOKENS = 128  # while nothing is known
FEWEST_TOKENS = 32  # smaller pieces of a prompt waste time on every weight that is read
_NEWEST_SHARE = 0.3


class Pace:
    """Learns the speed of prefill from the steps."""

    def __init__(self, most_tokens: int, stall_seconds: float = STALL_SECONDS) -> None:
        """`most_tokens`: what a step can take at all; `stall_seconds`: while anyone decodes."""
        self._most = most_tokens
        self._stall_seconds = stall_seconds
        self._tokens_per_second: float | None = None

    def observe(self, num_tokens: int, seconds: float) -> None:
        """A step is over. Small ones tell of decode, not of prefill."""
        if num_tokens < FEWEST_TOKENS or seconds <= 0:
            return
        speed = num_tokens / seconds
        known = self._tokens_per_second
        self._tokens_per_second = (
            speed if known is None else known + _NEWEST_SHARE * (speed - known)
        )

    def seconds(self, num_tokens: int) -> float:
        """What it takes to compute a prompt of that length; infinite while nothing is known."""
        return num_tokens / self._tokens_per_second if self._tokens_per_second else math.inf

    def budget(self, *, is_anyone_decoding: bool) -> int:
        """Tokens of prompts for the next step."""
        if self._tokens_per_second is None:
            return min(self._most, FIRST_TOKENS)
        seconds = self._stall_seconds if is_anyone_decoding else ALONE_SECONDS
        return max(FEWEST_TOKENS, min(self._most, int(self._tokens_per_second * seconds)))
