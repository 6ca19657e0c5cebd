"""The least that a decode loop can do on a backend's own context: the bound for the engine.

It reaches into `LlamaCppBackend` on purpose: a second context would take the memory again, and
the two would not be the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Bare:
    """One sequence for each slot from 0 on, all of the same length."""

    def __init__(self, backend: Any) -> None:
        self._lib, self._context = backend._lib, backend._context
        self._size: int = backend.limits.batch_tokens
        self._batch = self._lib.llama_batch_init(self._size, 0, 1)
        self._sampler = self._lib.llama_sampler_init_greedy()

    def prefill(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """Feed a prompt to each slot, in full batches; gives the first token of each answer."""
        found, count = [], 0
        for slot, prompt in enumerate(prompts):
            for position, token in enumerate(prompt):
                is_last = position == len(prompt) - 1
                self._put(count, token, position, slot, is_last=is_last)
                count += 1
                if count == self._size or (is_last and slot == len(prompts) - 1):
                    found += self._run_and_sample(count)
                    count = 0
        return found

    def decode(self, tokens: Sequence[int], position: int) -> list[int]:
        """One step: each sequence's newest token, at the same position; gives the next ones."""
        for slot, token in enumerate(tokens):
            self._put(slot, token, position, slot, is_last=True)
        return self._run_and_sample(len(tokens))

    def close(self) -> None:
        self._lib.llama_sampler_free(self._sampler)
        self._lib.llama_batch_free(self._batch)

    def _put(self, index: int, token: int, position: int, slot: int, *, is_last: bool) -> None:
        batch = self._batch
        batch.token[index], batch.pos[index], batch.logits[index] = token, position, is_last
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = slot

    def _run_and_sample(self, count: int) -> list[int]:
        """A token for each place in the batch that has logits."""
        self._batch.n_tokens = count
        status = self._lib.llama_decode(self._context, self._batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        return [
            self._lib.llama_sampler_sample(self._sampler, self._context, index)
            for index in range(count)
            if self._batch.logits[index]
        ]
