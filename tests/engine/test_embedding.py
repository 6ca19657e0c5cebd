"""How texts share steps, and what becomes of requests."""

from __future__ import annotations

import queue
from array import array
from collections.abc import Iterator
from pathlib import Path

import gguf
import pytest

from edgellm.backends import load_backend
from edgellm.backends.base import TokenBackend
from edgellm.engine.clerk import Clerk, Refusal, answer
from edgellm.engine.embedding import Embedding, Texts
from edgellm.engine.loop import Engine
from edgellm.engine.pairs import pair_tokens, truncated
from edgellm.protocol import (
    Cancel,
    Delta,
    Done,
    Embed,
    Failed,
    FromEngine,
    Generate,
    Rank,
    Ranks,
    Tokenize,
    Tokens,
    Vectors,
)
from edgellm.types import EngineOptions, Sampling
from tests.support.tiny_embedder import (
    RERANK_TEMPLATE,
    write_tiny_decoder,
    write_tiny_encoder,
)
from tests.support.tiny_model import write_tiny_model

OPTIONS = EngineOptions(context=128, parallel=2, threads=1, kv_type="f32", flash_attention="off")
LONG = "x" * 100
MANY = tuple(f"text number {index}" for index in range(150))  # more than there are slots


@pytest.fixture(scope="module", params=["encoder", "decoder", "chat"])
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TokenBackend]:
    path = tmp_path_factory.mktemp("model") / "model.gguf"
    {
        "encoder": write_tiny_encoder,
        "decoder": write_tiny_decoder,
        "chat": write_tiny_model,
    }[request.param](path)
    loaded = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[TokenBackend]:
    path = write_tiny_encoder(tmp_path / "judge.gguf", pooling=gguf.PoolingType.RANK)
    loaded = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    yield loaded
    loaded.close()


def prepared(backend: TokenBackend, question: Embed | Rank) -> Texts:
    texts = answer(backend, question)
    assert isinstance(texts, Texts)
    return texts


def finish(embedding: Embedding) -> dict[int, FromEngine]:
    told: dict[int, FromEngine] = {}
    while not embedding.is_idle:
        for frame in embedding.step(is_anyone_decoding=True):
            assert isinstance(frame, Vectors | Ranks)
            assert frame.id not in told
            told[frame.id] = frame
    return told


def vectors(frame: FromEngine) -> list[list[float]]:
    assert isinstance(frame, Vectors)
    values = array("f", frame.data).tolist()
    return [values[i : i + frame.width] for i in range(0, len(values), frame.width)]


def embed(backend: TokenBackend, *inputs: str) -> list[list[float]]:
    embedding = Embedding(backend)
    assert embedding.submit(prepared(backend, Embed(1, inputs))) == []
    return vectors(finish(embedding)[1])


def refusal(backend: TokenBackend, question: Embed | Rank) -> Failed:
    with pytest.raises(Refusal) as caught:
        answer(backend, question)
    return caught.value.failed


def test_many_texts_are_as_one_by_one(backend: TokenBackend) -> None:
    together = embed(backend, *MANY)
    assert len(together) == len(MANY)
    for index in (0, 1, 77, 149):
        (alone,) = embed(backend, MANY[index])
        assert together[index] == pytest.approx(alone, abs=1e-4)


def test_a_short_request_does_not_wait_for_a_long_one(backend: TokenBackend) -> None:
    embedding = Embedding(backend)
    embedding.submit(prepared(backend, Embed(1, (LONG,) * 100)))
    embedding.step(is_anyone_decoding=True)
    embedding.submit(prepared(backend, Embed(2, ("short",))))
    told: list[int] = []
    while not embedding.is_idle:
        told += [frame.id for frame in embedding.step(is_anyone_decoding=True) if frame]
    assert told == [2, 1]
    assert embedding.num_tokens == sum(
        len(text)
        for inputs in ((LONG,) * 100, ("short",))
        for text in prepared(backend, Embed(1, inputs)).texts
    )


def test_what_is_cancelled_leaves_the_others_whole(backend: TokenBackend) -> None:
    (expected,) = embed(backend, "the other")
    embedding = Embedding(backend)
    embedding.submit(prepared(backend, Embed(1, (LONG,) * 100)))
    embedding.submit(prepared(backend, Embed(2, ("the other",))))
    embedding.step(is_anyone_decoding=True)
    embedding.cancel(1)
    embedding.cancel(1)
    told = finish(embedding)
    if told:  # it may have been in the first step
        assert vectors(told[2])[0] == pytest.approx(expected, abs=1e-4)
    again = embed(backend, *MANY[:80])  # every slot and cell is free
    assert len(again) == 80


def test_too_long_is_an_error_that_names_the_input(backend: TokenBackend) -> None:
    failed = refusal(backend, Embed(7, ("fine", "x" * 300)))
    assert (failed.id, failed.kind, failed.param) == (7, "context_length", "input[1]")
    assert "input[1]" in failed.message
    assert "at most 128" in failed.message
    assert refusal(backend, Embed(7, ("x" * 300,))).param == "input"


def test_too_long_can_be_truncated_and_keeps_its_end_token(backend: TokenBackend) -> None:
    texts = prepared(backend, Embed(1, ("x" * 300,), must_truncate=True))
    (tokens,) = texts.texts
    whole = backend.tokenize("x" * 300, is_first=True)
    ends = backend.text_ends
    assert len(tokens) == 128
    assert tokens[:127] == tuple(whole[:127])
    assert tokens[-1] == (whole[-1] if ends.tail is not None else whole[127])
    assert truncated((1, 2), 3, ends) == (1, 2)


def test_other_refusals_name_the_field(backend: TokenBackend) -> None:
    assert refusal(backend, Embed(1, ("a", (5, 99_999)))).param == "input[1]"
    assert refusal(backend, Embed(1, ("a", ()))).param == "input[1]"
    dimensions = refusal(backend, Embed(1, ("a",), dimensions=65))
    assert dimensions.param == "dimensions"
    assert "64" in dimensions.message


def test_token_ids_are_taken_as_they_are(backend: TokenBackend) -> None:
    tokens = tuple(backend.tokenize("as ids", is_first=True))
    embedding = Embedding(backend)
    embedding.submit(prepared(backend, Embed(1, (tokens, "as ids"))))
    by_ids, by_text = vectors(finish(embedding)[1])
    assert by_ids == pytest.approx(by_text, abs=1e-4)


def test_the_model_s_own_pooling_unless_another_is_asked_for(backend: TokenBackend) -> None:
    own = prepared(backend, Embed(1, ("a",))).pooling
    assert own == backend.embed_limits.pooling
    assert prepared(backend, Embed(1, ("a",), pooling="cls")).pooling == "cls"


def test_embedding_and_chatting_at_once(tiny_model: Path) -> None:
    backend = load_backend("llama_cpp", str(tiny_model), OPTIONS, lambda _: None)
    expected = embed(backend, *MANY[:5])
    sampling = Sampling(temperature=0, max_tokens=20)

    def chat(engine: Engine) -> str:
        engine.submit(Generate(9, ("once upon",), sampling))
        text = ""
        while not engine.is_idle:
            for frame in engine.step():
                match frame:
                    case Delta(id=9):
                        text += frame.text
                    case Vectors(id=1):
                        found.extend(vectors(frame))
        return text

    found: list[list[float]] = []
    engine = Engine(backend)
    alone = chat(engine)
    assert engine.embed(prepared(backend, Embed(1, MANY[:5]))) == []
    assert chat(engine) == alone
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    backend.close()


def test_a_model_that_only_embeds_writes_nothing(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "encoder.gguf")
    backend = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    (failed,) = Engine(backend).submit(Generate(1, ("a",)))
    assert isinstance(failed, Failed)
    assert "cannot write text" in failed.message
    backend.close()


def test_what_is_no_number_fails_its_request_only(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "broken.gguf", bias=float("nan"))
    backend = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    embedding = Embedding(backend)
    for id_ in (1, 2):
        embedding.submit(prepared(backend, Embed(id_, MANY[:3])))
    told = []
    while not embedding.is_idle:
        told += embedding.step(is_anyone_decoding=False)
    assert [(frame.id, type(frame)) for frame in told if isinstance(frame, Failed)] == [
        (1, Failed),
        (2, Failed),
    ]
    assert len(told) == 2
    backend.close()


def test_a_judge_scores_pairs_in_order(judge: TokenBackend) -> None:
    embedding = Embedding(judge)
    documents = tuple(f"document {index}" for index in range(70))
    embedding.submit(prepared(judge, Rank(1, "the query", documents)))
    embedding.submit(prepared(judge, Rank(2, "the query", documents[:1])))
    told = finish(embedding)
    first, second = told[1], told[2]
    assert isinstance(first, Ranks)
    assert isinstance(second, Ranks)
    assert first.scores[0] == pytest.approx(second.scores[0], abs=1e-4)
    assert len(set(first.scores)) > 1
    failed = refusal(judge, Rank(1, "q", ("fine", "x" * 200)))
    assert (failed.kind, failed.param) == ("context_length", "documents[1]")


def test_a_pair_is_as_llama_cpp_s_server_makes_it(judge: TokenBackend, tmp_path: Path) -> None:
    begin, separator = 2, 3
    plain = [judge.tokenize(text, is_first=False) for text in ("ab", "cd")]
    ends = judge.text_ends
    assert (ends.begin, ends.separator, ends.template) == (begin, separator, None)
    found = pair_tokens(judge, ends, "ab", "cd")
    assert found == (begin, *plain[0], separator, *plain[1])


def test_a_template_s_control_tokens_are_its_own(tmp_path: Path) -> None:
    path = write_tiny_decoder(
        tmp_path / "judge.gguf", pooling=gguf.PoolingType.RANK, rerank_template=RERANK_TEMPLATE
    )
    backend = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    ends = backend.text_ends
    assert ends.template == RERANK_TEMPLATE
    honest = pair_tokens(backend, ends, "q", "{query} d")
    assert honest == tuple(
        backend.tokenize("<|im_start|>judge\nq\n{query} d<|im_end|>", is_first=False)
    )
    tricky = pair_tokens(backend, ends, "q", "d<|im_end|>")
    assert tricky.count(2) == 1
    assert len(tricky) > len(honest)
    backend.close()


def test_the_clerk_keeps_the_order_of_a_request_and_its_end(backend: TokenBackend) -> None:
    sent: list[FromEngine] = []
    inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
    clerk = Clerk(sent.extend, inbox)  # type: ignore[arg-type]  # any queue will do
    assert clerk.take(Embed(1, ("a",)))
    assert clerk.take(Cancel(1))
    assert not clerk.take(Cancel(2))
    assert not clerk.take(Generate(3, ("a",)))
    assert clerk.take(Tokenize(4, ("a",)))
    clerk.work()
    assert isinstance(sent[0], Failed)  # nothing is loaded yet
    clerk.backend = backend
    assert clerk.take(Embed(5, ("a",)))
    for _ in range(3):
        clerk.work()
    assert inbox.get() == Cancel(1)
    assert isinstance(sent[1], Tokens)
    texts = inbox.get()
    assert isinstance(texts, Texts)
    assert texts.id == 5
    assert not clerk.take(Cancel(5))  # the loop has it


def test_done_is_still_the_end_of_an_answer(tiny_model: Path) -> None:
    backend = load_backend("llama_cpp", str(tiny_model), OPTIONS, lambda _: None)
    engine = Engine(backend)
    engine.submit(Generate(1, ("a",), Sampling(max_tokens=1, ignore_eos=True)))
    assert any(isinstance(frame, Done) for frame in engine.step())
    assert engine.is_idle
    backend.close()
