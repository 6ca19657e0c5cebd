"""A copy of a model whose tensors can be spoilt and mended, to measure what each is worth.

The values that a quantised type would leave are written in the copy's own type (F16 or F32), so a
measurement costs one tensor's writing, not a whole file's. A source that is split, or not in F16 or
F32, is made F16 first. While a tensor is spoilt, its own bytes are in memory.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from edgellm.errors import QuantError
from edgellm.store.disk import disk_errors
from edgellm.store.gguf_header import GGUFHeader, TensorInfo, read_header
from edgellm_quant.blocks import Blocks, Floats
from edgellm_quant.hooks import IsCancelled, never
from edgellm_quant.spec import Recipe

_SLAB_VALUES = 1 << 24  # that are converted at a time: 64 MiB of floats
_KEPT = frozenset({"F32", "F16"})

# Changes values, given as (rows, columns) with the number of the first row.
Change: TypeAlias = Callable[[Floats, int], Floats]


class WorkCopy:
    """The copy. Tensors are rows of floats here; experts' matrices one behind the other."""

    def __init__(self, path: Path, blocks: Blocks) -> None:
        self.path = path
        self._blocks = blocks
        header = read_header(path)
        self._data_offset = header.data_offset
        self.tensors: Mapping[str, TensorInfo] = {each.name: each for each in header.tensors}

    def rows(self, name: str, numbers: npt.NDArray[np.int64]) -> Floats:
        """Some rows, of shape (rows, columns)."""
        tensor = self.tensors[name]
        mapped = np.memmap(
            self.path,
            np.uint8,
            "r",
            self._data_offset + tensor.offset,
            (num_rows(tensor), tensor.size_bytes // num_rows(tensor)),
        )
        return self._blocks.decode(
            np.array(mapped[numbers]).reshape(-1), tensor.type, tensor.shape[0]
        )

    @contextlib.contextmanager
    def changed(self, changes: Mapping[str, Change]) -> Iterator[Path]:
        """The file with these tensors changed, for as long as the `with` lasts."""
        kept: dict[str, bytes] = {}
        try:
            with disk_errors(self.path), self.path.open("r+b") as file:
                for name, change in changes.items():
                    kept[name] = self._read(file, self.tensors[name])
                    self._change(file, self.tensors[name], kept[name], change)
            yield self.path
        finally:
            with disk_errors(self.path), self.path.open("r+b") as file:
                for name, data in kept.items():
                    file.seek(self._data_offset + self.tensors[name].offset)
                    file.write(data)

    def _read(self, file: BinaryIO, tensor: TensorInfo) -> bytes:
        file.seek(self._data_offset + tensor.offset)
        return file.read(tensor.size_bytes)

    def _change(self, file: BinaryIO, tensor: TensorInfo, data: bytes, change: Change) -> None:
        columns, count = tensor.shape[0], num_rows(tensor)
        row_bytes = tensor.size_bytes // count
        file.seek(self._data_offset + tensor.offset)
        step = max(1, _SLAB_VALUES // columns)
        for first in range(0, count, step):
            part = np.frombuffer(data, np.uint8)[first * row_bytes : (first + step) * row_bytes]
            values = change(self._blocks.decode(part, tensor.type, columns), first)
            file.write(self._blocks.encode(values, tensor.type).tobytes())


@contextlib.contextmanager
def open_copy(
    source: Path, path: Path, threads: int = 0, is_cancelled: IsCancelled = never
) -> Iterator[WorkCopy]:
    """The copy at `path`, which is gone when the `with` is left. What a killed process left there
    is written anew.

    Raises:
        DiskFull: there is no room for it; it is not even tried.
        ModelFileError, QuantCancelled
    """
    from edgellm_quant.gguf import check_disk, quantise

    header = read_header(source)
    try:
        if is_workable(header):
            check_disk(path.parent, source.stat().st_size)
            with disk_errors(path):
                shutil.copyfile(source, path)
        else:
            recipe = Recipe("F16", can_requantise=True)
            quantise(source, path, recipe, threads=threads, is_cancelled=is_cancelled)
        yield WorkCopy(path, Blocks())
    finally:
        path.unlink(missing_ok=True)


def is_workable(header: GGUFHeader) -> bool:
    """Whether the source's matrices are in types that hold the values of any other."""
    matrices = [tensor for tensor in header.tensors if len(tensor.shape) > 1]
    if not matrices:
        raise QuantError("The model has no matrices to quantise.", "Is it a language model?")
    return header.num_parts == 1 and all(tensor.type in _KEPT for tensor in matrices)


def num_rows(tensor: TensorInfo) -> int:
    """Of all experts together."""
    return int(np.prod(tensor.shape[1:], dtype=np.int64))
