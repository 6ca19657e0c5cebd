"""Models that cannot be cut: beginnings are used again, and no answer changes."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from edgellm.backends import load_backend
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.engine.checkpoints import CheckpointCache
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NO_SLOT, Match, NoCache
from edgellm.engine.prefix_store import PrefixStore
from edgellm.protocol import Delta, FromEngine, Generate
from edgellm.types import EngineOptions, Sampling, SwaCache
from tests.engine.test_loop import done, finish, text_of
from tests.support.tiny_model import write_tiny_model

KINDS: list[tuple[str, SwaCache]] = [("mamba", "full"), ("lfm2", "full"), ("gemma3", "window")]
SYSTEM = "You are a small model on a small board; say what you know and nothing else.\n"
LONG = SYSTEM * 4  # 304 tokens
GREEDY = Sampling(temperature=0, max_tokens=24, ignore_eos=True, top_logprobs=3)


# -- the books ----------------------------------------------------------------------------------


def compute(cache: CheckpointCache, slot: int, tokens: list[int]) -> list[int]:
    """A sequence from its first token to its last; gives where its state was kept."""
    begin = 0
    cache.insert(slot, tokens)
    kept = []
    while begin < len(tokens):
        begin = cache.chunk_end(slot, begin, len(tokens))
        if cache.wants_state(slot, begin) and cache.make_room(len(b"%d" % begin)):
            cache.keep(slot, begin, b"%d" % begin)
            kept.append(begin)
    assert not cache.release(slot)
    cache.remove(slot)
    return kept


def test_states_are_kept_at_doubling_lengths_before_the_end_and_at_the_end() -> None:
    assert compute(CheckpointCache(), 0, list(range(1500))) == [256, 512, 1024, 1484, 1500]
    assert compute(CheckpointCache(), 0, list(range(40))) == [24, 40]
    assert compute(CheckpointCache(), 0, list(range(15))) == []


def test_the_second_prompt_keeps_the_state_where_it_parts_from_the_first() -> None:
    cache = CheckpointCache()
    compute(cache, 0, [*range(100), *range(1000, 1100)])
    assert cache.match([*range(100), *range(2000, 2100)]) is None
    assert compute(cache, 1, [*range(100), *range(2000, 2100)]) == [100, 184, 200]
    assert cache.match([*range(100), 7]) == Match(NO_SLOT, 100, b"100")


def test_a_state_serves_only_prompts_that_begin_with_all_of_its_tokens() -> None:
    cache = CheckpointCache()
    compute(cache, 0, list(range(40)))
    assert cache.match(list(range(39))) == Match(NO_SLOT, 24, b"24")
    assert cache.match([*range(23), 99, 99]) is None


def test_unused_states_go_first_and_the_oldest_of_them() -> None:
    cache = CheckpointCache(max_bytes=8)  # of two bytes each
    compute(cache, 0, list(range(40)))
    compute(cache, 1, list(range(100, 140)))
    cache.match(list(range(30)))
    compute(cache, 2, list(range(200, 240)))
    assert cache.num_bytes == 8
    assert cache.match(list(range(50))) == Match(NO_SLOT, 24, b"24")
    assert cache.match(list(range(100, 130))) is None
    assert cache.match(list(range(200, 230))) == Match(NO_SLOT, 24, b"24")
    cache.insert(3, list(range(300, 320)))
    cache.keep(3, 20, b"larger than all")
    cache.remove(3)
    assert cache.match(list(range(300, 330))) is None


def test_room_is_made_before_a_state_takes_memory() -> None:
    cache = CheckpointCache(max_bytes=4)
    compute(cache, 0, list(range(40)))
    assert cache.num_bytes == 4
    assert cache.make_room(3)
    assert cache.num_bytes == 0
    assert not cache.make_room(5)


def test_a_state_that_was_of_use_outlives_many_that_were_not() -> None:
    cache = CheckpointCache(max_checkpoints=3)
    compute(cache, 0, list(range(40)))
    cache.match(list(range(30)))
    for slot in range(1, 9):
        compute(cache, slot, [slot * 100 + i for i in range(40)])
    assert cache.match(list(range(30))) == Match(NO_SLOT, 24, b"24")


def test_a_prompt_follows_one_that_is_on_its_way_to_where_they_part() -> None:
    cache = CheckpointCache()
    cache.insert(0, list(range(100)))
    assert cache.match([*range(50), 7, 7]) == Match(0, 50)
    assert cache.match([*range(60), 7, 7]) == Match(0, 50)  # near enough
    assert cache.chunk_end(0, 0, 100) == 50
    assert cache.match([*range(55), 7, 7]) is None  # that point is behind it
    assert cache.checkpoint(0, 0, 60) is None
    cache.keep(0, 50, b"x")
    assert cache.checkpoint(0, 0, 60) == Match(NO_SLOT, 50, b"x")
    assert cache.checkpoint(0, 50, 60) is None


def test_what_was_shared_is_saved_first_then_the_newest() -> None:
    cache = CheckpointCache()
    compute(cache, 0, list(range(40)))
    compute(cache, 1, list(range(1000, 2100)))
    cache.match(list(range(30)))
    assert [match.length for match, _ in cache.hot()] == [24, 1100, 1084, 1024, 512]


# -- on models ----------------------------------------------------------------------------------


def load(model: Path, swa_cache: SwaCache, cells: int = 0, context: int = 512) -> LlamaCppBackend:
    options = EngineOptions(
        context=context, parallel=2, threads=1, cells=cells, swa_cache=swa_cache
    )
    backend = load_backend("llama_cpp", str(model), options, lambda _: None)
    assert isinstance(backend, LlamaCppBackend)
    assert not backend.limits.can_cut
    return backend


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind[0])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SwaCache]:
    architecture, swa_cache = request.param
    path = tmp_path_factory.mktemp(architecture) / "tiny.gguf"
    return write_tiny_model(path, architecture=architecture), swa_cache


@pytest.fixture(scope="module")
def backend(kind: tuple[Path, SwaCache]) -> Iterator[LlamaCppBackend]:
    loaded = load(*kind)
    yield loaded
    loaded.close()


class Answer(NamedTuple):
    """Random models say much the same to every prompt; the probabilities tell them apart."""

    text: str
    logprobs: list[float]  # of the three likeliest, token after token
    num_cached: int

    def is_clear(self) -> bool:
        """Whether each token won clearly: what is computed in other batches rounds differently."""
        firsts, seconds = self.logprobs[::3], self.logprobs[1::3]
        return min(a - b for a, b in zip(firsts, seconds, strict=True)) > 0.05


def answer_of(messages: list[FromEngine], id_: int) -> Answer:
    deltas = [m for m in messages if isinstance(m, Delta) and m.id == id_]
    tops = [entry.top for delta in deltas for entry in delta.logprobs]
    logprobs = [value for top in tops for _, value in top]
    return Answer(text_of(messages, id_), logprobs, done(messages, id_).usage.cached_tokens)


def ask(engine: Engine, prompt: str) -> Answer:
    engine.submit(Generate(1, (prompt,), GREEDY))
    return answer_of(finish(engine), 1)


def clear(backend: LlamaCppBackend, candidates: Iterable[str], count: int) -> dict[str, Answer]:
    """Prompts with clear answers, and those answers, computed without any cache."""
    found: dict[str, Answer] = {}
    for prompt in candidates:
        answer = ask(Engine(backend, NoCache()), prompt)
        if answer.is_clear():
            found[prompt] = answer
        if len(found) == count:
            return found
    raise AssertionError("too few prompts")


def questions(backend: LlamaCppBackend, system: str, count: int) -> dict[str, Answer]:
    """They part right behind `system`; the last token says most of what comes next."""
    signs = string.ascii_letters + string.digits
    candidates = (
        f"{system}{signs[i]}? And please do say why it is so{signs[-i]}" for i in range(len(signs))
    )
    return clear(backend, candidates, count)


def assert_same(answers: Iterable[Answer], expected: Iterable[Answer]) -> None:
    """Up to rounding, which is below 0.01 here; a state of other tokens is off by 0.1 or more."""
    for answer, reference in zip(answers, expected, strict=True):
        assert answer.text == reference.text
        assert answer.logprobs == pytest.approx(reference.logprobs, abs=0.03)


@pytest.mark.parametrize(("system", "second"), [(SYSTEM, 0), (LONG, 256)])
def test_the_third_question_starts_behind_the_system_prompt(
    backend: LlamaCppBackend, system: str, second: int
) -> None:
    expected = questions(backend, system, 3)
    engine = Engine(backend)
    answers = [ask(engine, prompt) for prompt in expected]
    assert_same(answers, expected.values())
    assert [answer.num_cached for answer in answers] == [0, second, len(system)]
    assert engine.stats.num_prompt_tokens == sum(map(len, expected)) - second - len(system)


def test_a_next_turn_without_the_reasoning(backend: LlamaCppBackend) -> None:
    """The second prompt has other tokens where the first one's answer was."""
    ((first, reference),) = questions(backend, SYSTEM, 1).items()
    candidates = (f"{first}{sign}nswer. And now{sign}" for sign in string.ascii_letters)
    ((second, other),) = clear(backend, candidates, 1).items()
    engine = Engine(backend)
    answers = [ask(engine, prompt) for prompt in (first, second, first)]
    assert_same(answers, [reference, other, reference])
    kept = len(first) - 16
    assert [answer.num_cached for answer in answers] == [0, kept, kept]


def test_prompts_that_arrive_together_compute_their_common_beginning_once(
    backend: LlamaCppBackend,
) -> None:
    expected = questions(backend, LONG, 4)
    engine = Engine(backend)
    for id_, prompt in enumerate(expected):
        engine.submit(Generate(id_, (prompt,), GREEDY))
    messages = finish(engine)
    assert_same([answer_of(messages, id_) for id_ in range(4)], expected.values())
    assert engine.stats.num_prompt_tokens == sum(map(len, expected)) - 3 * len(LONG)


def compute_prompt(engine: Engine, num_tokens: int) -> list[FromEngine]:
    messages = []
    while engine.stats.num_prompt_tokens < num_tokens:
        messages += engine.step()
    return messages


def test_a_prompt_that_was_cancelled_is_taken_up_where_it_was(backend: LlamaCppBackend) -> None:
    ((prompt, expected),) = questions(backend, LONG, 1).items()
    engine = Engine(backend)
    engine.submit(Generate(1, (prompt,), GREEDY))
    compute_prompt(engine, 256)
    engine.cancel(1)
    answer = ask(engine, prompt)
    assert_same([answer], [expected])
    assert answer.num_cached >= 256
    assert engine.stats.num_prompt_tokens == len(prompt)


def test_a_follower_goes_on_alone_when_its_leader_is_cancelled(backend: LlamaCppBackend) -> None:
    expected = questions(backend, LONG, 2)
    engine = Engine(backend)
    for id_, prompt in enumerate(expected):
        engine.submit(Generate(id_, (prompt,), GREEDY))
    messages = compute_prompt(engine, 256)
    engine.cancel(0)
    answer = answer_of(messages + finish(engine), 1)
    assert_same([answer], [*expected.values()][1:])
    assert answer.num_cached == 256


def test_the_youngest_steps_back_and_loses_nothing(kind: tuple[Path, SwaCache]) -> None:
    backend = load(*kind, cells=215, context=150)
    expected = questions(backend, SYSTEM, 1)
    expected |= clear(backend, (f"{i} {SYSTEM} and so on" for i in range(100)), 1)
    engine = Engine(backend)
    for id_, prompt in enumerate(expected):
        engine.submit(Generate(id_, (prompt,), GREEDY))
    messages, num_waits = engine.step(), 0
    while not engine.is_idle:
        messages += engine.step()
        num_waits += engine.stats.num_waiting
    assert num_waits > 0
    assert_same([answer_of(messages, id_) for id_ in range(2)], expected.values())
    assert engine.stats.num_prompt_tokens == sum(map(len, expected))
    backend.close()


def test_few_bytes_are_kept_to_and_change_no_answer(backend: LlamaCppBackend) -> None:
    expected = questions(backend, LONG, 3)
    largest = CheckpointCache()
    ask(Engine(backend, largest), next(iter(expected)))
    cache = CheckpointCache(max_bytes=largest.num_bytes // 2)
    engine = Engine(backend, cache)
    answers = []
    for prompt in expected:
        answers.append(ask(engine, prompt))
        assert 0 < cache.num_bytes <= largest.num_bytes // 2
    assert_same(answers, expected.values())


def test_a_restarted_engine_answers_the_system_prompt_at_once(
    kind: tuple[Path, SwaCache], tmp_path: Path
) -> None:
    store = PrefixStore(tmp_path, "key", 10**8)
    backend = load(*kind)
    expected = questions(backend, SYSTEM, 4)
    *earlier, later = expected
    engine = Engine(backend)
    for prompt in earlier:
        ask(engine, prompt)
    engine.save(store)
    backend.close()
    backend = load(*kind)
    engine = Engine(backend)
    engine.restore(store)
    answer = ask(engine, later)
    assert_same([answer], [expected[later]])
    assert answer.num_cached == len(SYSTEM)
    backend.close()


def test_the_window_changes_nothing_for_a_model_without_one(tiny_model: Path) -> None:
    options = EngineOptions(context=256, parallel=2, threads=1, swa_cache="window")
    backend = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    assert backend.limits.can_cut
    backend.close()
