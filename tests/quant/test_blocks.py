"""Blocks: the very bytes that llama_model_quantize writes, and the values back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgellm_quant.blocks import Blocks
from edgellm_quant.gguf import quantise
from edgellm_quant.sensitivity import SHORT_TYPES, TYPES, read_importance
from edgellm_quant.spec import Override, Recipe

from edgellm.errors import QuantError
from edgellm.store.gguf_header import read_header
from tests.quant.mix_support import matrix_of

VALUES = np.random.default_rng(0).normal(0, 1, (6, 512)).astype(np.float32)
IMPORTANCE = np.random.default_rng(1).lognormal(0, 1, 512).astype(np.float32)


@pytest.mark.parametrize("type_", [*TYPES, *SHORT_TYPES, "F16", "BF16", "F32"])
def test_values_come_back_as_well_as_the_type_allows(type_: str) -> None:
    blocks = Blocks()
    data = blocks.encode(VALUES, type_, IMPORTANCE)
    error = blocks.decode(data, type_, 512) - VALUES
    share = np.square(error).sum() / np.square(VALUES).sum()
    assert share < 0.2
    if type_ in ("F16", "BF16", "F32"):
        assert share < 1e-5


def test_importance_moves_the_error_to_where_it_matters_least() -> None:
    blocks, heavy = Blocks(), np.ones(512, np.float32)
    heavy[:32] = 1e4
    errors = [
        np.square(blocks.decode(blocks.encode(VALUES, "Q4_K", each), "Q4_K", 512) - VALUES)
        for each in (None, heavy)
    ]
    assert errors[1][:, :32].sum() < errors[0][:, :32].sum()


def test_what_cannot_be_is_an_error_and_not_the_end_of_the_process() -> None:
    with pytest.raises(QuantError, match="cannot be Q4_K"):
        Blocks().encode(VALUES[:, :64].copy(), "Q4_K")
    with pytest.raises(QuantError, match="importance matrix"):
        Blocks().encode(VALUES, "IQ2_XXS")


@pytest.mark.parametrize("has_matrix", [False, True])
def test_the_bytes_are_those_of_llama_cpp(pocket: Path, tmp_path: Path, has_matrix: bool) -> None:
    types = {"blk.0.attn_q": "Q3_K", "blk.1.ffn_down": "IQ4_XS", "blk.2.ffn_up": "Q6_K"}
    overrides = tuple(Override(f"^{name}", type_) for name, type_ in types.items())
    matrix = matrix_of(pocket, tmp_path / "matrix.gguf") if has_matrix else None
    recipe = Recipe("Q8_0", overrides=overrides)
    made = quantise(pocket, tmp_path / "made.gguf", recipe, imatrix=matrix)
    importance = read_importance(matrix)
    blocks = Blocks()
    for name, type_ in types.items():
        values = blocks.decode(raw(pocket, f"{name}.weight"), "F16", columns(pocket, name))
        known = importance.get(f"{name}.weight")
        assert (known is not None) == has_matrix
        expected = raw(made, f"{name}.weight")
        np.testing.assert_array_equal(blocks.encode(values, type_, known), expected)


def raw(path: Path, name: str) -> np.ndarray:
    header = read_header(path)
    tensor = next(each for each in header.tensors if each.name == name)
    begin = header.data_offset + tensor.offset
    return np.frombuffer(path.read_bytes()[begin : begin + tensor.size_bytes], np.uint8)


def columns(path: Path, name: str) -> int:
    return next(t.shape[0] for t in read_header(path).tensors if t.name == f"{name}.weight")
