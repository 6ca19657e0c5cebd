"""A model to quantise, and importance matrices for it."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from edgellm.store.gguf_header import read_header


def write_imatrix(path: Path, model: Path, *, num_rows: int = 1, seed: int = 1) -> Path:
    """One with random sums for each matrix of the model, as llama-imatrix lays it out."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "imatrix")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["/home/somebody/text.txt"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for tensor in read_header(model).tensors:
        if len(tensor.shape) > 1 and tensor.name != "token_embd.weight":
            sums = rng.uniform(1, 900, (num_rows, tensor.shape[0]))
            counts = np.full((num_rows, 1), 1536)
            writer.add_tensor(tensor.name + ".in_sum2", sums.astype(np.float32))
            writer.add_tensor(tensor.name + ".counts", counts.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def split(model: Path, folder: Path, count: int = 3) -> Path:
    """The model in several files; the path of the first."""
    reader = gguf.GGUFReader(model)
    step = -(-len(reader.tensors) // count)
    paths = [folder / f"split-{i + 1:05}-of-{count:05}.gguf" for i in range(count)]
    for number, path in enumerate(paths):
        writer = gguf.GGUFWriter(path, "llama")
        if number == 0:
            _copy_metadata(reader, writer)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in reader.tensors[number * step : (number + 1) * step]:
            writer.add_tensor(tensor.name, tensor.data)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths[0]


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kinds = (*field.types, None)
        writer.add_key_value(name, field.contents(), kinds[0], sub_type=kinds[1])


@pytest.fixture(scope="session")
def imatrix(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the built-in model."""
    return write_imatrix(tmp_path_factory.mktemp("imatrix") / "imatrix.gguf", pocket)
