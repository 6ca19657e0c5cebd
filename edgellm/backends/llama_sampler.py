"""One request's sampling, as a chain of llama.cpp's own samplers.

The order is that of llama.cpp's `common/sampling.cpp`. Differences, both on purpose: presence and
frequency penalties count the answer's tokens only, as in OpenAI's API, while the repeat penalty
sees the prompt too; and the ban of the end-of-text tokens for `min_tokens` is lifted by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgellm.backends.candidates import Mask
from edgellm.backends.grammar import Guide
from edgellm.types import Sampling

MIN_KEEP = 1  # candidates that a truncating sampler leaves at least
_WORD = 0xFFFFFFFF  # seeds have 32 bits


class SamplerChain:
    """Draws a sequence's tokens. Owns native memory: call `close`."""

    def __init__(
        self,
        lib: Any,
        vocab: Any,
        context: int,
        sampling: Sampling,
        prompt: Sequence[int],
        end_tokens: Sequence[int],
        guide: Guide | None = None,
    ) -> None:
        """`guide` says which tokens may be drawn; None = all."""
        self._guide = guide
        if guide is not None:
            self._entries = guide.candidates.entries.ctypes.data_as(lib.llama_token_data_p)
        self.top_logprobs = sampling.top_logprobs
        self._seed = (sampling.seed or 0) & _WORD
        self._is_greedy = not sampling.temperature
        self._remembers = False  # whether a sampler of the chain looks back at earlier tokens
        self._num_drawn = 0
        self._lib = lib
        self._num_vocab: int = lib.llama_vocab_n_tokens(vocab)
        self._num_banned = 0 if sampling.ignore_eos else sampling.min_tokens
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        if self._num_banned > 0:
            self._add_bias(dict.fromkeys(end_tokens, -math.inf))  # first: see _lift_ban
        bias = dict(sampling.logit_bias)
        if sampling.ignore_eos:
            bias |= dict.fromkeys(end_tokens, -math.inf)
        if bias:
            self._add_bias(bias)
        self._add_penalties(sampling, context, prompt)
        for sampler in self._choosers(sampling):
            lib.llama_sampler_chain_add(self._chain, sampler)

    def sample(self, native_context: Any, output: int) -> int:
        """Draw a token from the logits of that output of the last batch."""
        if self._guide is not None:
            return self._sample_allowed(self._guide, native_context, output)
        token: int = self._lib.llama_sampler_sample(self._chain, native_context, output)
        self._count()
        return token

    @property
    def failure(self) -> str:
        """Why the newest token is none; empty where all is well."""
        return self._guide.failure if self._guide is not None else ""

    def forced(self) -> list[int]:
        """The tokens that come next whatever the model says."""
        return self._guide.forced() if self._guide is not None else []

    def replay(self, tokens: Iterable[int]) -> None:
        """Be as if all of `tokens` had been drawn: penalties, the ban, the random numbers."""
        lib = self._lib
        last = lib.llama_sampler_chain_get(self._chain, lib.llama_sampler_chain_n(self._chain) - 1)
        single = (lib.llama_token_data * 1)(lib.llama_token_data(0, 0.0, 0.0))
        for token in tokens:
            if [token] != self.forced()[:1]:
                # Of a single candidate the last sampler draws, too: one random number for a token.
                lib.llama_sampler_apply(last, lib.llama_token_data_array(single, 1, -1, False))
            self._follow(token)

    def _follow(self, token: int) -> None:
        """That token came, without a draw."""
        if self._remembers:
            self._lib.llama_sampler_accept(self._chain, token)
        self._count()
        if self._guide is not None:
            self._guide.accept(token)

    def _sample_allowed(self, guide: Guide, native_context: Any, output: int) -> int:
        """Draw as if nothing were forbidden; only if what came is, draw among the allowed tokens.

        Which tokens are allowed is dear to find out, whether one is costs next to nothing, and a
        model that knows what it is asked for rarely errs. The tokens come as often as if the
        forbidden ones had never been candidates: let p be the chances of all tokens, A those of the
        allowed ones together. An allowed x comes at once with p(x), and with the chance 1 - A that
        the first draw fails it comes from the second with p(x) / A, which makes p(x) / A. This is
        exact for a greedy choice and for temperatures. Samplers that cut the tail (top_k and the
        like) cut it before the check, as llama.cpp's own grammars do.

        Each token that is not forced takes one random number of the chain's, whatever becomes of
        it, as in `replay`.
        A chain that looks back would count the refused token, so there the mask comes first.
        """
        forced = guide.forced()
        if forced:
            self._follow(forced[0])
            return forced[0]
        if self._remembers:
            return self._sample_masked(guide, native_context, output)
        token: int = self._lib.llama_sampler_sample(self._chain, native_context, output)
        if not guide.take(token):
            token = self._draw_again(guide, native_context, output)
            guide.accept(token)
        self._count()
        return token

    def _sample_masked(self, guide: Guide, native_context: Any, output: int) -> int:
        """Forbidden tokens are no candidates, so the chain and the random numbers are the usual.

        Where there is no choice there is nothing to sample, and an answer that is complete ends,
        whatever `min_tokens` and the biases say.
        """
        allowed = guide.allowed()
        only = guide.only_choice(allowed)
        if only is not None:
            self.replay([only])
            return only
        array = self._candidates(guide, allowed, native_context, output)
        self._lib.llama_sampler_apply(self._chain, array)
        token = int(array.data[array.selected].id)
        self._lib.llama_sampler_accept(self._chain, token)
        self._count()
        guide.accept(token)
        return token

    def _draw_again(self, guide: Guide, native_context: Any, output: int) -> int:
        """Draw among the allowed tokens, with a random number that is not the chain's."""
        allowed = guide.allowed()
        only = guide.only_choice(allowed)
        if only is not None:
            return only
        lib = self._lib
        array = self._candidates(guide, allowed, native_context, output)
        if self._is_greedy:
            lib.llama_sampler_apply(self._chain, array)
            return int(array.data[array.selected].id)
        for index in range(lib.llama_sampler_chain_n(self._chain) - 1):
            lib.llama_sampler_apply(lib.llama_sampler_chain_get(self._chain, index), array)
        # Seeded by the token's place, so that a replayed answer goes on as it would have.
        last = lib.llama_sampler_init_dist(self._seed ^ (self._num_drawn + 1) * 0x9E3779B1 & _WORD)
        lib.llama_sampler_apply(last, array)
        lib.llama_sampler_free(last)
        return int(array.data[array.selected].id)

    def _candidates(self, guide: Guide, allowed: Mask, native_context: Any, output: int) -> Any:
        """The allowed tokens with their logits, as llama.cpp takes them."""
        pointer = self._lib.llama_get_logits_ith(native_context, output)
        logits = np.ctypeslib.as_array(pointer, (self._num_vocab,))
        count = guide.candidates.fill(logits, allowed)
        return self._lib.llama_token_data_array(self._entries, count, -1, False)

    def close(self) -> None:
        """Free the native samplers."""
        self._lib.llama_sampler_free(self._chain)

    def _count(self) -> None:
        """A token was drawn: the ban of the end-of-text tokens may be over."""
        self._num_drawn += 1
        if self._num_banned > 0:
            self._num_banned -= 1
            if self._num_banned == 0:
                self._lift_ban()

    def _lift_ban(self) -> None:
        self._lib.llama_sampler_free(self._lib.llama_sampler_chain_remove(self._chain, 0))

    def _add_bias(self, bias: dict[int, float]) -> None:
        entries = (self._lib.llama_logit_bias * len(bias))(*bias.items())
        sampler = self._lib.llama_sampler_init_logit_bias(self._num_vocab, len(bias), entries)
        self._lib.llama_sampler_chain_add(self._chain, sampler)

    def _add_penalties(self, sampling: Sampling, context: int, prompt: Sequence[int]) -> None:
        repeat = sampling.repeat_penalty if sampling.repeat_penalty is not None else 1.0
        last_n = sampling.repeat_last_n if sampling.repeat_last_n is not None else 64
        if repeat != 1.0 and last_n != 0:
            last_n = context if last_n < 0 else last_n
            self._add_penalty(last_n, (repeat, 0.0, 0.0), prompt[-last_n:])
        presence = sampling.presence_penalty or 0.0
        frequency = sampling.frequency_penalty or 0.0
        if presence or frequency:
            self._add_penalty(context, (1.0, frequency, presence), ())

    def _add_penalty(
        self, last_n: int, strengths: tuple[float, float, float], seen: Iterable[int]
    ) -> None:
        """`strengths`: repeat (a factor), frequency and presence (subtracted from the logit)."""
        self._remembers = True
        sampler = self._lib.llama_sampler_init_penalties(self._num_vocab, last_n, *strengths)
        for token in seen:
            self._lib.llama_sampler_accept(sampler, token)
        self._lib.llama_sampler_chain_add(self._chain, sampler)

    def _choosers(self, sampling: Sampling) -> list[Any]:
        """The samplers that narrow the candidates and draw. All fields are set (`resolve`)."""
        lib = self._lib
        if not sampling.temperature:
            return [lib.llama_sampler_init_greedy()]
        choosers = []
        if sampling.top_k:
            choosers.append(lib.llama_sampler_init_top_k(sampling.top_k))
        if sampling.typical_p is not None and sampling.typical_p < 1.0:
            choosers.append(lib.llama_sampler_init_typical(sampling.typical_p, MIN_KEEP))
        if sampling.top_p is not None and sampling.top_p < 1.0:
            choosers.append(lib.llama_sampler_init_top_p(sampling.top_p, MIN_KEEP))
        if sampling.min_p:
            choosers.append(lib.llama_sampler_init_min_p(sampling.min_p, MIN_KEEP))
        choosers.append(lib.llama_sampler_init_temp(sampling.temperature))
        choosers.append(lib.llama_sampler_init_dist(self._seed))
        return choosers
