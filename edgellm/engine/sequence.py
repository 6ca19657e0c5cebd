"""One request inside the engine: the only state of it that changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from edgellm.engine.detokenizer import Detokenizer
from edgellm.engine.speculation import Acceptance, PromptLookup
from edgellm.types import Constraint, FinishReason, Sampling, Timings, Usage


class Sequence:
    """The tokens of a prompt and its answer, and how far they are computed.

    `tokens[:num_computed]` are in the KV cache of `slot`. An answer grows by feeding the rest and
    sampling behind it: a new prompt and the newest token are treated alike.
    """

    def __init__(
        self,
        id_: int,
        prompt: list[int],
        sampling: Sampling,
        context: int,
        client: str = "",
        generated: Iterable[int] = (),
        shown: Mapping[int, bytes] | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        """`generated` are tokens of the answer that another engine made; `shown` are the control
        tokens that have a text in it."""
        self.id = id_
        self.client = client
        self.tokens = [*prompt, *generated]
        self.num_prompt = len(prompt)
        self.num_told = len(self.tokens)  # tokens that the server knows
        self.num_computed = 0
        self.num_cached = 0  # of the computed ones: taken over from other sequences
        self.slot: int | None = None
        self.needs_cell = False  # for the newest token, which the prompt's cells do not cover
        self.leader: Sequence | None = None  # it is computing tokens that this one needs too
        self.num_shared = 0  # of `leader`'s tokens
        self._companions: list[Sequence] | None = None  # prompts there were at its first token
        self.lookup = PromptLookup(self.tokens)
        self.acceptance = Acceptance()
        self.sampling = sampling
        self.constraint = constraint
        self.detokenizer = Detokenizer(sampling.stop)
        self.shown = dict(shown or {})
        self._max_length = min(context, len(prompt) + (sampling.max_tokens or context))
        self._arrived = time.monotonic()
        self._started = 0.0
        self._first_token: float | None = None  # that was made here

    @property
    def num_generated(self) -> int:
        return len(self.tokens) - self.num_prompt

    @property
    def num_pending(self) -> int:
        """Tokens that are known but not computed yet."""
        return len(self.tokens) - self.num_computed

    @property
    def is_decoding(self) -> bool:
        """Whether its next step is a single new token."""
        return self.num_generated > 0 and self.num_pending == 1

    def start(self, slot: int) -> None:
        """Leave the queue."""
        self.slot = slot
        if not self._started:
            self._started = time.monotonic()

    def stop(self) -> None:
        """Leave the slot. Nothing is computed any more; the tokens stay."""
        self.slot = self.leader = None
        self.num_computed = 0
        self.needs_cell = False

    def share(self, leader: Sequence | None, length: int) -> None:
        """The first `length` tokens are another's: there already, or `leader` computes them."""
        self.leader, self.num_shared = leader, length
        if leader is None:
            self.take_shared(length)

    def take_shared(self, length: int) -> None:
        """The first `length` tokens are in this slot now, without having been computed here."""
        if not self.num_generated:  # what comes back after a pause was paid for once
            self.num_cached += length - self.num_computed
        self.num_computed = length

    def append(self, token: int) -> None:
        """Take a sampled token."""
        if self._first_token is None:
            self._first_token = time.monotonic()
        self.tokens.append(token)
        self.needs_cell = True

    def meet(self, prefilling: list[Sequence]) -> None:
        """The prompts that are computed now; those at the first token are its companions."""
        if self._companions is None:
            self._companions = prefilling

    @property
    def is_waiting(self) -> bool:
        """Whether its second token may wait until its companions have their first."""
        return self.num_generated == 1 and any(
            each.slot is not None and not each.num_generated for each in self._companions or ()
        )

    @property
    def num_left(self) -> int:
        """Tokens that may still come."""
        return self._max_length - len(self.tokens)

    def is_full(self) -> bool:
        """Whether `max_tokens` or the context is used up."""
        return self.num_left <= 0

    def take_untold(self) -> tuple[int, ...]:
        """The answer's tokens that were not told yet; now they are."""
        told, self.num_told = self.num_told, len(self.tokens)
        return tuple(self.tokens[told:])

    def usage(self) -> Usage:
        return Usage(self.num_prompt, self.num_generated, self.num_cached)

    def timings(self) -> Timings:
        """So far, in this engine."""
        now = time.monotonic()
        started = self._started or now
        first_token = self._first_token or now
        return Timings(
            queue_seconds=started - self._arrived,
            prefill_seconds=first_token - started,
            decode_seconds=now - first_token,
        )

    def finish_reason(self, *, is_end: bool) -> FinishReason | None:
        """Why the answer ends with its newest token; None if it goes on.

        Args:
            is_end: the newest token is one of the model's end-of-text tokens.
        """
        if is_end or self.detokenizer.is_stopped:
            return "stop"
        return "length" if self.is_full() else None
