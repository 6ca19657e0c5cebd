"""A draft model follows the texts of all answers, and continues them together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest

from edgellm.backends import load_backend
from edgellm.backends.base import (
    Limits,
    OutOfMemory,
    Sampled,
    TokenBackend,
    Vocabulary,
    Work,
)
from edgellm.engine import draft as module
from edgellm.engine.draft import (
    DraftModel,
    Wanted,
    load_draft_model,
    vocabulary_difference,
)
from edgellm.engine.guesser import Guesser
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache
from edgellm.engine.speculation import RETRY_TOKENS, StepCost
from edgellm.errors import EngineLoadError
from edgellm.protocol import Generate, ModelInfo
from edgellm.types import EngineOptions, EngineStats, Sampling, TokenLogprob
from tests.engine.test_loop import complete, decisive, finish, text_of
from tests.support.tiny_embedder import write_tiny_decoder
from tests.support.tiny_model import write_tiny_model

END, UNSURE, VOCAB = 90, 80, 100


class Counter:
    """A backend that counts on: behind 7 comes 8. It checks that what is fed follows."""

    def __init__(self, *, num_slots: int = 4, cells: int = 10_000, context: int = 5_000) -> None:
        self.limits = Limits(2, num_slots, cells, context, True, 8, 512)
        self.model = cast(
            "ModelInfo", type("Model", (), {"vocab_size": 99, "trained_context": context})
        )
        self.held: dict[int, list[int]] = {}
        self.steps: list[list[Work]] = []

    def add_sampler(self, sampler: int, sampling: Sampling, prompt: object) -> None:
        assert sampling.temperature == 0

    def is_end(self, token: int) -> bool:
        return token == END

    def step(self, work: list[Work]) -> list[list[Sampled]]:
        num_tokens = sum(len(item.tokens) for item in work)
        assert 0 < num_tokens <= self.limits.batch_tokens
        if sum(map(len, self.held.values())) + num_tokens > self.limits.num_cells:
            raise OutOfMemory
        self.steps.append(work)
        return [self._feed(item) for item in work]

    def _feed(self, item: Work) -> list[Sampled]:
        held = self.held.setdefault(item.slot, [])
        assert len(held) == item.start
        assert max(item.tokens) < self.model.vocab_size
        held += item.tokens
        token = held[-1] + 1
        logprob = math.log(0.1 if token == UNSURE else 0.9)
        return [Sampled(token, TokenLogprob(b"", logprob))] if item.sampler is not None else []

    def share(self, source: int, target: int, begin: int, end: int) -> None:
        assert not self.held.get(target)
        assert len(self.held[source]) >= end
        self.held[target] = self.held[source][begin:end]

    def truncate(self, slot: int, length: int) -> None:
        del self.held[slot][length:]

    def forget(self, slot: int) -> None:
        self.held.pop(slot, None)

    def num_fed(self) -> list[list[int]]:
        """Tokens of each sequence in each step; then begin anew."""
        numbers = [[len(item.tokens) for item in work] for work in self.steps]
        self.steps.clear()
        return numbers


def drafting(backend: Counter) -> DraftModel:
    return DraftModel(cast("TokenBackend", backend), VOCAB)


def guess(model: DraftModel, **texts: tuple[list[int], int]) -> dict[int, list[int]]:
    """`a=([1, 2], 3)`: three tokens behind 1 2, for the sequence of the number 97."""
    wanted = {ord(name): Wanted(*text) for name, text in texts.items()}
    model.keep_only(wanted.keys())
    return model.propose(wanted).guesses


A, B, C = map(ord, "abc")


def test_all_sequences_are_drafted_together_a_token_of_each_per_step() -> None:
    backend = Counter()
    guesses = guess(drafting(backend), a=([1, 2], 3), b=([11, 12, 13], 2))
    assert guesses == {A: [3, 4, 5], B: [14, 15]}
    assert backend.num_fed() == [[2, 3], [1, 1], [1]]


def test_only_what_is_new_is_fed_and_what_was_wrong_is_cut_off() -> None:
    backend = Counter()
    model = drafting(backend)
    assert guess(model, a=([1, 2], 4)) == {A: [3, 4, 5, 6]}  # it holds 1 2 3 4 5
    backend.num_fed()
    assert guess(model, a=([1, 2, 3, 4, 5, 6, 7], 1)) == {A: [8]}  # all was right
    assert backend.num_fed() == [[2]]
    assert guess(model, a=([1, 2, 3, 4, 5, 6, 7, 8, 9], 4)) == {A: [10, 11, 12, 13]}
    backend.num_fed()
    assert guess(model, a=([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50], 2)) == {A: [51, 52]}
    assert backend.num_fed() == [[1], [1]]
    assert backend.held[0] == [*range(1, 11), 50, 51]


def test_a_sequence_whose_newest_token_is_known_still_gets_a_guess() -> None:
    backend = Counter()
    model = drafting(backend)
    guess(model, a=([1, 2], 4))
    assert guess(model, a=([1, 2, 3], 2)) == {A: [4, 5]}


def test_a_long_text_is_caught_up_with_in_pieces_while_others_are_guessed() -> None:
    backend = Counter()
    model = drafting(backend)
    long = [5] * 400
    assert guess(model, a=(long, 2), b=([1, 2], 2)) == {B: [3, 4]}
    assert backend.num_fed() == [[2, 126], [1]]
    wanted = {A: Wanted(long, 2), B: Wanted([1, 2, 3, 4], 2)}
    assert model.propose(wanted).seconds is None  # says nothing of what a draft costs
    rounds = 0
    while A not in guess(model, a=(long, 2), b=([1, 2, 3, 4], 2)):
        rounds += 1
        assert rounds < 5
    assert model.propose(wanted).seconds is not None


@pytest.mark.parametrize(
    ("text", "guesses"),
    [
        ([END - 3], [END - 2, END - 1]),
        ([UNSURE - 2], [UNSURE - 1]),
        ([UNSURE - 1], []),
        ([97], [98]),  # 99 is not in the draft model's vocabulary
    ],
)
def test_a_guess_ends_before_an_end_an_unsure_and_an_unknown_token(
    text: list[int], guesses: list[int]
) -> None:
    assert guess(drafting(Counter()), a=(text, 5)).get(A, []) == guesses


def test_a_text_with_a_token_that_the_draft_model_lacks_gets_no_guess() -> None:
    backend = Counter()
    model = drafting(backend)
    assert guess(model, a=([1, 99, 3], 2), b=([1], 1)) == {B: [2]}
    assert guess(model, a=([1, 99, 3, 4], 2)) == {}
    assert guess(model, c=([1], 2)) == {C: [2, 3]}


def test_a_text_longer_than_the_context_gets_no_guess() -> None:
    model = drafting(Counter(context=8))
    assert guess(model, a=([1, 2, 3, 4, 5, 6], 2)) == {A: [7, 8]}
    assert guess(model, a=([1, 2, 3, 4, 5, 6, 7], 2)) == {}
    assert model.propose({A: Wanted([1] * 7, 2)}).seconds is None


def test_slots_come_back_from_those_who_left_with_what_they_hold() -> None:
    backend = Counter(num_slots=2)
    model = drafting(backend)
    guess(model, a=([1, 2, 3, 4], 1), b=([20], 1))
    assert guess(model, a=([1, 2, 3, 4], 1), b=([20], 1), c=([30], 1)).get(C) is None
    backend.num_fed()
    assert guess(model, b=([20, 21], 1), c=([1, 2, 3, 40], 1)) == {B: [22], C: [41]}
    assert backend.num_fed() == [[1, 1]]  # 1 2 3 were there


def test_what_two_running_texts_begin_with_is_computed_once() -> None:
    backend = Counter()
    model = drafting(backend)
    guess(model, a=([1, 2, 3, 4], 1))
    backend.num_fed()
    assert guess(model, a=([1, 2, 3, 4], 1), b=([1, 2, 3, 9], 1)) == {A: [5], B: [10]}
    assert backend.num_fed() == [[1, 1]]


def test_without_room_there_is_no_guess_and_the_longest_text_goes_without() -> None:
    backend = Counter(cells=12)
    model = drafting(backend)
    texts = {"a": ([1] * 8, 2), "b": ([2] * 4, 2)}
    assert guess(model, **texts) == {A: [2], B: [3]}  # all 12 cells are taken
    assert guess(model, **texts) == {B: [3, 4]}
    assert guess(model, c=([3] * 5, 2)) == {C: [4, 5]}


def test_what_is_left_of_others_goes_before_a_running_text() -> None:
    backend = Counter(cells=12)
    model = drafting(backend)
    guess(model, a=([1] * 8, 1))
    assert guess(model, b=([2] * 6, 2)) == {}
    assert guess(model, b=([2] * 6, 2)) == {B: [3, 4]}


WORDS = tuple(bytes([letter]) * 3 for letter in range(40, 240))


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Vocabulary(2, 1, None, WORDS), None),
        (Vocabulary(2, 1, None, (b"other",) * 5 + WORDS[5:] + (b"pad",) * 128), None),
        (Vocabulary(1, 1, None, WORDS), "tokenizer"),
        (Vocabulary(2, None, None, WORDS), "begins"),
        (Vocabulary(2, 1, 3, WORDS), "ends"),
        (Vocabulary(2, 1, None, WORDS + (b"pad",) * 129), "has 329 tokens"),
        (Vocabulary(2, 1, None, (*WORDS[:-1], b"x")), "differ in token 199"),
    ],
)
def test_a_vocabulary_is_the_same_or_there_is_a_reason(
    draft: Vocabulary, reason: str | None
) -> None:
    found = vocabulary_difference(Vocabulary(2, 1, None, WORDS), draft)
    assert found is None if reason is None else reason in str(found)


# -- on real models -----------------------------------------------------------------------------

OPTIONS = EngineOptions(context=256, parallel=3, threads=1)
GREEDY = Sampling(temperature=0, max_tokens=24)


class Free(StepCost):
    """Guesses always pay: what the tests are about must not depend on the machine's load."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = self.draft_slope = 0.0

    def is_known(self, num_answers: int) -> bool:
        return True

    def observe(self, num_answers: int, num_guessed: int, seconds: float) -> None:
        pass

    def observe_draft(self, num_answers: int, num_drafted: int, seconds: float) -> None:
        pass


class Dear(Free):
    """A token to check costs half a step, and one to draft a fifth."""

    def __init__(self) -> None:
        super().__init__()
        self.slope, self.draft_slope = 0.5, 0.2


@pytest.fixture
def any_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights are never sure."""
    monkeypatch.setattr(module, "LEAST_PROBABILITY", 1e-9)


def answers(
    model: Path,
    draft: Path | None,
    prompts: list[str],
    cost: Callable[[], StepCost] = Free,
    sampling: Sampling = GREEDY,
    context: int = 256,
    cells: int = 0,
) -> tuple[list[str], EngineStats]:
    """First each alone, then all together."""
    options = EngineOptions(
        context=context, parallel=3, cells=cells, threads=1, draft_path=str(draft or "")
    )
    backend = load_backend("llama_cpp", str(model), options, lambda _: None)
    helper = load_draft_model("llama_cpp", options, backend) if draft else None
    guesser = Guesser(cost(), use_lookup=False, draft=helper) if helper else None
    engine = Engine(backend, guesser=guesser)
    found = [complete(engine, prompt, sampling)[0] for prompt in prompts]
    for id_, prompt in enumerate(prompts, 2):
        engine.submit(Generate(id_, (prompt,), sampling))
    messages = finish(engine)
    found += [text_of(messages, id_) for id_ in range(2, 2 + len(prompts))]
    backend.close()
    if helper is not None:
        helper.close()
    return found, engine.stats


QUESTIONS = [
    f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    for topic in ("a KV cache", "GGUF", "edgellm", "Q4_K_M", "a context", "a token", "RAM")
    for text in (f"What is {topic}?", f"Why do I need {topic}? Say it in one sentence. Be brief.")
]


def clear_prompts(model: Path, candidates: Iterable[str]) -> list[str]:
    """Three whose answers do not depend on the shapes of batches."""
    backend = load_backend("llama_cpp", str(model), OPTIONS, lambda _: None)
    found = decisive(Engine(backend, NoCache()), candidates, 3)
    backend.close()
    return found


def test_a_model_that_drafts_for_itself_is_right(pocket: Path) -> None:
    prompts = clear_prompts(pocket, QUESTIONS)
    plain, plain_stats = answers(pocket, None, prompts)
    drafted, stats = answers(pocket, pocket, prompts)
    assert drafted == plain
    assert stats.num_kept_tokens > 0.9 * stats.num_guessed_tokens
    assert stats.num_kept_tokens > 0.4 * stats.num_generated_tokens
    assert stats.num_steps < 0.6 * plain_stats.num_steps


@pytest.mark.usefixtures("any_token")
def test_another_model_changes_no_answer_and_soon_rests(tmp_path: Path, tiny_model: Path) -> None:
    other = write_tiny_model(tmp_path / "other.gguf", seed=1)
    prompts = clear_prompts(tiny_model, (f"prompt {i}" for i in range(200)))
    plain, _ = answers(tiny_model, None, prompts)
    always, wrong = answers(tiny_model, other, prompts)
    assert always == plain
    assert wrong.num_kept_tokens < 0.1 * wrong.num_guessed_tokens
    resting, stats = answers(tiny_model, other, prompts, Dear)
    assert resting == plain
    assert stats.num_generated_tokens > 2 * RETRY_TOKENS
    assert 0 < stats.num_guessed_tokens < 0.2 * wrong.num_guessed_tokens


def test_drafts_survive_a_cache_that_is_too_small(pocket: Path) -> None:
    """The served model's sequences step back and return, the draft model has no room either."""
    prompts = clear_prompts(pocket, QUESTIONS)
    plain, _ = answers(pocket, None, prompts)
    tight, stats = answers(pocket, pocket, prompts, context=80, cells=96)
    assert tight == plain
    assert stats.num_kept_tokens > 0


def test_a_seed_is_repeatable_with_drafts(pocket: Path) -> None:
    sampling = Sampling(temperature=2, min_p=0, top_p=1, top_k=0, seed=5, max_tokens=40)
    first, stats = answers(pocket, pocket, QUESTIONS[:1], sampling=sampling)
    assert 0 < stats.num_kept_tokens < stats.num_guessed_tokens
    assert answers(pocket, pocket, QUESTIONS[:1], sampling=sampling)[0] == first


@pytest.mark.parametrize(
    ("served", "draft", "reason"),
    [
        ("llama", "mamba", "cannot be the draft model: it is recurrent"),
        ("llama", "lfm2", "cannot be the draft model: it is recurrent"),
        ("mamba", "llama", "cannot guess for this model: it is recurrent"),
    ],
)
def test_recurrent_models_neither_draft_nor_are_drafted_for(
    tmp_path: Path, served: str, draft: str, reason: str
) -> None:
    paths = [
        write_tiny_model(tmp_path / f"{architecture}.gguf", architecture=architecture)
        for architecture in (served, draft)
    ]
    with pytest.raises(EngineLoadError, match=reason) as caught:
        answers(*paths, [])
    assert "leave out --draft-model" in caught.value.hint.lower()


def test_an_embedding_model_is_no_draft_model(tmp_path: Path, tiny_model: Path) -> None:
    embedder = write_tiny_decoder(tmp_path / "embedder.gguf")
    with pytest.raises(EngineLoadError, match="made for embeddings"):
        answers(tiny_model, embedder, [])


def test_another_vocabulary_is_refused(pocket: Path, tiny_model: Path) -> None:
    with pytest.raises(EngineLoadError, match="cannot be the draft model: it begins"):
        answers(tiny_model, pocket, [])
