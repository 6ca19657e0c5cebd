"""The files of a model that may be split."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from edgellm_quant.parts import model_bytes, model_digest, part_paths


def write_split(folder: Path) -> Path:
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama", split_max_tensors=1)
    for name in ("a", "b", "c"):
        writer.add_tensor(name, np.ones(64, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "model-00001-of-00003.gguf"


def test_all_parts_count(tmp_path: Path) -> None:
    first = write_split(tmp_path)
    parts = part_paths(first)
    assert parts == sorted(tmp_path.iterdir())
    assert len(parts) == 3
    assert model_bytes(first) == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_byte_in_any_part_is_another_model(tmp_path: Path) -> None:
    first = write_split(tmp_path)
    before = model_digest(first)
    last = tmp_path / "model-00003-of-00003.gguf"
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    assert model_digest(first) != before


def test_what_is_no_model_is_its_own_only_part(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    assert part_paths(tmp_path / "bad.gguf") == [tmp_path / "bad.gguf"]
    assert model_bytes(tmp_path / "bad.gguf") == 4
