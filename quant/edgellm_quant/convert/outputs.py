"""A tensor of the GGUF file to be: its name, type and shape, and how its values come."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from edgellm.errors import QuantError
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

FloatType: TypeAlias = Literal["F32", "F16", "BF16"]
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


class Output(Struct, frozen=True):
    """`shape` with the slowest dimension first, as numpy has it. `read` gives the values in their
    order, in as many arrays as it likes."""

    name: str
    shape: tuple[int, ...]
    read: Callable[[], Iterator[NDArray[Any]]]

    def type(self, wanted: FloatType) -> FloatType:
        """Vectors, norms, biases and routers stay F32, as llama.cpp's kernels want them."""
        is_matrix = len(self.shape) > 1 and self.name.endswith(".weight")
        is_small = self.name.endswith(("_norm.weight", "ffn_gate_inp.weight"))
        return wanted if is_matrix and not is_small else "F32"

    def size_bytes(self, wanted: FloatType) -> int:
        return math.prod(self.shape) * _ITEM_BYTES[self.type(wanted)]

    def data(self, wanted: FloatType) -> Iterator[NDArray[Any]]:
        """The values as they are written.

        Raises:
            QuantError: they are no numbers, or the type cannot hold them.
        """
        for values in self.read():
            yield _encoded(values, self.type(wanted), self.name)


def straight(name: str, stored: Stored) -> Output:
    """As it is stored."""
    return Output(name, stored.shape, stored.pieces)


def changed(
    name: str, stored: Stored, change: Callable[[NDArray[Any]], NDArray[Any]], *, is_whole: bool
) -> Output:
    """With all values changed: row by row, or the whole tensor at once."""

    def read() -> Iterator[NDArray[Any]]:
        for values in [stored.whole()] if is_whole else stored.pieces():
            yield change(values)

    return Output(name, stored.shape, read)


def rows(name: str, stored: Stored, first: int, last: int) -> Output:
    """Some of its rows."""
    return Output(name, (last - first, *stored.shape[1:]), lambda: stored.pieces(first, last))


def stacked(name: str, parts: list[Stored]) -> Output:
    """Tensors of one shape, one behind the other."""

    def read() -> Iterator[NDArray[Any]]:
        for part in parts:
            yield from part.pieces()

    return Output(name, (len(parts), *parts[0].shape), read)


def computed(name: str, values: NDArray[Any]) -> Output:
    """Values that no file holds."""
    return Output(name, values.shape, lambda: iter([values]))


def _encoded(values: NDArray[Any], kind: FloatType, name: str) -> NDArray[Any]:
    import numpy as np

    if not np.isfinite(values).all():
        raise QuantError(
            f"{name} has values that are no numbers (infinite or NaN).",
            "The checkpoint is damaged, or its training diverged.",
        )
    if kind == "F32":
        return values.astype(np.float32, copy=False)
    if kind == "BF16":
        from gguf import GGMLQuantizationType, quants

        return quants.quantize(values.astype(np.float32, copy=False), GGMLQuantizationType.BF16)
    with np.errstate(over="ignore", under="ignore"):
        small = values.astype(np.float16, copy=False)
    if not np.isfinite(small).all():
        raise QuantError(
            f"{name} has values beyond 65504, which F16 cannot hold.", "Convert to bf16 or f32."
        )
    return small
