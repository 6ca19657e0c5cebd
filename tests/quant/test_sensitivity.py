"""Errors and losses: in proportion, and with the importance of the right expert."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from edgellm_quant import sensitivity
from edgellm_quant.blocks import Blocks
from edgellm_quant.sensitivity import (
    Rated,
    Rating,
    fitting_types,
    probe_of,
    rate_errors,
    sample,
    with_losses,
)
from edgellm_quant.work_copy import WorkCopy, open_copy

from edgellm.errors import QuantError
from edgellm.store.gguf_header import TensorInfo, read_header

EXPERTS = np.random.default_rng(0).normal(0, 1, (2, 16, 256)).astype(np.float16)


@pytest.fixture
def copy(tmp_path: Path) -> WorkCopy:
    """Two experts' matrices in a file."""
    path = tmp_path / "experts.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.ffn_up_exps.weight", EXPERTS)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return WorkCopy(path, Blocks())


def tensor(type_: str = "F16", *shape: int) -> TensorInfo:
    return TensorInfo("blk.0.x.weight", type_, shape or (256, 64), 0, 0)


def test_each_expert_has_its_own_importance(copy: WorkCopy) -> None:
    """What matters little has an error that counts little."""
    name = "blk.0.ffn_up_exps.weight"
    uneven = np.concatenate([np.full(256, 1e-6), np.ones(256)]).astype(np.float32)
    (found,) = rate_errors(copy, [copy.tensors[name]], {name: uneven})
    blocks, values = Blocks(), EXPERTS.astype(np.float32)[1]
    ones = np.ones(256, np.float32)
    for rating in found.ratings[:-1]:
        rounded = blocks.decode(blocks.encode(values, rating.type, ones), rating.type, 256)
        assert rating.error == pytest.approx(np.square(values - rounded).sum(), rel=1e-3)
    assert [rating.type for rating in found.ratings[-1:]] == ["F16"]
    assert found.ratings[-1].error == 0


def test_what_is_spoilt_is_what_the_probe_leaves_and_is_mended(copy: WorkCopy) -> None:
    name, before = "blk.0.ffn_up_exps.weight", copy.path.read_bytes()
    blocks, rows = Blocks(), np.arange(32)
    expected = blocks.decode(blocks.encode(copy.rows(name, rows), "Q4_K"), "Q4_K", 256)
    change = sensitivity.spoil(copy.tensors[name], {})
    with pytest.raises(RuntimeError), copy.changed({name: change}):
        np.testing.assert_allclose(copy.rows(name, rows), expected, rtol=1e-3)
        raise RuntimeError  # llama.cpp failed, say
    assert copy.path.read_bytes() == before


def test_fewer_bits_have_larger_errors(pocket: Path, tmp_path: Path) -> None:
    names = ["blk.0.attn_q.weight", "blk.6.ffn_down.weight"]
    wanted = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0")
    with open_copy(pocket, tmp_path / "copy.gguf") as copy:
        tensors = [copy.tensors[name] for name in names]
        for rated in rate_errors(copy, tensors, {}, types=wanted):
            errors = [rating.error for rating in rated.ratings]
            assert [rating.type for rating in rated.ratings] == [*wanted, "F16"]
            assert errors == sorted(errors, reverse=True)
            assert errors[-1] == 0
            assert errors[0] > 100 * errors[-2]
    assert not (tmp_path / "copy.gguf").exists()


def test_types_fit_the_rows_and_make_the_tensor_smaller() -> None:
    assert "IQ2_S" in fitting_types(tensor(), True)
    assert "IQ2_S" not in fitting_types(tensor(), False)
    assert fitting_types(tensor("F16", 96, 4), True)[-1] == "Q8_0"
    assert fitting_types(tensor("F32", 96, 4), True)[-1] == "F16"
    assert fitting_types(tensor("F16", 33, 4), True) == []
    assert fitting_types(tensor("Q4_K"), False) == ["Q2_K", "IQ3_S", "Q3_K", "IQ4_XS"]


def test_a_probe_is_one_of_the_types_that_fit() -> None:
    assert probe_of(tensor(), True) == "Q4_K"
    assert probe_of(tensor("F16", 96, 4), True) == "Q4_1"
    assert probe_of(tensor("Q4_K"), False) == "IQ4_XS"
    assert probe_of(tensor("F16", 33, 4), True) == ""


def test_losses_are_in_proportion_to_errors() -> None:
    ratings = (Rating("Q3_K", 30, 8.0), Rating("Q4_K", 40, 2.0), Rating("F16", 160, 0.0))
    rated = [Rated(name, (256, 1), "Q4_K", ratings) for name in ("a", "b", "c")]
    found = with_losses(rated, {"a": 0.5, "b": 0.1, "c": -1e-9})
    assert [rating.loss for rating in found[0].ratings] == [2.0, 0.5, 0.0]
    # A text that does not use it tells nothing of it; it is not worthless for that.
    assert found[2].ratings[1].loss == pytest.approx(0.01 * 0.1)
    with pytest.raises(QuantError):
        with_losses(rated, dict.fromkeys("abc", 0.0))


def test_a_sample_is_spread_over_all_rows() -> None:
    large = tensor("F16", 4096, 8192)
    numbers = sample(large)
    assert len(numbers) == len(set(numbers)) == 128
    assert numbers[0] == 0
    assert 8192 - 64 <= numbers[-1] < 8192
    assert list(sample(tensor("F16", 256, 8))) == list(range(8))


def test_a_copy_of_a_quantised_source_is_f16(pocket: Path, tmp_path: Path) -> None:
    from edgellm_quant.gguf import quantise
    from edgellm_quant.spec import Recipe

    source = quantise(pocket, tmp_path / "source.gguf", Recipe("Q8_0"))
    with open_copy(source, tmp_path / "copy.gguf") as copy:
        kinds = {each.type for each in copy.tensors.values() if len(each.shape) > 1}
    assert kinds == {"F16"}
    assert {t.type for t in read_header(source).tensors if len(t.shape) > 1} == {"Q8_0"}
