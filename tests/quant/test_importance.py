"""Reading importance matrices of llama.cpp's format."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from edgellm_quant.importance import read_imatrix

from edgellm.errors import QuantError
from edgellm.store.gguf_header import read_header
from tests.quant.conftest import write_imatrix


def test_means(imatrix: Path, pocket: Path) -> None:
    matrix = read_imatrix(imatrix)
    assert (matrix.num_chunks, matrix.datasets) == (3, ("/home/somebody/text.txt",))
    matrices = [t for t in read_header(pocket).tensors if len(t.shape) > 1]
    assert set(matrix.means) == {t.name for t in matrices} - {"token_embd.weight"}
    reader = gguf.GGUFReader(imatrix)
    for tensor in reader.tensors[:6:2]:
        name = tensor.name.removesuffix(".in_sum2")
        np.testing.assert_allclose(matrix.means[name], tensor.data[0] / 1536, rtol=1e-6)


def test_experts_without_tokens_count_alike(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "imatrix")
    writer.add_tensor("x.in_sum2", np.array([[2, 4], [6, 8]], np.float32))
    writer.add_tensor("x.counts", np.array([[2], [0]], np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert list(read_imatrix(path).means["x"]) == [1, 2, 1, 1]


def test_what_is_none(tmp_path: Path, pocket: Path) -> None:
    old = tmp_path / "imatrix.dat"
    old.write_bytes(b"\x01\0\0\0 and so on")
    with pytest.raises(QuantError, match="is no importance matrix") as caught:
        read_imatrix(old)
    assert "--calibrate" in caught.value.hint
    with pytest.raises(QuantError, match="has no importance matrix in it"):
        read_imatrix(pocket)


def test_a_file_that_is_cut_off(tmp_path: Path, pocket: Path) -> None:
    path = write_imatrix(tmp_path / "m.gguf", pocket)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(QuantError, match="cut off"):
        read_imatrix(path)
