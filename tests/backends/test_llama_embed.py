"""Vectors and scores: batched, in pieces and with company as one by one, and as llama.cpp's own."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from llama_cpp import llama_cpp as lib

from edgellm.backends import load_backend
from edgellm.backends.base import Piece, TokenBackend
from edgellm.backends.llama_limits import capabilities, choose_embed_limits
from edgellm.types import EngineOptions, Pooling
from tests.support.tiny_embedder import write_tiny_decoder, write_tiny_encoder
from tests.support.tiny_model import write_tiny_model

# Exact arithmetic: flash attention rounds to 16 bits, differently in steps of different sizes.
OPTIONS = EngineOptions(context=128, parallel=2, threads=1, kv_type="f32", flash_attention="off")
TEXTS = ("a", "hello world", "the quick brown fox jumps over the lazy dog", "a b c d e f g")
Vector = np.ndarray[Any, np.dtype[np.float32]]

KINDS: dict[str, Callable[[Path], Path]] = {
    "bert": write_tiny_encoder,
    "nomic-bert": lambda path: write_tiny_encoder(path, architecture="nomic-bert"),
    "decoder": write_tiny_decoder,
    "chat": write_tiny_model,
    "window": lambda path: write_tiny_model(path, architecture="gemma3"),
    "recurrent": lambda path: write_tiny_model(path, architecture="mamba"),
    "hybrid": lambda path: write_tiny_model(path, architecture="lfm2"),
}


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[request.param](tmp_path_factory.mktemp("model") / f"{request.param}.gguf")


@pytest.fixture
def backend(path: Path) -> Iterator[TokenBackend]:
    loaded = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    yield loaded
    loaded.close()


def tokens_of(backend: TokenBackend, text: str) -> list[int]:
    return backend.tokenize(text, is_first=True, parse_special=False)


def one_by_one(backend: TokenBackend, text: str, pooling: Pooling) -> Vector:
    embedder = backend.embedder()
    embedder.begin(0, pooling)
    embedder.feed([Piece(0, 0, tokens_of(backend, text))])
    return np.frombuffer(embedder.finish(0), "<f4")


def by_llama_cpp(path: Path, tokens: list[int], pooling: int, *, is_encoder: bool) -> Vector:
    """A context that pools by itself."""
    model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
    params = lib.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 512
    params.embeddings, params.pooling_type, params.n_threads = True, pooling, 1
    params.type_k = params.type_v = params.flash_attn_type = 0  # as `OPTIONS` says
    context = lib.llama_init_from_model(model, params)
    array_ = (ctypes.c_int32 * len(tokens))(*tokens)  # the batch only points to it
    batch = lib.llama_batch_get_one(array_, len(tokens))
    compute = lib.llama_encode if is_encoder else lib.llama_decode
    assert compute(context, batch) == 0
    found = np.ctypeslib.as_array(
        lib.llama_get_embeddings_seq(context, 0), (lib.llama_model_n_embd_out(model),)
    ).copy()
    lib.llama_free(context)
    lib.llama_model_free(model)
    return found


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_many_at_once_are_as_one_by_one(backend: TokenBackend, pooling: Pooling) -> None:
    alone = [one_by_one(backend, text, pooling) for text in TEXTS]
    embedder = backend.embedder()
    for slot in range(len(TEXTS)):
        embedder.begin(slot, pooling)
    texts = [tokens_of(backend, text) for text in TEXTS]
    embedder.feed([Piece(slot, 0, tokens) for slot, tokens in enumerate(texts)])
    for slot, expected in enumerate(alone):
        found = np.frombuffer(embedder.finish(slot), "<f4")
        assert found == pytest.approx(expected, abs=1e-4)
        assert np.linalg.norm(found) == pytest.approx(1)
    assert not np.allclose(alone[1], alone[2], atol=1e-2)


@pytest.mark.parametrize(("number", "pooling"), [(1, "mean"), (2, "cls"), (3, "last")])
def test_the_pooling_is_llama_cpp_s(
    backend: TokenBackend, path: Path, number: int, pooling: Pooling
) -> None:
    tokens = tokens_of(backend, TEXTS[2])
    is_encoder = "bert" in path.name
    expected = by_llama_cpp(path, tokens, number, is_encoder=is_encoder)
    embedder = backend.embedder()
    embedder.begin(0, pooling)
    embedder.feed([Piece(0, 0, tokens)])
    found = np.frombuffer(embedder.finish(0, is_normalized=False), "<f4")
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_text_may_come_in_pieces_where_attention_looks_back(backend: TokenBackend) -> None:
    if not backend.embed_limits.is_causal:
        pytest.skip("it must come as a whole")
    expected = one_by_one(backend, TEXTS[2], "mean")
    tokens = tokens_of(backend, TEXTS[2])
    embedder = backend.embedder()
    embedder.begin(0, "mean")
    embedder.feed([Piece(0, 0, tokens[:7])])
    embedder.begin(1, "cls")
    embedder.feed([Piece(0, 7, tokens[7:20]), Piece(1, 0, tokens[:3])])
    embedder.drop(1)
    embedder.feed([Piece(0, 20, tokens[20:])])
    assert np.frombuffer(embedder.finish(0), "<f4") == pytest.approx(expected, abs=1e-4)


def test_dimensions_are_the_first_ones_at_unit_length(backend: TokenBackend) -> None:
    whole = one_by_one(backend, TEXTS[1], "mean")
    embedder = backend.embedder()
    embedder.begin(0, "mean")
    embedder.feed([Piece(0, 0, tokens_of(backend, TEXTS[1]))])
    part = array("f", embedder.finish(0, dimensions=10))
    assert np.asarray(part) == pytest.approx(whole[:10] / np.linalg.norm(whole[:10]), abs=1e-5)


def test_embedding_leaves_the_chats_alone(tmp_path: Path) -> None:
    from edgellm.backends.base import Work
    from edgellm.types import Sampling

    path = write_tiny_model(tmp_path / "chat.gguf")
    backend = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    prompt = tokens_of(backend, "once upon a time")

    def next_token(slot: int, tokens: list[int], start: int) -> int:
        ((sampled,),) = backend.step([Work(slot, start, tokens, 1)])
        return sampled.token

    backend.add_sampler(1, Sampling(temperature=0), prompt)
    first = next_token(0, prompt, 0)
    second = next_token(0, [first], len(prompt))
    assert next_token(1, prompt, 0) == first
    one_by_one(backend, TEXTS[2], "mean")
    assert next_token(1, [first], len(prompt)) == second
    backend.close()


@pytest.mark.parametrize("is_encoder", [True, False])
def test_scores_are_llama_cpp_s_as_probabilities(tmp_path: Path, is_encoder: bool) -> None:
    rank = gguf.PoolingType.RANK
    path = tmp_path / "ranker.gguf"
    write = write_tiny_encoder if is_encoder else write_tiny_decoder
    write(path, pooling=rank)
    backend = load_backend("llama_cpp", str(path), OPTIONS, lambda _: None)
    assert backend.model.capabilities == ("rerank",)
    embedder = backend.embedder()
    texts = [tokens_of(backend, text) for text in TEXTS]
    for slot in range(len(texts)):
        embedder.begin(slot, "mean")
    embedder.feed([Piece(slot, 0, tokens) for slot, tokens in enumerate(texts)])
    scores = [embedder.score(slot) for slot in range(len(texts))]
    for tokens, score in zip(texts, scores, strict=True):
        raw = by_llama_cpp(path, tokens, 4, is_encoder=is_encoder)[0]
        expected = 1 / (1 + np.exp(-raw)) if is_encoder else raw  # a softmax's, of yes and no
        assert score == pytest.approx(expected, abs=1e-4)
        assert 0 < score < 1
    assert len(set(scores)) == len(scores)
    backend.close()


def test_what_models_are_for() -> None:
    assert capabilities(4, is_causal=False) == ("rerank",)
    assert capabilities(0, is_causal=False) == ("embedding",)
    assert capabilities(3, is_causal=True) == ("embedding",)
    assert capabilities(-1, is_causal=True) == ("completion", "embedding")


def test_limits_keep_memory_small() -> None:
    def limits(vocab: int, *, is_causal: bool, is_chat: bool, context: int = 0) -> Any:
        return choose_embed_limits(
            EngineOptions(context=context),
            8192,
            vocab,
            "mean",
            is_causal=is_causal,
            is_chat=is_chat,
        )

    chat = limits(151_936, is_causal=True, is_chat=True)
    assert (chat.context, chat.batch_tokens, chat.most_tokens) == (2048, 110, 110)
    encoder = limits(30_522, is_causal=False, is_chat=False)
    assert (encoder.context, encoder.batch_tokens, encoder.most_tokens) == (2048, 512, 2048)
    large = limits(250_000, is_causal=False, is_chat=False)  # 2,048 tokens would take 2 GB
    assert (large.context, large.batch_tokens, large.most_tokens) == (512, 67, 512)
    asked = limits(250_000, is_causal=False, is_chat=False, context=4096)
    assert (asked.context, asked.most_tokens) == (4096, 4096)
