"""Random-weight models: llama.cpp loads them, and they do what the benches need of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from benches._noise import noise
from benches._prompts import WORDS, Writer
from benches._shapes import SHAPES
from benches._tokenizer import make_vocabulary
from benches.synthetic import synthetic_model
from edgellm.assets import catalog_file
from edgellm.backends import load_backend
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.catalog.load import load_catalog
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache
from edgellm.protocol import Delta, Done, Generate
from edgellm.types import EngineOptions, Sampling

CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synthetic")


@pytest.fixture(scope="module", params=["tiny", "tiny-llama"])
def backend(folder: Path, request: pytest.FixtureRequest) -> Iterator[LlamaCppBackend]:
    path = synthetic_model(request.param, "Q4_K_M", folder=folder)
    options = EngineOptions(context=1024, parallel=1, threads=1)
    loaded = load_backend("llama_cpp", str(path), options, lambda _: None)
    assert isinstance(loaded, LlamaCppBackend)
    yield loaded
    loaded.close()


def complete(backend: LlamaCppBackend, prompt: str, num_tokens: int, **more: int) -> list[Delta]:
    backend.forget(0)
    engine = Engine(backend, NoCache())
    sampling = Sampling(temperature=0, max_tokens=num_tokens, ignore_eos=True, **more)
    messages = engine.submit(Generate(1, (prompt,), sampling))
    while not engine.is_idle:
        messages += engine.step()
    assert isinstance(messages[-1], Done)
    return [message for message in messages if isinstance(message, Delta)]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_a_word_of_the_prompts_is_one_token(backend: LlamaCppBackend) -> None:
    for word in WORDS:
        assert len(backend.tokenize(f" {word}", is_first=True)) == 1, word
    assert len(backend.tokenize(CHAT.format(" able about"), is_first=True)) == 10


def test_every_token_is_text_and_what_it_writes_reads_back(backend: LlamaCppBackend) -> None:
    deltas = complete(backend, CHAT.format(Writer(1).text(50)), 24)
    assert len(deltas) == 24
    assert all(delta.text.startswith(" ") for delta in deltas)
    assert len(backend.tokenize(text_of(deltas), is_first=True)) == 24


def test_logits_are_finite_and_text_depends_on_the_prompt(backend: LlamaCppBackend) -> None:
    writer = Writer(2)
    answers = [complete(backend, CHAT.format(writer.text(40)), 12, top_logprobs=1) for _ in "ab"]
    logprobs = [entry.logprob for deltas in answers for d in deltas for entry in d.logprobs]
    assert len(logprobs) == 24
    assert all(-30 < logprob <= 0 for logprob in logprobs)
    assert text_of(answers[0]) != text_of(answers[1])


def test_a_repeated_text_is_continued(backend: LlamaCppBackend) -> None:
    (text,) = Writer(3).distinct(120)
    words = text.split()
    answer = text_of(complete(backend, f" {text}\n {' '.join(words[:16])}", 60)).split()
    assert sum(a == b for a, b in zip(answer, words[16:], strict=False)) >= 55


def test_other_text_is_not_copied(backend: LlamaCppBackend) -> None:
    text, endings = Writer(3).distinct(120, 8)
    prompts = [f" {text}\n {ending}" for ending in endings.split()]
    answers = {text_of(complete(backend, prompt, 1)).strip() for prompt in prompts}
    assert len(answers & set(text.split())) <= 1


def test_the_same_seed_gives_the_same_file(folder: Path, tmp_path: Path) -> None:
    one = synthetic_model("tiny", "F16", folder=folder)
    again = synthetic_model("tiny", "F16", folder=tmp_path)
    other = synthetic_model("tiny", "F16", seed=1, folder=tmp_path)
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()


def test_a_model_that_is_there_is_not_made_again(folder: Path) -> None:
    path = synthetic_model("tiny", "Q4_K_M", folder=folder)
    before = path.stat().st_mtime_ns
    assert synthetic_model("tiny", "Q4_K_M", folder=folder).stat().st_mtime_ns == before
    assert not list(folder.glob("*.tmp"))


def test_a_quantisation_that_does_not_exist_leaves_no_file(folder: Path) -> None:
    with pytest.raises(KeyError):
        synthetic_model("tiny", "Q99", folder=folder)
    assert not list(folder.glob("*Q99*"))


@pytest.mark.parametrize("name", SHAPES)
def test_vocabularies_are_of_the_right_size(name: str) -> None:
    shape = SHAPES[name]
    vocabulary = make_vocabulary(shape.vocab)
    assert len(set(vocabulary.tokens)) == len(vocabulary.types) == shape.vocab
    tokens = set(vocabulary.tokens)
    assert all({*merge.split(" "), merge.replace(" ", "")} <= tokens for merge in vocabulary.merges)


@pytest.mark.parametrize("name", ["smollm2-360m", "qwen3.5-2b", "qwen3.5-4b", "qwen3.5-9b"])
def test_a_shape_has_as_many_parameters_as_its_card_says(name: str) -> None:
    card = load_catalog(catalog_file()).find(name)
    assert card is not None
    assert sum(math.prod(tensor.shape) for tensor in noise(SHAPES[name], 0)) == card.params


def test_too_small_a_vocabulary_is_an_error() -> None:
    with pytest.raises(ValueError, match="not 300"):
        make_vocabulary(300)
