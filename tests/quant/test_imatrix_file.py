"""Importance matrices in llama.cpp's format."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from edgellm_quant.collector import Sums, weight_name
from edgellm_quant.imatrix_file import ImportanceMatrix, read, write

from edgellm.errors import FolderUnusable, QuantError

MATRIX = ImportanceMatrix(
    sums={
        "blk.0.attn_q.weight": Sums(np.arange(8.0)[None], np.array([512])),
        "blk.0.ffn_up_exps.weight": Sums(np.arange(24.0).reshape(3, 8), np.array([5, 0, 7])),
    },
    datasets=("text.txt",),
    num_chunks=1,
    chunk_tokens=512,
    key="abc",
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "i.gguf", MATRIX)
    found = read(tmp_path / "i.gguf")
    assert (found.datasets, found.num_chunks, found.chunk_tokens, found.key) == (
        ("text.txt",),
        1,
        512,
        "abc",
    )
    for name, sums in MATRIX.sums.items():
        np.testing.assert_array_equal(found.sums[name].squares, sums.squares)
        np.testing.assert_array_equal(found.sums[name].counts, sums.counts)
    assert [path.name for path in tmp_path.iterdir()] == ["i.gguf"]


def test_it_is_llama_cpps_layout(tmp_path: Path) -> None:
    write(tmp_path / "i.gguf", MATRIX)
    ours = gguf.GGUFReader(tmp_path / "i.gguf")
    theirs = gguf.GGUFReader(Path(__file__).parent / "golden" / "imatrix-tiny-gemma3.gguf")
    assert {name: field.types for name, field in theirs.fields.items()}.items() <= {
        name: field.types for name, field in ours.fields.items()
    }.items()
    assert "general.architecture" not in ours.fields
    shapes = {tensor.name: tensor.shape.tolist() for tensor in ours.tensors}
    assert shapes["blk.0.ffn_up_exps.weight.in_sum2"] == [8, 3]
    assert shapes["blk.0.ffn_up_exps.weight.counts"] == [1, 3]
    assert {tensor.tensor_type.name for tensor in ours.tensors} == {"F32"}


def test_other_files_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(QuantError, match="not an importance matrix") as caught:
        read(tiny_model)
    assert "llama-imatrix" in caught.value.hint
    (tmp_path / "text").write_text("not GGUF at all")
    with pytest.raises(QuantError, match="not an importance matrix"):
        read(tmp_path / "text")
    with pytest.raises(QuantError, match="not an importance matrix"):
        read(tmp_path / "missing")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable):
        write(tmp_path / "none" / "i.gguf", MATRIX)


def test_names_lose_what_a_scheduler_puts_around_them() -> None:
    assert weight_name(b"CUDA0#blk.0.attn_k.weight#0") == "blk.0.attn_k.weight"
    assert weight_name(b"CUDA0#blk.0.attn_k.weight") == "blk.0.attn_k.weight"
    assert weight_name(b"blk.0.attn_k.weight") == "blk.0.attn_k.weight"
