"""What the backend says of a model, what it refuses, and that a batch is only a batch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.backends import load_backend
from edgellm.backends.base import TokenBackend, Work
from edgellm.errors import EngineLoadError
from edgellm.types import EngineOptions, Sampling
from tests.support.tiny_model import CHATML, NUM_TOKENS, write_tiny_model

OPTIONS = EngineOptions(context=128, parallel=2, threads=1)
GREEDY = Sampling(temperature=0, top_logprobs=3)


@pytest.fixture
def backend(tiny_model: Path) -> Iterator[TokenBackend]:
    loaded = load_backend("llama_cpp", str(tiny_model), OPTIONS, lambda _: None)
    yield loaded
    loaded.close()


def test_what_it_says_of_a_model(backend: TokenBackend) -> None:
    model = backend.model
    assert (model.name, model.architecture, model.num_layers) == ("tiny", "llama", 2)
    assert (model.context, model.trained_context, model.parallel) == (128, 512, 2)
    assert model.vocab_size == NUM_TOKENS
    assert model.chat_template == CHATML
    assert model.control_tokens == ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    assert (model.bos_token, model.eos_token) == ("<|endoftext|>", "<|im_end|>")
    assert model.size_bytes == model.num_params * 4
    assert model.engine.startswith("llama.cpp ")


def test_pocket_recommends_its_own_sampling_or_none(pocket: Path) -> None:
    backend = load_backend("llama_cpp", str(pocket), OPTIONS, lambda _: None)
    temperature = backend.model.sampling.temperature
    backend.close()
    assert temperature is None or 0 <= temperature <= 1


def test_the_context_is_the_model_s_own_where_nobody_says(tiny_model: Path) -> None:
    backend = load_backend("llama_cpp", str(tiny_model), EngineOptions(parallel=1), lambda _: None)
    assert (backend.limits.context, backend.limits.num_cells) == (512, 512)
    backend.close()


def test_progress_is_told_to_the_end(tiny_model: Path) -> None:
    told: list[float] = []
    load_backend("llama_cpp", str(tiny_model), OPTIONS, told.append).close()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_text_and_tokens(backend: TokenBackend) -> None:
    tokens = backend.tokenize("aé<|im_end|>", is_first=True)
    assert tokens == [3 + ord("a"), 3 + 0xC3, 3 + 0xA9, 2]
    assert b"".join(map(backend.token_bytes, tokens)) == "aé".encode()  # control tokens are silent
    assert [backend.is_end(token) for token in tokens] == [False, False, False, True]
    assert backend.tokenize("", is_first=False) == []
    assert len(backend.tokenize("x" * 5000, is_first=False)) == 5000


def test_no_text_has_fewer_tokens_than_the_bound_says(backend: TokenBackend) -> None:
    most = backend.max_bytes_per_token()
    assert most is not None
    for text in ("<|im_start|>" * 20, "hello world", "é" * 50):
        assert len(backend.tokenize(text, is_first=False)) >= len(text.encode()) / most


def test_chunks_and_company_change_nothing(backend: TokenBackend) -> None:
    prompt = backend.tokenize("a prompt of some length", is_first=True)
    backend.add_sampler(1, GREEDY, prompt)
    backend.add_sampler(2, GREEDY, prompt)
    (whole,) = backend.step([Work(0, 0, prompt, 1)])
    backend.forget(0)
    other = Work(1, 0, [7] * 30, 2)
    assert backend.step([Work(0, 0, prompt[:5], None), other])[0] == []
    chunked, _ = backend.step([Work(0, 5, prompt[5:], 1), Work(1, 30, [9], 2)])
    assert chunked[0].token == whole[0].token
    assert chunked[0].logprob is not None
    assert whole[0].logprob is not None
    assert chunked[0].logprob.logprob == pytest.approx(whole[0].logprob.logprob, abs=0.02)


def test_shared_cells_serve_both_and_outlive_the_giver(backend: TokenBackend) -> None:
    prompt = backend.tokenize("a prompt of some length", is_first=True)
    backend.add_sampler(1, GREEDY, prompt)
    (alone,) = backend.step([Work(0, 0, prompt, 1)])
    backend.share(0, 1, 0, len(prompt) - 1)
    backend.forget(0)
    (shared,) = backend.step([Work(1, len(prompt) - 1, prompt[-1:], 1)])
    assert shared[0].token == alone[0].token


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none.gguf", "cannot load none.gguf"), ("text.gguf", "cannot load text.gguf")],
)
def test_files_that_cannot_be_loaded(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "text.gguf").write_text("GGUF, but not really. " * 10)
    with pytest.raises(EngineLoadError, match=reason) as caught:
        load_backend("llama_cpp", str(tmp_path / name), OPTIONS, lambda _: None)
    assert caught.value.hint


def test_a_model_that_cannot_write_embeds(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "embedder.gguf", is_causal=False)
    backend = load_backend("llama_cpp", str(model), OPTIONS, lambda _: None)
    assert backend.model.capabilities == ("embedding",)
    assert backend.threads == (1, 1)
    backend.set_threads(1, 1)
    backend.close()


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "diffusion.gguf", architecture="llada", is_causal=False)
    with pytest.raises(EngineLoadError, match="by diffusion"):
        load_backend("llama_cpp", str(model), OPTIONS, lambda _: None)


def test_an_unknown_runtime_is_named() -> None:
    with pytest.raises(EngineLoadError, match="no runtime called 'abacus'"):
        load_backend("abacus", "x", OPTIONS, lambda _: None)


def test_the_build_describes_itself_on_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "edgellm.backends.llama_cpp"],
        capture_output=True,
        text=True,
        check=True,
    )
    build = json.loads(result.stdout)
    assert build["binding_version"]
    assert "CPU" in build["system_info"]


def test_the_library_can_be_used_after_a_backend_is_closed(tiny_model: Path) -> None:
    script = (
        "import gc, sys\n"
        "from edgellm.backends import load_backend\n"
        "from edgellm.types import EngineOptions\n"
        "for _ in range(2):\n"
        "    backend = load_backend('llama_cpp', sys.argv[1], EngineOptions(), lambda _: None)\n"
        "    backend.close()\n"
        "    del backend\n"
        "    gc.collect()\n"
        "    from llama_cpp import llama_cpp as lib\n"
        "    model = lib.llama_model_load_from_file(\n"
        "        sys.argv[1].encode(), lib.llama_model_default_params())\n"
        "    lib.llama_model_free(model)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tiny_model)], capture_output=True)
    assert done.returncode == 0


def test_threads_of_small_and_large_steps(tiny_model: Path) -> None:
    def threads(options: EngineOptions) -> tuple[int, int]:
        loaded = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
        try:
            return loaded.threads
        finally:
            loaded.close()

    assert threads(EngineOptions(128, 2)) == (1, 1)  # a tiny model's
    assert threads(EngineOptions(128, 2, threads=2)) == (2, 2)
    assert threads(EngineOptions(128, 2, threads=1, threads_batch=2)) == (1, 2)


def test_threads_can_be_changed(backend: TokenBackend) -> None:
    backend.set_threads(2, 3)
    assert backend.threads == (2, 3)


@pytest.mark.parametrize(
    ("batch_tokens", "parallel", "expected"),
    [(0, 2, 512), (1024, 2, 1024), (64, 2, 64), (1, 60, 93)],  # 60 answers and 32 guesses
)
def test_a_step_takes_at_least_a_token_of_each_answer(
    tiny_model: Path, batch_tokens: int, parallel: int, expected: int
) -> None:
    options = EngineOptions(128, parallel, threads=1, batch_tokens=batch_tokens, repack=False)
    loaded = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    assert loaded.limits.batch_tokens == expected
    loaded.close()


def test_it_tells_its_buffers_and_what_an_accelerator_computes(tiny_model: Path) -> None:
    options = EngineOptions(context=128, parallel=2, threads=1, gpu_layers=0)
    backend = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    model, num_cells = backend.model, backend.limits.num_cells
    backend.close()
    assert model.gpu_layers == 0
    kv_bytes = num_cells * 2 * 2 * 32 * 2  # cells x layers x (K and V) x 32 values of 2 bytes
    assert model.buffer_bytes >= (model.size_bytes + kv_bytes) * 0.99  # told in MiB, rounded


def test_layers_for_an_accelerator_that_is_not_there(tiny_model: Path) -> None:
    from edgellm.backends.llama_cpp import describe_build

    if describe_build()["supports_gpu_offload"]:
        pytest.skip("there is one")
    options = EngineOptions(context=128, parallel=2, threads=1, gpu_layers=99)
    backend = load_backend("llama_cpp", str(tiny_model), options, lambda _: None)
    assert backend.model.gpu_layers == 0
    backend.close()
