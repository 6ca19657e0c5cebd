"""Memory of models that embed or judge, and how they are planned."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from edgellm.assets import catalog_file
from edgellm.backends import load_backend
from edgellm.catalog.load import load_catalog
from edgellm.planner.card_facts import facts_of_card
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import Environment, estimate, limits_of
from edgellm.store.gguf_header import read_header
from edgellm.types import EngineOptions
from tests.support.tiny_embedder import write_tiny_decoder, write_tiny_encoder
from tests.support.tiny_model import NUM_TOKENS, write_tiny_model

MIB = 2**20


def test_what_a_header_says_of_the_kind(tmp_path: Path) -> None:
    rank = gguf.PoolingType.RANK
    kinds = {
        "encoder": (write_tiny_encoder(tmp_path / "a.gguf"), False, False),
        "judge": (write_tiny_encoder(tmp_path / "b.gguf", pooling=rank), False, False),
        "decoder": (write_tiny_decoder(tmp_path / "c.gguf"), False, True),
        "chat": (write_tiny_model(tmp_path / "d.gguf"), True, True),
    }
    for name, (path, writes, is_causal) in kinds.items():
        facts = facts_of_header(read_header(path))
        assert (facts.writes, facts.is_causal) == (writes, is_causal), name


@pytest.mark.parametrize("is_encoder", [True, False])
def test_the_estimate_has_the_backend_s_sizes(tmp_path: Path, is_encoder: bool) -> None:
    write = write_tiny_encoder if is_encoder else write_tiny_decoder
    path = write(tmp_path / "model.gguf")
    facts = facts_of_header(read_header(path))
    options = EngineOptions(context=256, threads=1)
    backend = load_backend("llama_cpp", str(path), options, lambda _: None)
    real, expected = backend.embed_limits, limits_of(facts, options)
    backend.close()
    assert (expected.context, expected.batch_tokens) == (real.context, real.most_tokens)
    assert (expected.num_cells, expected.num_slots) == (real.num_cells, real.num_slots)
    found = estimate(facts, options, Environment(available_bytes=2**34))
    assert found.logits == 4 * facts.vocab * real.most_tokens
    assert found.host_cache == 0  # no prompts are kept
    assert (found.kv == 0) == is_encoder
    assert facts.vocab == NUM_TOKENS or is_encoder


def test_cards_of_the_catalogue_take_little() -> None:
    catalog = load_catalog(catalog_file())
    found = {}
    for card in catalog.models:
        if card.task != "chat":
            options = EngineOptions(context=512, parallel=1, cells=512)
            for variant in card.variants:
                facts = facts_of_card(card, variant)
                assert not facts.writes
                needed = estimate(facts, options, Environment()).needed
                found[card.id] = (needed - (variant.planned_bytes or 0)) / MIB
    assert {"nomic-embed-text-v1.5", "qwen3-embedding-0.6b", "bge-reranker-v2-m3"} <= set(found)
    # Beside the weights: the program, and for every token the logits of the vocabulary.
    assert all(100 < taken < 1100 for taken in found.values()), found
