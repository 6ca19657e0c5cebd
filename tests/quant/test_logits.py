"""Logits: all positions, in parts that fit the memory, the same as one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgellm_quant.logits import open_model, step_tokens, steps

from edgellm.errors import EngineLoadError
from tests.support.tiny_model import NUM_TOKENS, write_tiny_model

TEXT = "The quick brown fox jumps over the lazy dog. "


def test_each_position_has_the_logits_of_what_is_before_it(tiny_model: Path) -> None:
    with open_model(tiny_model, context=64) as model:
        tokens = model.tokenize(TEXT)
        whole = model.logits(tokens)
        shorter = model.logits(tokens[:20])
    assert whole.shape == (len(tokens), NUM_TOKENS)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(shorter, whole[:20], atol=1e-4)
    assert np.abs(whole[0] - whole[1]).max() > 0.1


def test_parts_begin_where_they_say_and_add_up(tiny_model: Path) -> None:
    with open_model(tiny_model, context=512) as model:
        tokens = model.tokenize(TEXT * 10)[:400]
        model._step = 96  # as a large vocabulary would have it
        parts = [(begin, part.copy()) for begin, part in model.stream(tokens, first=150)]
        model._step = 512
        whole = model.logits(tokens)
    assert [begin for begin, _ in parts] == [150, 160, 240, 320]
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), whole[150:], atol=1e-3)


@pytest.mark.parametrize("architecture", ["gemma3", "mamba", "lfm2"])
def test_a_second_text_does_not_see_the_first(tmp_path: Path, architecture: str) -> None:
    path = write_tiny_model(tmp_path / "model.gguf", architecture=architecture)
    with open_model(path, context=64) as model:
        tokens = model.tokenize(TEXT)
        first = model.logits(tokens)
        model.logits(tokens[::-1])
        np.testing.assert_array_equal(model.logits(tokens), first)


def test_a_text_begins_with_the_start_token_where_the_model_wants_one(
    pocket: Path, tiny_model: Path
) -> None:
    with open_model(pocket) as model:
        assert model.start_token == 0
        assert model.tokenize("Hello<|im_end|>")[0] == 0
        assert 2 not in model.tokenize("Hello<|im_end|>")  # what a text spells is text
    with open_model(tiny_model) as model:
        assert model.start_token is None
        assert len(model.tokenize("Hello")) == 5


def test_what_an_observer_raises_comes_out(tiny_model: Path) -> None:
    def refuse(node: int, is_asking: bool) -> bool:
        raise ValueError("enough")

    with (
        open_model(tiny_model, context=64, observer=refuse) as model,
        pytest.raises(ValueError, match="enough"),
    ):
        model.logits(model.tokenize("Hello"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"GGUF and nothing more")
    with pytest.raises(EngineLoadError, match=r"bad\.gguf"), open_model(path):
        pass


def test_the_logits_of_a_step_fit_the_memory() -> None:
    assert step_tokens(4096, 512) == 512
    assert step_tokens(4096, 128) == 128
    assert step_tokens(151_936, 2048) == 220
    assert step_tokens(10_000_000, 2048) == 32


def test_steps_are_of_like_size() -> None:
    assert list(steps(200, 64)) == [(0, 50), (50, 100), (100, 150), (150, 200)]
    assert list(steps(512, 512)) == [(0, 512)]
    assert list(steps(0, 64)) == []
