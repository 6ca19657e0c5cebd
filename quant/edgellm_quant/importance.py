"""Importance matrices in llama.cpp's GGUF format: how much each column of a weight matters.

Each matrix has two F32 tensors: `NAME.in_sum2`, the sums of its squared inputs (one row for each
expert), and `NAME.counts`, over how many tokens. What quantising wants is the mean; a row without
tokens counts everything alike, as llama-quantize has it. Computing one is `calibrate.py`'s work.
"""

from __future__ import annotations

from array import array
from pathlib import Path

from msgspec import Struct

from edgellm.errors import ModelFileError, QuantError
from edgellm.store.gguf_header import GGUFHeader, TensorInfo, read_header

_SUMS, _COUNTS = ".in_sum2", ".counts"
_MAKE_ONE = "Make it with --calibrate, or with llama-imatrix's GGUF output."


class ImportanceMatrix(Struct, frozen=True):
    """The mean squared input of each column, by the weight's name; C floats, row after row."""

    means: dict[str, array[float]]
    datasets: tuple[str, ...]
    num_chunks: int


def read_imatrix(path: Path) -> ImportanceMatrix:
    """Read the file whole.

    Raises:
        QuantError: it is no importance matrix in GGUF format, or a broken one.
    """
    try:
        header = read_header(path)
    except ModelFileError as error:
        raise QuantError(f"{path} is no importance matrix: {error.message}", _MAKE_ONE) from error
    tensors = {tensor.name: tensor for tensor in header.tensors}
    names = [name.removesuffix(_SUMS) for name in tensors if name.endswith(_SUMS)]
    if not names:
        raise QuantError(f"{path} has no importance matrix in it.", _MAKE_ONE)
    with path.open("rb") as file:

        def read(name: str) -> array[float]:
            tensor = tensors.get(name)
            if tensor is None or tensor.type != "F32":
                raise QuantError(f"{path} has no F32 tensor {name}.", _MAKE_ONE)
            file.seek(header.data_offset + tensor.offset)
            return _floats(file.read(tensor.size_bytes), tensor, path)

        means = {name: _means(read(name + _SUMS), read(name + _COUNTS), name) for name in names}
    return ImportanceMatrix(means, _datasets(header), _chunks(header))


def _floats(data: bytes, tensor: TensorInfo, path: Path) -> array[float]:
    if len(data) != tensor.size_bytes:
        raise QuantError(f"{path} is cut off at {tensor.name}.", _MAKE_ONE)
    return array("f", data)


def _means(sums: array[float], counts: array[float], name: str) -> array[float]:
    if not counts or len(sums) % len(counts):
        raise QuantError(
            f"The importance matrix of {name} has {len(sums)} sums for {len(counts)} counts.",
            _MAKE_ONE,
        )
    width = len(sums) // len(counts)
    result = array("f")
    for row, count in enumerate(round(value) for value in counts):
        part = sums[row * width : (row + 1) * width]
        result.extend((value / count for value in part) if count > 0 else [1.0] * width)
    return result


def _datasets(header: GGUFHeader) -> tuple[str, ...]:
    value = header.metadata.get("imatrix.datasets", ())
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _chunks(header: GGUFHeader) -> int:
    value = header.metadata.get("imatrix.chunk_count", 0)
    return value if isinstance(value, int) else 0
