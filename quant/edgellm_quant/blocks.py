"""Values as the blocks of a quantised type and back, by ggml's own code: the bytes are those that
`llama_model_quantize` writes. Knows arrays, and no files or models.
"""

from __future__ import annotations

import ctypes
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgellm.errors import QuantError
from edgellm.store.gguf_types import BY_NAME, BY_NUMBER

Floats: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]

_NUMBERS = {kind.name: number for number, kind in BY_NUMBER.items()}
_PLAIN: dict[str, Any] = {"F32": np.float32, "F16": np.float16}
# ggml refuses to guess what matters in these.
NEED_IMPORTANCE = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"})


class _Traits(ctypes.Structure):
    """The beginning of `ggml_type_traits` (ggml.h)."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("block_values", ctypes.c_int64),
        ("block_interleave", ctypes.c_int64),
        ("block_bytes", ctypes.c_size_t),
        ("is_quantised", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


class Blocks:
    """ggml, as the bound llama.cpp has it. Several threads may use it at a time."""

    def __init__(self) -> None:
        import llama_cpp._ggml as bound

        library = bound.libggml
        self._quantise = library["ggml_quantize_chunk"]
        self._quantise.restype = ctypes.c_size_t
        self._quantise.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self._quantise.argtypes += [ctypes.c_int64] * 3 + [ctypes.c_void_p]
        self._traits = library["ggml_get_type_traits"]
        self._traits.restype = ctypes.POINTER(_Traits)
        self._traits.argtypes = [ctypes.c_int]
        self._check_layout()

    def encode(self, values: Floats, type_: str, importance: Floats | None = None) -> Bytes:
        """Rows of values as blocks.

        Args:
            values: of shape (rows, columns); C-contiguous.
            importance: of shape (columns,): what an error in each column costs; None = alike.

        Raises:
            QuantError: the rows are no multiple of the type's block, or it wants an importance.
        """
        rows, columns = values.shape
        if type_ in _PLAIN:
            return values.astype(_PLAIN[type_]).view(np.uint8).reshape(-1)
        if type_ == "BF16":
            return _to_bfloat(values).view(np.uint8).reshape(-1)
        kind = BY_NAME[type_]
        if columns % kind.block_values:
            raise QuantError(f"Rows of {columns} values cannot be {type_}.", "Choose another type.")
        if importance is None and type_ in NEED_IMPORTANCE:  # some would end the process
            raise QuantError(
                f"{type_} needs an importance matrix.", "Make one: --calibrate builtin."
            )
        values = np.ascontiguousarray(values, np.float32)
        target = np.empty(kind.num_bytes(values.size), np.uint8)
        weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
        written = self._quantise(
            _NUMBERS[type_],
            values.ctypes.data,
            target.ctypes.data,
            0,
            rows,
            columns,
            None if weights is None else weights.ctypes.data,
        )
        if written != target.nbytes:
            raise QuantError(f"ggml made {written} bytes of {type_}, not {target.nbytes}.")
        return target

    def decode(self, data: Bytes, type_: str, columns: int) -> Floats:
        """The values of blocks, of shape (rows, columns)."""
        if type_ in _PLAIN:
            plain: Floats = data.view(_PLAIN[type_]).astype(np.float32)
            return plain.reshape(-1, columns)
        if type_ == "BF16":
            wide = data.view(np.uint16).astype(np.uint32) << 16
            return wide.view(np.float32).reshape(-1, columns)
        kind = BY_NAME[type_]
        data = np.ascontiguousarray(data)
        values = np.empty(data.nbytes // kind.block_bytes * kind.block_values, np.float32)
        traits = self._traits(_NUMBERS[type_]).contents
        if not traits.to_float:
            raise QuantError(f"ggml cannot read {type_}.", "Use an F16 or BF16 file as the source.")
        traits.to_float(data.ctypes.data, values.ctypes.data, values.size)
        return values.reshape(-1, columns)

    def _check_layout(self) -> None:
        for type_ in ("Q8_0", "Q4_K"):
            traits, kind = self._traits(_NUMBERS[type_]).contents, BY_NAME[type_]
            found = (traits.block_values, traits.block_bytes, traits.is_quantised)
            if found != (kind.block_values, kind.block_bytes, True):
                raise QuantError(
                    "This build of llama.cpp describes its types in a way that is not known.",
                    "Install the llama-cpp-python that edgellm was released with.",
                )


def _to_bfloat(values: Floats) -> npt.NDArray[np.uint16]:
    """Rounded to the nearest, to even where both are as near."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
