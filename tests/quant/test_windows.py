"""How a text is cut: llama-perplexity's way."""

from __future__ import annotations

import pytest
from edgellm_quant.windows import cut, first_counted, num_counted

from edgellm.errors import QuantError

TOKENS = list(range(100, 200))


def test_whole_windows_and_no_rest() -> None:
    windows = cut(TOKENS, 40, start_token=None)
    assert windows == [TOKENS[:40], TOKENS[40:80]]


def test_each_begins_with_the_start_token_in_place_of_its_own() -> None:
    windows = cut(TOKENS, 40, start_token=1)
    assert windows == [[1, *TOKENS[1:40]], [1, *TOKENS[41:80]]]


def test_no_more_than_asked_for() -> None:
    assert len(cut(TOKENS, 32, start_token=None, most=2)) == 2
    assert len(cut(TOKENS, 32, start_token=None, most=9)) == 3


def test_a_text_that_fills_no_window_is_refused() -> None:
    with pytest.raises(QuantError, match="100 tokens") as caught:
        cut(TOKENS, 512, start_token=None)
    assert "longer text" in caught.value.hint
    with pytest.raises(QuantError, match="too short"):
        cut(TOKENS, 8, start_token=None)


def test_the_second_half_counts_but_for_the_last_token() -> None:
    assert (first_counted(512), num_counted(512)) == (256, 255)
    assert (first_counted(33), num_counted(33)) == (16, 16)
