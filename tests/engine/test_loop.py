"""The engine on a real (random) model: several answers at once, each as if alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from edgellm.backends import load_backend
from edgellm.backends.base import OutOfMemory, Work
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.engine.guesser import Guesser
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache, PrefixCache, RadixCache
from edgellm.engine.speculation import StepCost
from edgellm.errors import EngineLoadError
from edgellm.protocol import Accepted, Delta, Done, Failed, FromEngine, Generate
from edgellm.types import EngineOptions, EngineStats, KVType, Sampling, SwaCache, Usage
from tests.support.tiny_model import NUM_TOKENS, write_tiny_model

GREEDY = Sampling(temperature=0, max_tokens=24)


@pytest.fixture(scope="module")
def backend(tiny_model: Path) -> Iterator[LlamaCppBackend]:
    options = EngineOptions(context=256, parallel=4, threads=1)
    loaded = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    assert isinstance(loaded, LlamaCppBackend)
    yield loaded
    loaded.close()


def empty_engine(backend: LlamaCppBackend, prefixes: PrefixCache) -> Engine:
    for slot in range(backend.limits.num_slots):
        backend.forget(slot)
    return Engine(backend, prefixes)


@pytest.fixture(params=[RadixCache, NoCache])
def engine(backend: LlamaCppBackend, request: pytest.FixtureRequest) -> Engine:
    return empty_engine(backend, request.param())


def finish(engine: Engine, limit: int = 500) -> list[FromEngine]:
    messages: list[FromEngine] = []
    for _ in range(limit):
        if engine.is_idle:
            return messages
        messages += engine.step()
    raise AssertionError("the engine does not come to an end")


def text_of(messages: list[FromEngine], id_: int) -> str:
    return "".join(m.text for m in messages if isinstance(m, Delta) and m.id == id_)


def done(messages: list[FromEngine], id_: int) -> Done:
    (found,) = [m for m in messages if isinstance(m, Done) and m.id == id_]
    return found


def complete(engine: Engine, prompt: str, sampling: Sampling) -> tuple[str, Done]:
    engine.submit(Generate(1, (prompt,), sampling))
    messages = finish(engine)
    return text_of(messages, 1), done(messages, 1)


def decisive(engine: Engine, prompts: Iterable[str], count: int) -> list[str]:
    """Prompts whose greedy answers are won clearly at each token.

    Random weights give flat distributions, and computing the same tokens in other batches rounds
    differently (some 1e-3 here, through the f16 KV cache): a near tie may fall either way.
    """
    found = []
    for prompt in prompts:
        engine.submit(
            Generate(1, (prompt,), Sampling(temperature=0, max_tokens=24, top_logprobs=2))
        )
        deltas = [m for m in finish(engine) if isinstance(m, Delta)]
        tops = [entry.top for delta in deltas for entry in delta.logprobs]
        if min(first - second for (_, first), (_, second) in tops) > 0.03:
            found.append(prompt)
        if len(found) == count:
            return found
    raise AssertionError("too few prompts")


def test_every_request_ends_in_exactly_one_done(engine: Engine) -> None:
    for id_ in range(10):
        assert engine.submit(Generate(id_, (f"prompt {id_}",), GREEDY)) == [Accepted(id_, 8)]
    messages = finish(engine)
    ends = [m.id for m in messages if isinstance(m, (Done, Failed))]
    assert sorted(ends) == list(range(10))


def test_answers_together_equal_answers_alone(engine: Engine) -> None:
    candidates = (f"{'long ' * (i % 6 * 7)}prompt number {i}" for i in range(100))
    prompts = decisive(engine, candidates, 6)
    alone = [complete(engine, prompt, GREEDY)[0] for prompt in prompts]
    for id_, prompt in enumerate(prompts):
        engine.submit(Generate(id_, (prompt,), GREEDY))
    messages = finish(engine)
    assert [text_of(messages, id_) for id_ in range(6)] == alone


def test_greedy_is_repeatable_and_a_seed_is_too(engine: Engine) -> None:
    seeded = Sampling(temperature=1.5, top_k=0, top_p=1, min_p=0, seed=11, max_tokens=24)
    assert complete(engine, "again", GREEDY)[0] == complete(engine, "again", GREEDY)[0]
    first = complete(engine, "again", seeded)[0]
    assert complete(engine, "again", seeded)[0] == first
    other = Sampling(temperature=1.5, top_k=0, top_p=1, min_p=0, seed=12, max_tokens=24)
    assert complete(engine, "again", other)[0] != first


def test_max_tokens_and_the_context_end_with_length(engine: Engine) -> None:
    forever = Sampling(temperature=0, ignore_eos=True)
    _, short = complete(engine, "hello", Sampling(temperature=0, ignore_eos=True, max_tokens=5))
    assert (short.reason, short.usage.completion_tokens) == ("length", 5)
    _, full = complete(engine, "hello", forever)
    assert full.reason == "length"
    assert full.usage.prompt_tokens + full.usage.completion_tokens == 256


def test_stop_strings_end_an_answer_before_they_show(engine: Engine) -> None:
    text, _ = complete(engine, "hello", GREEDY)
    stop = text[10:13]
    words = ("never written", stop)
    stopped, end = complete(engine, "hello", Sampling(temperature=0, max_tokens=24, stop=words))
    assert (end.reason, end.stop) == ("stop", stop)
    assert stopped == text[: text.index(stop)]


def test_end_tokens_are_obeyed_banned_or_delayed(engine: Engine, backend: LlamaCppBackend) -> None:
    end = backend.tokenize("<|im_end|>", is_first=False)[0]
    wants_end = {end: 100.0}
    _, obeyed = complete(engine, "x", Sampling(temperature=0, logit_bias=wants_end))
    assert (obeyed.reason, obeyed.usage.completion_tokens) == ("stop", 1)
    assert obeyed.stop is None
    _, delayed = complete(engine, "x", Sampling(temperature=0, logit_bias=wants_end, min_tokens=6))
    assert (delayed.reason, delayed.usage.completion_tokens) == ("stop", 7)
    _, ignored = complete(
        engine,
        "x",
        Sampling(temperature=0, logit_bias=wants_end, ignore_eos=True, max_tokens=20),
    )
    assert (ignored.reason, ignored.usage.completion_tokens) == ("length", 20)


def test_logit_bias_and_penalties_change_the_choice(engine: Engine) -> None:
    biased, _ = complete(
        engine, "x", Sampling(temperature=0, max_tokens=4, logit_bias={3 + ord("Q"): 100.0})
    )
    assert biased == "QQQQ"
    penalised, _ = complete(
        engine,
        "x",
        Sampling(
            temperature=0,
            max_tokens=4,
            logit_bias={3 + ord("Q"): 60.0, 3 + ord("R"): 59.0},
            presence_penalty=2.0,
        ),
    )
    assert set(penalised) == {"Q", "R"}


def test_repeat_penalty_sees_the_prompt_and_presence_penalty_does_not(engine: Engine) -> None:
    bias = {3 + ord("Q"): 60.0, 3 + ord("R"): 55.0}
    plain = Sampling(temperature=0, max_tokens=1, logit_bias=bias)
    repeat = Sampling(temperature=0, max_tokens=1, logit_bias=bias, repeat_penalty=2.0)
    presence = Sampling(temperature=0, max_tokens=1, logit_bias=bias, presence_penalty=2.0)
    assert complete(engine, "Q", plain)[0] == "Q"
    assert complete(engine, "Q", repeat)[0] == "R"
    assert complete(engine, "Q", presence)[0] == "Q"


def test_top_k_one_is_greedy_at_any_temperature(engine: Engine) -> None:
    hot = Sampling(temperature=2.0, top_k=1, max_tokens=24)
    assert complete(engine, "hello", hot)[0] == complete(engine, "hello", GREEDY)[0]


def test_logprobs_are_those_of_the_model(engine: Engine) -> None:
    engine.submit(Generate(1, ("hello",), Sampling(temperature=0, max_tokens=6, top_logprobs=3)))
    entries = [entry for m in finish(engine) if isinstance(m, Delta) for entry in m.logprobs]
    assert len(entries) == 6
    for entry in entries:
        assert entry.top[0] == (entry.token, entry.logprob)  # greedy takes the likeliest
        assert len(entry.top) == 3
        values = [value for _, value in entry.top]
        assert values == sorted(values, reverse=True)
        assert all(value <= 0 for value in values)


def test_control_tokens_have_a_text_only_where_it_is_asked_for(engine: Engine) -> None:
    (token,) = engine._backend.tokenize("<|im_start|>", is_first=False)
    forced = Sampling(temperature=0, max_tokens=3, logit_bias={token: 1e6})
    asked = ("<|im_start|>", "no control token", "x")
    engine.submit(Generate(1, ("hello",), forced))
    engine.submit(Generate(2, ("hello",), forced, shown=asked))
    engine.submit(Generate(3, ("hello",), forced, generated=(token,), shown=asked))
    messages = finish(engine)
    texts = [text_of(messages, id_) for id_ in (1, 2, 3)]
    assert texts == ["", "<|im_start|>" * 3, "<|im_start|>" * 2]


def test_cancel_frees_the_slot_and_stops_the_computation(engine: Engine) -> None:
    for id_ in range(5):
        engine.submit(Generate(id_, ("hello",), Sampling(temperature=0, ignore_eos=True)))
    engine.step()
    for id_ in (0, 4):  # one that runs, one that waits
        engine.cancel(id_)
    engine.cancel(99)
    engine.step()
    assert (engine.stats.num_running, engine.stats.num_waiting) == (3, 0)
    for id_ in (1, 2, 3):
        engine.cancel(id_)
    generated = engine.stats.num_generated_tokens
    assert engine.is_idle
    assert engine.step() == []
    assert engine.stats.num_generated_tokens == generated


def test_tokens_are_counted_by_kind(engine: Engine) -> None:
    complete(engine, "0123456789", Sampling(temperature=0, ignore_eos=True, max_tokens=5))
    assert engine.stats.num_prompt_tokens == 10
    assert engine.stats.num_generated_tokens == 5


def test_a_prompt_that_does_not_fit_names_both_numbers(engine: Engine) -> None:
    (failed,) = engine.submit(Generate(1, ("x" * 256,), GREEDY))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.num_prompt_tokens, failed.context) == ("context_length", 256, 256)
    assert engine.is_idle


def test_ten_megabytes_are_refused_without_tokenising(
    engine: Engine, backend: LlamaCppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(LlamaCppBackend, "tokenize")
    (failed,) = engine.submit(Generate(1, ("x" * 10_000_000,), GREEDY))
    assert isinstance(failed, Failed)
    assert "at least" in failed.message
    assert failed.num_prompt_tokens > 256


@pytest.mark.parametrize("prompt", [(), ("",), (5, 10_000), (-1,)])
def test_prompts_that_are_no_prompts_fail_alone(
    engine: Engine, prompt: tuple[str | int, ...]
) -> None:
    (failed,) = engine.submit(Generate(1, prompt, GREEDY))
    assert isinstance(failed, Failed)
    assert failed.kind == "invalid_request"
    assert engine.is_idle


def test_a_bias_for_a_token_that_does_not_exist_is_refused(engine: Engine) -> None:
    (failed,) = engine.submit(Generate(1, ("x",), Sampling(logit_bias={10_000: 1.0})))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.param) == ("invalid_request", "logit_bias")


def test_token_ids_and_text_can_be_mixed(engine: Engine, backend: LlamaCppBackend) -> None:
    ids = tuple(backend.tokenize("hel", is_first=False))
    engine.submit(Generate(1, (*ids, "lo"), GREEDY))
    mixed = text_of(finish(engine), 1)
    assert mixed == complete(engine, "hello", GREEDY)[0]


def test_echo_begins_with_the_prompt(engine: Engine) -> None:
    answer, _ = complete(engine, "hello", GREEDY)
    messages = engine.submit(Generate(1, ("hello",), GREEDY, echo=True)) + finish(engine)
    assert text_of(messages, 1) == "hello" + answer


def test_a_full_kv_cache_delays_a_request_but_loses_nothing(
    engine: Engine, backend: LlamaCppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = decisive(engine, (f"prompt {i}" for i in range(100)), 3)
    expected = [complete(engine, prompt, GREEDY)[0] for prompt in prompts]
    step = backend.step
    calls = 0

    def sometimes_full(work: list[Work]) -> object:
        nonlocal calls
        calls += 1
        if calls % 4 == 3:
            raise OutOfMemory
        return step(work)

    monkeypatch.setattr(backend, "step", sometimes_full)
    for id_, prompt in enumerate(prompts):
        engine.submit(Generate(id_, (prompt,), GREEDY))
    messages = finish(engine)
    assert [text_of(messages, id_) for id_ in range(3)] == expected


def test_a_request_that_does_not_fit_even_alone_fails(
    engine: Engine, backend: LlamaCppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(work: list[Work]) -> object:
        raise OutOfMemory

    monkeypatch.setattr(backend, "step", full)
    engine.submit(Generate(1, ("hello",), GREEDY))
    (failed,) = finish(engine)
    assert isinstance(failed, Failed)
    assert (failed.id, failed.kind) == (1, "internal")


QUESTIONS = [
    ("What is a KV cache?", "And what is a context?", "Which quantisation should I choose?"),
    ("What is edgellm?", "How do I start it?", "Does it work offline?"),
    ("What is GGUF?", "What is Q4_K_M?", "How much memory does a 7B model at Q4_K_M need?"),
]


def test_answers_are_the_same_with_sharing_and_with_too_few_cells(pocket: Path) -> None:
    """Three conversations in rotation on a cache that holds two of them at their longest."""
    system = "<|im_start|>system\n" + "You are pocket, a helpful model. " * 8 + "<|im_end|>\n"
    answers = []
    for cells, prefixes, host_bytes in (
        (0, NoCache(), 0),
        (0, RadixCache(), 0),
        (256, RadixCache(), 0),
        (256, RadixCache(), 1 << 24),
    ):
        options = EngineOptions(context=256, parallel=3, threads=1, cells=cells)
        backend = load_backend("llama_cpp", str(pocket), options, lambda _: None)
        engine = Engine(backend, prefixes, host_bytes=host_bytes)
        histories = [system] * 3
        for turn in range(3):
            for id_ in range(3):
                question = f"<|im_start|>user\n{QUESTIONS[id_][turn]}<|im_end|>\n"
                histories[id_] += question + "<|im_start|>assistant\n"
                engine.submit(Generate(id_, (histories[id_],), GREEDY))
            messages = finish(engine)
            histories = [
                f"{history}{text_of(messages, id_)}<|im_end|>\n"
                for id_, history in enumerate(histories)
            ]
        answers.append((histories, engine.stats.num_prompt_tokens))
        backend.close()
    (expected, computed), *others = answers
    assert [histories for histories, _ in others] == [expected] * 3
    computed_shared, computed_tight, computed_host = (computed for _, computed in others)
    assert computed_shared < computed / 2
    assert computed_shared < computed_tight
    assert computed_host < (computed_shared + computed_tight) / 2


@pytest.mark.parametrize(
    ("architecture", "swa_cache"),
    [
        ("llama", "full"),
        ("gemma3", "full"),
        ("gemma3", "window"),
        ("mamba", "full"),
        ("lfm2", "full"),
    ],
)
def test_a_conversation_goes_on_from_what_is_computed(
    tmp_path: Path, architecture: str, swa_cache: SwaCache
) -> None:
    """With attention, with a sliding window, recurrent, and both together."""
    model = write_tiny_model(tmp_path / "tiny.gguf", architecture=architecture)
    options = EngineOptions(context=256, parallel=2, threads=1, swa_cache=swa_cache)
    backend = load_backend("llama_cpp", str(model), options, lambda _: None)
    try:
        reference = Engine(backend, NoCache())
        (prompt,) = decisive(reference, (f"prompt {i} " * 4 for i in range(200)), 1)
        tokens = backend.tokenize(prompt, is_first=True)
        expected, _ = continue_(reference, tokens, 17)
        engine, cached = Engine(backend), []
        for max_tokens in (1, 8, 8):
            answer, usage = continue_(engine, tokens, max_tokens)
            tokens += answer
            cached.append(usage.cached_tokens)
        assert tokens[-17:] == expected
        # Without the newest token, whose successor has to be computed.
        assert cached == [0, len(prompt), len(prompt) + 8]
    finally:
        backend.close()


def continue_(engine: Engine, tokens: list[int], max_tokens: int) -> tuple[list[int], Usage]:
    """The next tokens themselves: random ones are seldom text."""
    sampling = Sampling(temperature=0, max_tokens=max_tokens, ignore_eos=True, top_logprobs=0)
    engine.submit(Generate(1, tuple(tokens), sampling))
    messages = finish(engine)
    entries = [entry for m in messages if isinstance(m, Delta) for entry in m.logprobs]
    answer = [NUM_TOKENS - 1 if e.token == b" t" else 3 + e.token[0] for e in entries]
    assert len(answer) == max_tokens
    return answer, done(messages, 1).usage


class Free(StepCost):
    """Guesses always pay: what the tests are about must not depend on the machine's load."""

    def is_known(self, num_answers: int) -> bool:
        return True

    def observe(self, num_answers: int, num_guessed: int, seconds: float) -> None:
        self.slope = 0.0


COPIES = [
    "Repeat after me: the blue boat sails past the old stone bridge at seven every morning.",
    "What is GGUF? What is GGUF? What is GGUF?",
    "My name is Marta. My name is Marta. What is my name?",
]


def copy_all(
    pocket: Path, sampling: Sampling, speculation: StepCost | None
) -> tuple[list[str], EngineStats]:
    """The answers to `COPIES`, first alone, then together."""
    prompts = [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in COPIES]
    options = EngineOptions(context=256, parallel=3, threads=1)
    backend = load_backend("llama_cpp", str(pocket), options, lambda _: None)
    engine = Engine(backend, guesser=Guesser(speculation) if speculation else None)
    answers = [complete(engine, prompt, sampling)[0] for prompt in prompts]
    for id_, prompt in enumerate(prompts):
        engine.submit(Generate(id_, (prompt,), sampling))
    messages = finish(engine)
    answers += [text_of(messages, id_) for id_ in range(3)]
    backend.close()
    return answers, engine.stats


def test_speculation_changes_no_greedy_answer(pocket: Path) -> None:
    sampling = Sampling(temperature=0, max_tokens=60, min_tokens=60, top_logprobs=0)
    plain, plain_stats = copy_all(pocket, sampling, None)
    guessed, stats = copy_all(pocket, sampling, Free())
    assert guessed == plain
    assert plain_stats.num_guessed_tokens == 0
    assert stats.num_kept_tokens > 10
    assert stats.num_steps < plain_stats.num_steps


def test_a_seed_is_repeatable_with_speculation(pocket: Path) -> None:
    sampling = Sampling(temperature=0.7, seed=5, max_tokens=60, min_tokens=60)
    first, stats = copy_all(pocket, sampling, Free())
    assert stats.num_guessed_tokens > 0
    assert copy_all(pocket, sampling, Free())[0] == first


def test_speculation_stays_within_every_limit(pocket: Path) -> None:
    """A cache so small that guesses and the youngest must go, stop strings inside of guesses."""
    prompt = "<|im_start|>user\nWhat is GGUF?<|im_end|>\n<|im_start|>assistant\n"
    options = EngineOptions(context=128, parallel=3, threads=1, cells=160)
    backend = load_backend("llama_cpp", str(pocket), options, lambda _: None)
    engine = Engine(backend, guesser=Guesser(Free()))
    sampling = Sampling(temperature=0, ignore_eos=True)
    whole = [complete(engine, prompt + "x" * i, sampling) for i in range(3)]
    assert all(end.usage.prompt_tokens + end.usage.completion_tokens == 128 for _, end in whole)
    for id_ in range(3):
        engine.submit(Generate(id_, (prompt + "x" * id_,), sampling))
    messages = finish(engine)
    assert [text_of(messages, id_) for id_ in range(3)] == [text for text, _ in whole]
    stop = whole[0][0][150:153]
    stopped, end = complete(engine, prompt, Sampling(temperature=0, ignore_eos=True, stop=(stop,)))
    assert (stopped, end.reason) == (whole[0][0][: whole[0][0].index(stop)], "stop")
    assert engine.stats.num_kept_tokens > 0
    assert engine.stats.num_running == engine.stats.num_waiting == 0
    backend.close()


@pytest.mark.parametrize("kv_type", ["f32", "bf16", "q8_0", "q4_0"])
def test_other_types_of_kv_cache(pocket: Path, kv_type: KVType) -> None:
    options = EngineOptions(context=256, parallel=1, threads=1, kv_type=kv_type)
    backend = load_backend("llama_cpp", str(pocket), options, lambda _: None)
    prompt = "<|im_start|>user\nWhat is GGUF?<|im_end|>\n<|im_start|>assistant\n"
    assert "GGUF" in complete(Engine(backend), prompt, GREEDY)[0]
    backend.close()


def test_a_kv_cache_that_cannot_be_is_a_load_error(tiny_model: Path) -> None:
    options = EngineOptions(context=256, kv_type="q8_0", flash_attention="off")
    with pytest.raises(EngineLoadError, match="cannot make a context") as caught:
        load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    assert "--kv-type" in caught.value.hint


def test_cached_tokens_are_in_the_usage(backend: LlamaCppBackend) -> None:
    engine = empty_engine(backend, RadixCache())
    _, first = complete(engine, "0123456789", GREEDY)
    _, second = complete(engine, "01234567xx", GREEDY)
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, 8)
    assert engine.stats.num_prompt_tokens == 12


@pytest.mark.parametrize("count", [0, 1, 2, 11, 23])
@pytest.mark.parametrize(
    "sampling",
    [GREEDY, Sampling(temperature=1, seed=5, max_tokens=24, repeat_penalty=1.2, min_tokens=12)],
    ids=["greedy", "drawn"],
)
def test_an_answer_goes_on_behind_what_another_engine_made(
    backend: LlamaCppBackend, sampling: Sampling, count: int
) -> None:
    engine = empty_engine(backend, RadixCache())
    (prompt,) = decisive(engine, (f"prompt {i}" for i in range(100)), 1)
    engine.submit(Generate(1, (prompt,), sampling))
    whole = [m for m in finish(engine) if isinstance(m, (Delta, Done))]
    deltas = [m for m in whole if isinstance(m, Delta)]
    told = tuple(token for delta in deltas[:count] for token in delta.tokens)
    engine = empty_engine(backend, RadixCache())
    messages = engine.submit(Generate(2, (prompt,), sampling, generated=told))
    messages += finish(engine)
    assert text_of(messages, 2) == "".join(delta.text for delta in deltas[count:])
    before, after = done(list(whole), 1), done(messages, 2)
    assert (after.reason, after.usage.completion_tokens) == (
        before.reason,
        before.usage.completion_tokens,
    )
    assert all(seconds >= 0 for seconds in msgspec.structs.astuple(after.timings))


@pytest.mark.parametrize("ending", ["length", "stop string", "end token"])
def test_an_answer_that_was_over_ends_at_once(backend: LlamaCppBackend, ending: str) -> None:
    engine = empty_engine(backend, RadixCache())
    text, _ = complete(engine, "hello", GREEDY)
    stop = (text[5:8],) if ending == "stop string" else ()
    sampling = msgspec.structs.replace(GREEDY, stop=stop)
    engine.submit(Generate(1, ("hello",), sampling))
    deltas = [m for m in finish(engine) if isinstance(m, Delta)]
    told = tuple(token for delta in deltas for token in delta.tokens)
    if ending == "end token":
        told = (*told[:3], next(t for t in range(NUM_TOKENS) if backend.is_end(t)))
    messages = engine.submit(Generate(2, ("hello",), sampling, generated=told))
    assert engine.is_idle or ending == "stop string"  # what came behind its last text is not told
    messages += finish(engine)
    assert text_of(messages, 2) == ""
    assert done(messages, 2).reason == ("length" if ending == "length" else "stop")
    assert done(messages, 2).stop == (stop[0] if stop else None)
