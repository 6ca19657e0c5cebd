"""A gap between two texts, on a model whose vocabulary has the tokens and on one without."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from edgellm.backends import load_backend
from edgellm.types import EngineOptions
from tests.support.server import Server, serve
from tests.support.tiny_model import INFILL, NUM_TOKENS, write_tiny_model


def test_the_answer_goes_between(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "coder.gguf", infill=INFILL)
    with (
        serve(tmp_path, str(model), "--parallel", "1") as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client,
    ):

        def num_tokens(prompt: str, suffix: str | None) -> int:
            answer = client.completions.create(
                model="", prompt=prompt, suffix=suffix, max_tokens=3, temperature=0
            )
            assert answer.usage is not None
            return answer.usage.prompt_tokens

        # A token for each byte, and one before each text and the gap.
        assert num_tokens("def f(", "return x") == 6 + 8 + 3
        assert num_tokens("", "x") == 1 + 3
        assert num_tokens("<|fim_middle|>", "<|fim_suffix|>") == 14 + 14 + 3
        assert num_tokens("def f(", None) == 6
        as_ids = [NUM_TOKENS, *range(40, 46), NUM_TOKENS + 1, 60, NUM_TOKENS + 2]
        raw = client.completions.create(model="", prompt=as_ids, max_tokens=1, temperature=0)
        assert raw.usage is not None
        assert raw.usage.prompt_tokens == len(as_ids)


def test_the_built_in_model_says_that_it_cannot(server: Server, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot fill in the middle") as caught:
        sdk.completions.create(model="pocket", prompt="a", suffix="b")
    assert caught.value.param == "suffix"


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), (None, None, None)),
        (INFILL, (NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2)),
        (("[PREFIX]", "[SUFFIX]"), (NUM_TOKENS, NUM_TOKENS + 1, None)),  # Codestral's
    ],
)
def test_what_the_vocabulary_has(
    tmp_path: Path, tokens: tuple[str, ...], expected: tuple[int | None, ...]
) -> None:
    path = write_tiny_model(tmp_path / "m.gguf", infill=tokens)
    options = EngineOptions(context=256, parallel=1, threads=1)
    backend = load_backend("llama_cpp", str(path), options, lambda _: None)
    try:
        model = backend.model
        assert (model.fim_prefix, model.fim_suffix, model.fim_middle) == expected
    finally:
        backend.close()
