"""Pruning: the blocks that do least, in a file that loads and is what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgellm_quant import prune
from edgellm_quant.gguf import quantise
from edgellm_quant.logits import open_model
from edgellm_quant.prune import Influence, least_blocks
from edgellm_quant.spec import Recipe
from edgellm_quant.work_copy import open_copy

from edgellm.errors import QuantCancelled, QuantError
from edgellm.store.gguf_header import GGUFHeader, read_header
from tests.quant.mix_support import TEXT, write_deep_model
from tests.support.tiny_model import write_tiny_model

IDLE = (2, 5, 6)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deep_model(tmp_path_factory.mktemp("prune") / "deep.gguf", 8, IDLE)


def test_a_block_without_output_is_a_block_left_out(source: Path, tmp_path: Path) -> None:
    pruned = quantise(source, tmp_path / "pruned.gguf", Recipe("F32", pruned_blocks=(1, 4)))
    assert read_header(pruned).metadata["llama.block_count"] == 6
    names = [name for block in (1, 4) for name in prune.added(read_header(source))[block]]
    tokens = list(range(40))
    with open_copy(source, tmp_path / "copy.gguf") as copy:
        with (
            copy.changed(dict.fromkeys(names, prune._zeros)) as path,
            open_model(path, context=64) as model,
        ):
            zeroed = model.logits(tokens)
        assert path.read_bytes() == source.read_bytes()  # mended again
    with open_model(pruned, context=64) as model:
        np.testing.assert_allclose(model.logits(tokens), zeroed, atol=1e-4)


@pytest.mark.parametrize("is_run", [False, True])
def test_the_idle_blocks_go(source: Path, is_run: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    told: list[Influence] = []
    progress: list[tuple[int, int]] = []
    count = 2 if is_run else 3
    found = least_blocks(
        source,
        count,
        text=TEXT,
        is_run=is_run,
        most_windows=1,
        on_influence=told.append,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert found == ((5, 6) if is_run else IDLE)
    assert progress[-1] == (len(told), len(told))
    assert min(told, key=lambda each: each.kld / len(each.blocks)).blocks[0] in IDLE
    assert not {0, 7} & {block for each in told for block in each.blocks}
    assert [path.name for path in source.parent.iterdir()] == ["deep.gguf"]  # nothing is left


def test_a_pruned_model_still_writes(pocket: Path, tmp_path: Path) -> None:
    """Without the two blocks that `least_blocks` finds in it."""
    made = quantise(pocket, tmp_path / "pruned.gguf", Recipe("Q8_0", pruned_blocks=(3, 5)))
    with open_model(made, context=64) as model:
        assert model.num_blocks == 5
        logits = model.logits(model.tokenize("The quick brown fox"))
    assert np.isfinite(logits).all()
    assert made.stat().st_size < pocket.stat().st_size / 2


def test_a_stopped_search_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    told: list[Influence] = []
    with pytest.raises(QuantCancelled):
        least_blocks(
            source,
            2,
            text=TEXT,
            most_windows=1,
            on_influence=told.append,
            is_cancelled=lambda: len(told) == 2,
        )
    assert len(told) == 2
    assert [path.name for path in source.parent.iterdir()] == ["deep.gguf"]


def test_the_ends_stay_unless_it_is_forced(source: Path) -> None:
    header = read_header(source)
    assert prune.candidates(header, 6, may_take_ends=False) == (1, 2, 3, 4, 5, 6)
    assert prune.candidates(header, 7, may_take_ends=True) == tuple(range(8))
    with pytest.raises(QuantError, match="7 of the model's 8 blocks") as caught:
        prune.candidates(header, 7, may_take_ends=False)
    assert "1 to 6" in caught.value.hint
    for count in (0, 8):
        with pytest.raises(QuantError):
            prune.candidates(header, count, may_take_ends=True)


def test_names_move_up() -> None:
    assert prune.kept_name("blk.3.attn_q.weight", (3,)) is None
    assert prune.kept_name("blk.10.attn_q.weight", (3, 7)) == "blk.8.attn_q.weight"
    assert prune.kept_name("blk.2.attn_q.weight", (3, 7)) == "blk.2.attn_q.weight"
    assert prune.kept_name("token_embd.weight", (3, 7)) == "token_embd.weight"


@pytest.mark.parametrize("architecture", ["llama", "mamba", "lfm2", "gemma3"])
def test_every_block_has_something_that_it_adds(tmp_path: Path, architecture: str) -> None:
    header = read_header(write_tiny_model(tmp_path / "model.gguf", architecture=architecture))
    found = prune.added(header)
    assert set(found) == set(range(int(str(header.metadata[f"{architecture}.block_count"]))))


def test_models_whose_blocks_have_their_place_are_refused(tmp_path: Path) -> None:
    for architecture in ("gemma3", "lfm2"):
        header = read_header(write_tiny_model(tmp_path / "m.gguf", architecture=architecture))
        with pytest.raises(QuantError, match=f"Blocks of {architecture} cannot be left out"):
            prune.check_prunable(header)
    with pytest.raises(QuantError, match="not known what a block"):
        prune.added(GGUFHeader(3, {"general.architecture": "new"}, (), 0))


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children cost a second each; `test_mix.py` has one."""
    from edgellm_quant import divergence, evaluate
    from edgellm_quant.reference import Reference

    monkeypatch.setattr(evaluate, "measure_loss", divergence.measure)
    monkeypatch.setattr(Reference, "make", Reference.compute)
