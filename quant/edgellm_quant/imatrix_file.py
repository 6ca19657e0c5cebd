"""Importance matrices in the GGUF format of llama-imatrix and llama-quantize.

For each weight `<name>.in_sum2`, the sums of squares, and `<name>.counts`; values are float32.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.store.disk import disk_errors
from edgellm_quant.collector import Sums

_SQUARES, _COUNTS = ".in_sum2", ".counts"
_KEY = "edgellm.calibration"  # a key of our own: what it was computed from


class ImportanceMatrix(Struct, frozen=True):
    """All that such a file says. `datasets`: names of the texts."""

    sums: dict[str, Sums]
    datasets: tuple[str, ...]
    num_chunks: int
    chunk_tokens: int
    key: str = ""  # of model, text and settings; empty = made by others


def write(path: Path, matrix: ImportanceMatrix) -> None:
    """Write the file, whole or not at all.

    Raises:
        DiskFull, FolderUnusable: nothing is left behind.
    """
    from gguf import GGUFWriter, Keys

    temporary = path.with_name(path.name + ".part")
    writer = GGUFWriter(None, "imatrix")
    writer.kv_data[0].pop(Keys.General.ARCHITECTURE)  # it is no model
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", list(matrix.datasets))
    writer.add_uint32("imatrix.chunk_count", matrix.num_chunks)
    writer.add_uint32("imatrix.chunk_size", matrix.chunk_tokens)
    if matrix.key:
        writer.add_string(_KEY, matrix.key)
    for name, sums in sorted(matrix.sums.items()):
        writer.add_tensor(name + _SQUARES, sums.squares.astype(np.float32))
        writer.add_tensor(name + _COUNTS, sums.counts.astype(np.float32)[:, None])
    try:
        with disk_errors(path):
            writer.write_header_to_file(temporary)
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            _sync(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> ImportanceMatrix:
    """Read a file of ours, or of llama-imatrix.

    Raises:
        QuantError: it is neither.
    """
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {tensor.name: np.array(tensor.data, np.float64) for tensor in reader.tensors}
        return _matrix(fields, tensors)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise QuantError(
            f"{path.name} is not an importance matrix in GGUF format: {error}.",
            "Make one with --calibrate, or with llama-imatrix -o NAME.gguf.",
        ) from error


def _matrix(fields: dict[str, object], tensors: dict[str, np.ndarray]) -> ImportanceMatrix:
    if fields.get("general.type") != "imatrix":
        raise ValueError("its general.type is not imatrix")
    names = [name.removesuffix(_SQUARES) for name in tensors if name.endswith(_SQUARES)]
    datasets = fields["imatrix.datasets"]
    return ImportanceMatrix(
        sums={
            name: Sums(
                np.atleast_2d(tensors[name + _SQUARES]),
                tensors[name + _COUNTS].reshape(-1).astype(np.int64),
            )
            for name in names
        },
        datasets=tuple(datasets) if isinstance(datasets, list) else (str(datasets),),
        num_chunks=int(str(fields["imatrix.chunk_count"])),
        chunk_tokens=int(str(fields["imatrix.chunk_size"])),
        key=str(fields.get(_KEY, "")),
    )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
