"""A small model that guesses what the served one will say: it must have the same vocabulary.

It has a context of its own, in which it follows the answers that are made. The guesses of all
answers are computed together, a token of each per step. What a finished sequence leaves there stays
until the slot is needed, for the next one that begins like it. Knows nothing of what guesses cost
and of whether they were right, see `guesser.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from edgellm.backends import load_backend
from edgellm.backends.base import OutOfMemory, Sampled, TokenBackend, Vocabulary, Work
from edgellm.engine.pace import Pace
from edgellm.engine.speculation import LENGTHS, Guesses
from edgellm.errors import EngineLoadError
from edgellm.types import EngineOptions, Sampling

LEAST_PROBABILITY = 0.4  # that the draft model must give a token; a guess ends before others
CATCH_UP_SECONDS = 0.05  # of a step, for texts that the draft model does not know yet
FIRST_COMPARED_TOKEN = 5  # the ones below are control tokens, whose texts may differ
MAX_SIZE_DIFFERENCE = 128  # in tokens; the larger vocabulary is padded
_SAMPLER = 0
_BLOCK = 64
_GREEDY = Sampling(temperature=0, top_logprobs=0)


class Wanted(NamedTuple):
    """How the text of a sequence goes on, in `most` tokens or fewer."""

    tokens: list[int]
    most: int


class Draft(NamedTuple):
    """Guesses by the sequence's id, and what they took.

    `seconds` is None where that says nothing of drafting: a text was caught up with, or there was
    none to follow.
    """

    guesses: Guesses
    seconds: float | None


class _Slot:
    """What the draft model holds of one text; its newest tokens may be guesses."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tokens: list[int] = []


class DraftModel:
    """Follows sequences, and continues them greedily."""

    def __init__(
        self, backend: TokenBackend, num_vocab: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make one of a backend that nobody else uses.

        Args:
            num_vocab: tokens of the served model's vocabulary.
        """
        limits = backend.limits
        self._backend = backend
        self._clock = clock
        self._num_vocab = min(num_vocab, backend.model.vocab_size)
        self._context = min(limits.context, backend.model.trained_context)
        self._pace = Pace(limits.batch_tokens, CATCH_UP_SECONDS)
        self._idle = [_Slot(number) for number in range(limits.num_slots)]  # oldest first
        self._slots: dict[int, _Slot] = {}  # by the sequence's id
        self._barred: set[int] = set()  # sequences that it cannot follow
        backend.add_sampler(_SAMPLER, _GREEDY, ())

    def keep_only(self, ids: Collection[int]) -> None:
        """All other sequences have left."""
        for id_ in self._slots.keys() - ids:
            self._idle.append(self._slots.pop(id_))
        self._barred &= set(ids)

    def propose(self, wanted: Mapping[int, Wanted]) -> Draft:
        """Guess, by the sequence's id.

        There is no guess of a sequence that is not caught up with, that this model cannot follow,
        or that it is not sure of.
        """
        guesses: Guesses = {}
        feed = self._missing_tokens(wanted)
        is_usual = bool(feed) and all(len(each) <= LENGTHS[0] + 1 for each in feed.values())
        started = self._clock()
        while feed:
            num_tokens = sum(map(len, feed.values()))
            began = self._clock()
            try:
                feed = self._advance(feed, wanted, guesses)
            except OutOfMemory:
                self._make_room()
                break
            self._pace.observe(num_tokens, self._clock() - began)
        return Draft(guesses, self._clock() - started if is_usual else None)

    def close(self) -> None:
        """Free the model."""
        self._backend.close()

    # -- inside ---------------------------------------------------------------------------------

    def _missing_tokens(self, wanted: Mapping[int, Wanted]) -> dict[int, list[int]]:
        """What to feed first, by sequence: the shortest first, as far as one step may go."""
        missing = {id_: self._synchronise(id_, text) for id_, text in wanted.items()}
        budget = min(
            self._backend.limits.batch_tokens,
            max(self._pace.budget(is_anyone_decoding=True), len(wanted) * (LENGTHS[0] + 1)),
        )
        feed = {}
        for id_ in sorted(missing, key=lambda id_: len(missing[id_])):
            chunk = missing[id_][:budget]
            if chunk:
                feed[id_] = chunk
                budget -= len(chunk)
        return feed

    def _synchronise(self, id_: int, text: Wanted) -> list[int]:
        """Drop what a slot holds beside the text; gives what it lacks, at least the last token.

        Nothing, if the sequence cannot be followed.
        """
        tokens, most = text
        if id_ in self._barred or len(tokens) + most > self._context:
            return []
        if id_ not in self._slots:
            if not self._idle:
                return []
            self._slots[id_] = self._take_slot(tokens)
        slot = self._slots[id_]
        length = min(_common_length(slot.tokens, tokens), len(tokens) - 1)
        self._truncate(slot, length)
        missing = tokens[length:]
        if max(missing) >= self._num_vocab:
            self._barred.add(id_)
            return []
        return missing

    def _take_slot(self, tokens: list[int]) -> _Slot:
        """The slot that was used longest ago, with what any slot holds of the text."""
        slot = self._idle.pop(0)
        slots = (slot, *self._idle, *self._slots.values())
        source = max(slots, key=lambda each: _common_length(each.tokens, tokens))
        length = _common_length(source.tokens, tokens)
        if source is slot:
            self._truncate(slot, length)
        else:
            self._forget(slot)
            self._backend.share(source.number, slot.number, 0, length)
            slot.tokens = source.tokens[:length]
        return slot

    def _advance(
        self, feed: Mapping[int, list[int]], wanted: Mapping[int, Wanted], guesses: Guesses
    ) -> dict[int, list[int]]:
        """One step: adds to `guesses` where all is fed; gives what is to be fed next."""
        work = [self._work(id_, tokens, wanted, guesses) for id_, tokens in feed.items()]
        sampled = self._backend.step(work)
        following: dict[int, list[int]] = {}
        for (id_, tokens), results in zip(feed.items(), sampled, strict=True):
            self._slots[id_].tokens += tokens
            for result in filter(self._is_good, results):
                guess = guesses.setdefault(id_, [])
                guess.append(result.token)
                if len(guess) < wanted[id_].most:
                    following[id_] = [result.token]
        return following

    def _work(
        self, id_: int, tokens: list[int], wanted: Mapping[int, Wanted], guesses: Guesses
    ) -> Work:
        slot = self._slots[id_]
        begin = len(slot.tokens)
        num_known = len(wanted[id_].tokens) + len(guesses.get(id_, ()))
        is_last = begin + len(tokens) == num_known
        return Work(slot.number, begin, tokens, _SAMPLER if is_last else None)

    def _is_good(self, result: Sampled) -> bool:
        """Whether to guess this token; an end token would have nothing behind it."""
        assert result.logprob is not None
        return (
            result.logprob.logprob >= math.log(LEAST_PROBABILITY)
            and result.token < self._num_vocab
            and not self._backend.is_end(result.token)
        )

    def _make_room(self) -> None:
        """There are too few cells: drop what nobody uses, or else do without the longest text."""
        kept = [slot for slot in self._idle if slot.tokens]
        for slot in kept:
            self._forget(slot)
        if not kept:
            longest = max(self._slots, key=lambda id_: len(self._slots[id_].tokens))
            slot = self._slots.pop(longest)
            self._forget(slot)
            self._idle.append(slot)
            self._barred.add(longest)

    def _truncate(self, slot: _Slot, length: int) -> None:
        if length < len(slot.tokens):
            self._backend.truncate(slot.number, length)
            del slot.tokens[length:]

    def _forget(self, slot: _Slot) -> None:
        self._backend.forget(slot.number)
        slot.tokens = []


def load_draft_model(name: str, options: EngineOptions, served: TokenBackend) -> DraftModel:
    """Load the model at `options.draft_path` with the runtime `name`.

    Raises:
        EngineLoadError: it cannot be loaded, or it cannot guess for the served model.
    """
    if not served.limits.can_cut:
        raise EngineLoadError(
            "A draft model cannot guess for this model: it is recurrent, in whole or in part, and "
            "cannot take back what was guessed wrong.",
            "Leave out --draft-model.",
        )
    limits = served.limits
    own = replace(options, context=limits.context, cells=limits.num_cells)
    backend = load_backend(name, options.draft_path, own, lambda _: None)
    reason = _unfitness(served, backend)
    if reason is not None:
        backend.close()
        raise EngineLoadError(
            f"{Path(options.draft_path).name} cannot be the draft model: {reason}.",
            "Choose a small model of the same family as the served one, or leave out "
            "--draft-model.",
        )
    return DraftModel(backend, served.model.vocab_size)


def _unfitness(served: TokenBackend, draft: TokenBackend) -> str | None:
    if "completion" not in draft.model.capabilities:
        return "it is made for embeddings, and cannot write"
    if not draft.limits.can_cut:
        return "it is recurrent, in whole or in part, and cannot take back a guess"
    return vocabulary_difference(served.vocabulary(), draft.vocabulary())


def vocabulary_difference(served: Vocabulary, draft: Vocabulary) -> str | None:
    """Why the tokens of one are not the other's; None if they are.

    The conditions are those of llama.cpp (`common_speculative_are_compatible`).
    """
    if served.kind != draft.kind:
        return "it has another kind of tokenizer"
    if served.start != draft.start:
        return "it begins texts with another token"
    if served.end != draft.end:
        return "it ends texts with another token"
    sizes = len(served.texts), len(draft.texts)
    if abs(sizes[0] - sizes[1]) > MAX_SIZE_DIFFERENCE:
        return f"its vocabulary has {sizes[1]} tokens, and the served model's has {sizes[0]}"
    for token in range(FIRST_COMPARED_TOKEN, min(sizes)):
        if served.texts[token] != draft.texts[token]:
            return f"its vocabulary is another one: they differ in token {token}"
    return None


def _common_length(first: list[int], second: list[int]) -> int:
    """How many tokens both begin with. In blocks: texts are long, and mostly agree."""
    end = min(len(first), len(second))
    for begin in range(0, end, _BLOCK):
        block = slice(begin, min(begin + _BLOCK, end))
        if first[block] != second[block]:
            return next(i for i in range(begin, end) if first[i] != second[i])
    return end
