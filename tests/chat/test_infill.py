"""Filling a gap: the order of the pieces, and models that were not taught to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgellm.chat.infill import infill_prompt
from edgellm.errors import InvalidRequest
from tests.support.scripted_engine import INFO

CODER = replace(INFO, fim_prefix=1, fim_suffix=2, fim_middle=3)


def test_the_order_of_llama_cpp() -> None:
    # The empty text lets the engine put the beginning-of-text token in front.
    assert infill_prompt(("def f(", "x"), ("return",), CODER) == (
        "",
        1,
        "def f(",
        "x",
        2,
        "return",
        3,
    )
    assert infill_prompt((7, 8), (), CODER) == ("", 1, 7, 8, 2, 3)


def test_codestral_s_order() -> None:
    codestral = replace(CODER, fim_middle=None)
    assert infill_prompt(("a",), ("b",), codestral) == ("", 2, "b", 1, "a")


@pytest.mark.parametrize("missing", ["fim_prefix", "fim_suffix"])
def test_a_model_without_the_tokens(missing: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot fill in the middle") as caught:
        infill_prompt(("a",), ("b",), replace(CODER, **{missing: None}))
    assert caught.value.param == "suffix"
