"""A model that only embeds, and one that only judges, served from their files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gguf
import httpx
import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from tests.support.server import Server, serve
from tests.support.tiny_embedder import write_tiny_encoder

TEXTS = ["hello world", "goodbye", "a quick brown fox"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    model = write_tiny_encoder(folder / "encoder.gguf", architecture="nomic-bert")
    judge = write_tiny_encoder(folder / "judge.gguf", pooling=gguf.PoolingType.RANK)
    with serve(folder, str(model), "--model", str(judge)) as running:
        yield running


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def post(server: Server, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(server.url + path, json=body)


def test_both_encodings_hold_the_same_vectors(sdk: openai.OpenAI) -> None:
    packed = sdk.embeddings.create(model="encoder", input=TEXTS)
    plain = sdk.embeddings.create(model="encoder", input=TEXTS, encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert sum(value * value for value in one.embedding) == pytest.approx(1, abs=1e-5)
    short = sdk.embeddings.create(model="encoder", input=TEXTS[0], dimensions=16)
    assert len(short.data[0].embedding) == 16


def test_langchain_finds_the_text_itself(server: Server) -> None:
    embeddings = OpenAIEmbeddings(
        model="encoder",
        base_url=f"{server.url}/v1",
        api_key="none",  # type: ignore[arg-type]  # pydantic makes it a secret
        check_embedding_ctx_length=False,
    )
    documents = embeddings.embed_documents(TEXTS)
    query = embeddings.embed_query(TEXTS[1])
    scores = [sum(a * b for a, b in zip(query, each, strict=True)) for each in documents]
    assert max(range(len(TEXTS)), key=scores.__getitem__) == 1
    assert scores[1] == pytest.approx(1, abs=1e-3)


def test_what_does_not_fit_is_a_400_that_names_it(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.embeddings.create(model="encoder", input=["a", "a", "a", "x" * 600])
    assert (caught.value.param, caught.value.code) == ("input[3]", "context_length_exceeded")
    cut = sdk.embeddings.create(model="encoder", input="x" * 600, extra_body={"truncate": True})
    assert cut.usage.prompt_tokens == 512
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.embeddings.create(model="encoder", input="a", dimensions=65)
    assert caught.value.param == "dimensions"


def test_it_does_not_chat_and_says_so(server: Server, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        sdk.chat.completions.create(model="encoder", messages=[{"role": "user", "content": "Hi"}])
    models = httpx.get(f"{server.url}/v1/models").json()["data"]
    assert models[0]["meta"]["capabilities"] == ["embedding"]


def test_reranking_by_both_kinds_of_model(server: Server) -> None:
    body = {"query": TEXTS[1], "documents": TEXTS}
    by_cosine = post(server, "/v1/rerank", body).json()
    assert by_cosine["meta"]["scoring"] == "cosine"
    assert by_cosine["results"][0]["index"] == 1
    judged = post(server, "/v1/rerank", body | {"model": "judge"}).json()
    assert judged["meta"]["scoring"] == "reranker"
    scores = [result["relevance_score"] for result in judged["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_tokens_and_texts(server: Server) -> None:
    tokens = post(server, "/tokenize", {"content": "ab", "add_special": True}).json()["tokens"]
    assert tokens[0] == 2  # [CLS]
    text = post(server, "/detokenize", {"tokens": tokens}).json()["content"]
    assert text == "[CLS] ab[SEP]"
    pieces = post(server, "/tokenize", {"content": "ab", "with_pieces": True}).json()["tokens"]
    assert [each["piece"] for each in pieces] == [" a", "b"]
