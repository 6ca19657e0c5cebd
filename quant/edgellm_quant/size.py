"""How large the file of a recipe will be, to the byte, without writing it.

The header is the source's with what `llama_model_quantize` adds and takes away; each tensor is
padded to 32 bytes. Not known: a source with an alignment of its own, and split results.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm.store.gguf_types import BY_NAME
from edgellm_quant.spec import Recipe

ALIGNMENT = 32
_ALWAYS = ("general.quantization_version", "general.file_type")  # that llama.cpp sets
_REMOVED = {"split.no": 2, "split.count": 2, "split.tensors.count": 4}  # bytes of their values
_SUMS = ".in_sum2"
_MOST_NOTE_BYTES = 127  # llama.cpp's overrides of metadata hold no longer text


class Target(Struct, frozen=True):
    """A tensor as it will be. `shape`: the row's length first."""

    name: str
    shape: tuple[int, ...]
    type: str

    @property
    def size_bytes(self) -> int:
        """In the file, with what fills it up."""
        return tensor_bytes(self.shape, self.type)


def recipe_bytes(source: Path, recipe: Recipe, imatrix: Path | None = None) -> int:
    """Of the one file that `gguf.quantise` would make; llama.cpp itself says each tensor's type.

    Raises:
        ModelFileError, QuantError: it could not make one.
    """
    from edgellm_quant.forecast import forecast

    changes = forecast(source, recipe, imatrix=imatrix).changes
    targets = [Target(each.name, each.shape, each.target) for each in changes]
    return file_bytes(read_header(source), targets, imatrix)


def file_bytes(header: GGUFHeader, targets: Iterable[Target], imatrix: Path | None = None) -> int:
    """Of a file with these tensors.

    Args:
        header: the source's.
        imatrix: that it is made with: the file says so.
    """
    targets = tuple(targets)
    entries = sum(map(_entry_bytes, targets))
    return _padded(metadata_bytes(header, imatrix) + entries) + sum(
        target.size_bytes for target in targets
    )


def tensor_bytes(shape: tuple[int, ...], type_: str) -> int:
    """In the file, with what fills it up."""
    return _padded(BY_NAME[type_].num_bytes(math.prod(shape)))


def metadata_bytes(header: GGUFHeader, imatrix: Path | None = None) -> int:
    """Of the result's header, up to the tensors' entries."""
    added: dict[str, str | int] = {key: 0 for key in _ALWAYS if key not in header.metadata}
    added |= imatrix_notes(imatrix) if imatrix is not None else {}
    removed = (_key_bytes(key) + size for key, size in _REMOVED.items() if key in header.metadata)
    return header.metadata_end + sum(map(_pair_bytes, added, added.values())) - sum(removed)


def imatrix_notes(imatrix: Path) -> Mapping[str, str | int]:
    """What the result's metadata say of its importance matrix, as llama-quantize has it; of paths
    only the names."""
    header = read_header(imatrix)
    notes: dict[str, str | int] = {"file": imatrix.name}
    datasets = header.metadata.get("imatrix.datasets", ())
    if isinstance(datasets, tuple) and datasets:
        notes["dataset"] = Path(str(datasets[0])).name
    notes["entries_count"] = sum(tensor.name.endswith(_SUMS) for tensor in header.tensors)
    chunks = header.metadata.get("imatrix.chunk_count", 0)
    if isinstance(chunks, int) and chunks:
        notes["chunks_count"] = chunks
    return {f"quantize.imatrix.{key}": value for key, value in notes.items()}


def _pair_bytes(key: str, value: str | int) -> int:
    """Numbers have 32 bits."""
    if isinstance(value, int):
        return _key_bytes(key) + 4
    return _key_bytes(key) + 8 + len(value.encode()[:_MOST_NOTE_BYTES])


def _key_bytes(key: str) -> int:
    return 8 + len(key.encode()) + 4


def _entry_bytes(target: Target) -> int:
    """Name, dimensions (without the last ones that are 1), type and offset."""
    shape = target.shape
    dimensions = max((at + 1 for at, length in enumerate(shape) if length > 1), default=1)
    return 8 + len(target.name.encode()) + 4 + 8 * dimensions + 4 + 8


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT
