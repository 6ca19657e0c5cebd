"""Reads safetensors files: a header that says where each tensor lies, then the tensors' bytes.

Read with plain reads, a few MiB at a time, not through a memory map: what is cut off while it is
read is then an error and not a signal, and memory stays small. Knows no model.

Format: 8 bytes with the header's length (little-endian), the header in JSON, the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from edgellm.errors import QuantError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK_BYTES = 4 << 20
MOST_HEADER_BYTES = 100_000_000  # the limit of the safetensors library, too
_FLOATS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_AGAIN = "Fetch it again: it is cut off or damaged."


class _Entry(Struct):
    """A tensor in a header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Stored(Struct, frozen=True):
    """A tensor in a file; `offset` counts from the file's first byte."""

    name: str
    path: Path
    dtype: str  # as safetensors spells it: "BF16"
    shape: tuple[int, ...]
    offset: int

    @property
    def is_float(self) -> bool:
        """Whether its values can be read here: F32, F16 or BF16."""
        return self.dtype in _FLOATS

    @property
    def num_rows(self) -> int:
        """Of its first, slowest dimension."""
        return self.shape[0] if self.shape else 1

    def pieces(self, first: int = 0, last: int | None = None) -> Iterator[NDArray[Any]]:
        """The rows from `first` up to `last`, some at a time: float16 as it is, others float32.

        Raises:
            QuantError: the file ends too early, or cannot be read.
        """
        last = self.num_rows if last is None else last
        row_bytes = math.prod(self.shape[1:]) * _ITEM_BYTES[self.dtype]
        step = max(1, CHUNK_BYTES // max(1, row_bytes))
        for row in range(first, last, step):
            num_rows = min(step, last - row)
            values = self._read(self.offset + row * row_bytes, num_rows * row_bytes)
            yield values.reshape((num_rows, *self.shape[1:]) if self.shape else ())

    def whole(self) -> NDArray[Any]:
        """All values at once."""
        import numpy as np

        return np.concatenate(list(self.pieces())) if self.shape else next(self.pieces())

    def _read(self, offset: int, num_bytes: int) -> NDArray[Any]:
        import numpy as np

        try:
            raw = np.fromfile(self.path, np.uint8, num_bytes, offset=offset)
        except OSError as error:
            raise QuantError(f"{self.path} cannot be read: {error.strerror}.") from error
        if len(raw) < num_bytes:
            raise QuantError(f"{self.path.name} ends in the middle of {self.name}.", _AGAIN)
        values = raw.view(_FLOATS[self.dtype])
        return _widened(values) if self.dtype == "BF16" else values


def _widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """BF16 is the upper half of a float32."""
    import numpy as np

    return (bits.astype("<u4") << np.uint32(16)).view("<f4")


def read_stored(path: Path) -> dict[str, Stored]:
    """The tensors of a file, by name and in the order of their names; no data is read.

    Raises:
        QuantError: it is not there, cut off, or says what cannot be.
    """
    try:
        with path.open("rb") as file:
            size_bytes = path.stat().st_size
            header_bytes = int.from_bytes(file.read(8), "little")
            if size_bytes < 8 or header_bytes > min(size_bytes - 8, MOST_HEADER_BYTES):
                raise QuantError(f"{path.name} is no whole safetensors file.", _AGAIN)
            header = file.read(header_bytes)
    except OSError as error:
        raise QuantError(f"{path} cannot be read: {error.strerror}.") from error
    start = 8 + header_bytes
    entries = _entries(header, path)
    return {
        name: _checked(name, entries[name], path, start, size_bytes) for name in sorted(entries)
    }


def _entries(header: bytes, path: Path) -> dict[str, _Entry]:
    try:
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        return {name: msgspec.json.decode(entry, type=_Entry) for name, entry in raw.items()}
    except (msgspec.DecodeError, RecursionError) as error:
        raise QuantError(f"The header of {path.name} cannot be read: {error}.", _AGAIN) from error


def _checked(name: str, entry: _Entry, path: Path, start: int, size_bytes: int) -> Stored:
    """The tensor, if it lies in the file and its size is that of its shape."""
    begin, end = entry.data_offsets
    item_bytes = _ITEM_BYTES.get(entry.dtype)
    is_there = 0 <= begin <= end and start + end <= size_bytes
    if not is_there or any(size < 0 for size in entry.shape):
        raise QuantError(f"{path.name} ends before its tensor {name} does.", _AGAIN)
    if item_bytes is not None and end - begin != math.prod(entry.shape) * item_bytes:
        raise QuantError(f"In {path.name}, {name} has a size that is not its shape's.", _AGAIN)
    return Stored(name, path, entry.dtype, entry.shape, start + begin)
