"""What was answered, how fast and how it ended: kept for `/metrics` and `/v1/stats`.

By model and version only: no word of a user's becomes a key. Knows no HTTP and no format.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from edgellm.serving.measure import RATE_BOUNDS, Measure
from edgellm.types import Finished, FinishReason

# How an answer ends: by itself, by an error, at its deadline, or because nobody wants it any more.
Outcome: TypeAlias = FinishReason | Literal["error", "deadline", "cancelled"]
Refusal: TypeAlias = Literal["queue_full", "client_share", "deadline"]

# Parsers make several events of one token; those that come sooner than this are of one step.
SAME_STEP_SECONDS = 100e-6


class ModelTally:
    """Of one model in one version. Mutable."""

    def __init__(self) -> None:
        self.ttft = Measure()
        self.inter_token = Measure()
        self.end_to_end = Measure()
        self.queue = Measure()
        self.prefill_rate = Measure(RATE_BOUNDS)
        self.decode_rate = Measure(RATE_BOUNDS)
        self.outcomes: Counter[Outcome] = Counter()
        self.refusals: Counter[Refusal] = Counter()
        self.num_disconnects = 0  # requests whose client left before the end
        self.num_prompt_tokens = 0
        self.num_cached_tokens = 0
        self.num_generated_tokens = 0

    @property
    def cache_hit_rate(self) -> float | None:
        """Of all prompts' tokens; None before the first."""
        if not self.num_prompt_tokens:
            return None
        return self.num_cached_tokens / self.num_prompt_tokens

    def finish(self, finished: Finished, now: float) -> None:
        """Take over what the engine says of an answer that ended by itself."""
        usage, timings = finished.usage, finished.timings
        self.num_prompt_tokens += usage.prompt_tokens
        self.num_cached_tokens += usage.cached_tokens
        self.num_generated_tokens += usage.completion_tokens
        self.queue.observe(timings.queue_seconds, now)
        num_computed = usage.prompt_tokens - usage.cached_tokens
        if timings.prefill_seconds > 0 and num_computed > 0:
            self.prefill_rate.observe(num_computed / timings.prefill_seconds, now)
        if timings.decode_seconds > 0 and usage.completion_tokens > 1:
            rate = (usage.completion_tokens - 1) / timings.decode_seconds
            self.decode_rate.observe(rate, now)


class Tally:
    """One for each server; `models` by (id, version)."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], ModelTally] = {}

    def of(self, model: str, version: str) -> ModelTally:
        key = (model, version)
        if key not in self.models:
            self.models[key] = ModelTally()
        return self.models[key]


class Progress:
    """The clock of one answer, from when it was asked for."""

    def __init__(self, asked_at: float) -> None:
        self._asked_at = asked_at
        self._last_at: float | None = None

    def content(self, tally: ModelTally, now: float) -> None:
        """More of the answer came."""
        last = self._last_at
        if last is None:
            tally.ttft.observe(now - self._asked_at, now)
        elif (gap := now - last) >= SAME_STEP_SECONDS:
            tally.inter_token.observe(gap, now)
        else:
            return
        self._last_at = now

    def finish(self, tally: ModelTally, finished: Finished, now: float) -> None:
        tally.end_to_end.observe(now - self._asked_at, now)
        tally.finish(finished, now)
