"""Cards of models that no catalogue has: as good as the catalogue's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.catalog.card import Variant
from edgellm.planner.header_card import (
    card_of_header,
    has_template,
    num_params,
    quant_of_header,
    shape_of,
    type_shares,
    worth_choosing,
)
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.quality import is_rated, quantisation_loss
from edgellm.store.gguf_header import GGUFHeader, read_header
from tests.support.tiny_model import CONTEXT, HEAD, NUM_TOKENS, WIDTH, write_tiny_model


def header(tmp_path: Path, architecture: str, **more: bool) -> GGUFHeader:
    path = tmp_path / f"{architecture}.gguf"
    return read_header(write_tiny_model(path, architecture=architecture, **more))


def test_the_built_in_model_has_the_shape_that_the_catalogue_says(pocket: Path) -> None:
    from edgellm.assets import catalog_file
    from edgellm.catalog.load import load_catalog

    known = load_catalog(catalog_file()).find("pocket")
    assert known is not None
    found = shape_of(facts_of_header(read_header(pocket)))
    for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "vocab"):
        assert getattr(found, name) == getattr(known.shape, name), name
    assert found.kv_bytes_per_token == known.shape.kv_bytes_per_token
    assert found.decode_params == pytest.approx(known.params, rel=0.01)


def test_a_plain_model(tmp_path: Path) -> None:
    read = header(tmp_path, "llama")
    facts = facts_of_header(read)
    card = card_of_header("x", read, facts, ())
    shape = card.shape
    assert (shape.layers, shape.hidden, shape.heads, shape.kv_heads) == (2, WIDTH, 2, 1)
    assert (shape.vocab, shape.tied, card.context) == (NUM_TOKENS, True, CONTEXT)
    assert shape.kv_bytes_per_token == 2 * 2 * 2 * HEAD
    assert (shape.window, shape.state_bytes) == (0, 0)
    assert card.params == num_params(facts) == read.tensor_bytes // 4
    assert (card.name, card.family, card.licence, card.quality) == ("tiny", "llama", "", None)
    assert (card.task, has_template(read), quant_of_header(read)) == ("chat", True, "F32")
    assert type_shares(facts) == {"F32": 1.0}


def test_windows_and_states(tmp_path: Path) -> None:
    gemma = shape_of(facts_of_header(header(tmp_path, "gemma3")))
    one = 2 * 2 * HEAD
    assert (gemma.kv_bytes_per_token, gemma.window, gemma.window_bytes) == (one, 32, 5 * one * 32)
    mamba = shape_of(facts_of_header(header(tmp_path, "mamba")))
    assert mamba.kv_bytes_per_token == 0
    assert mamba.state_bytes > 0
    lfm2 = shape_of(facts_of_header(header(tmp_path, "lfm2")))
    assert (lfm2.kv_bytes_per_token, lfm2.state_bytes > 0) == (one, True)


def test_what_does_not_chat(tmp_path: Path) -> None:
    read = header(tmp_path, "llama", is_causal=False)
    assert card_of_header("x", read, facts_of_header(read), ()).task == "embedding"


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (("BF16", "Q8_0", "Q4_K_M", "IQ1_S"), ("Q8_0", "Q4_K_M")),
        (("UD-Q4_K_XL", "UD-IQ2_XXS"), ("UD-Q4_K_XL",)),
        (("F16", "TQ1_0"), ("F16",)),
        (("TQ1_0", "IQ1_M"), ("TQ1_0", "IQ1_M")),
    ],
)
def test_what_a_plan_may_choose_by_itself(there: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    found = worth_choosing(Variant("llama_cpp", quant) for quant in there)
    assert tuple(variant.quant for variant in found) == chosen


def test_mixes_of_their_own_count_as_what_they_are_at_least() -> None:
    assert quantisation_loss("UD-Q4_K_XL") == quantisation_loss("Q4_K_M")
    assert is_rated("Q3_K_XL")
    assert not is_rated("IQ1_S")
