"""Reads the nodes of a graph that llama.cpp computes, by the layout of ggml's C struct.

The layout is a copy of `struct ggml_tensor` (ggml.h), which no function of the library tells. So it
is not believed: `open_ggml` lets the library make tensors, and reads from them what it put there.
"""

from __future__ import annotations

import ctypes
from typing import Any

from edgellm.errors import QuantError

_DIMS, _SOURCES, _PARAMS, _NAME = 4, 10, 16, 64
_F32, _I32 = 0, 26  # ggml_type
_MOST_OPS = 64  # both that are looked for are among them


class Tensor(ctypes.Structure):
    """A node, or what goes into one. `ne`: elements of each dimension; `nb`: strides in bytes."""


Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * _DIMS),
    ("nb", ctypes.c_size_t * _DIMS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * _PARAMS),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(Tensor) * _SOURCES),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * _NAME),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]


class Ggml:
    """The few functions of ggml that are needed here."""

    def __init__(self, library: Any) -> None:
        """`library`: libllama, or what it is linked with."""
        self._functions = {
            name: _bind(library, name, result, arguments)
            for name, (result, arguments) in _FUNCTIONS.items()
        }
        self.mul_mat = self._op("MUL_MAT")
        self.mul_mat_id = self._op("MUL_MAT_ID")

    def fetch(self, address: int) -> Tensor:
        """The node at an address, as it is now."""
        return Tensor.from_address(address)

    def host_data(self, tensor: Tensor) -> int | None:
        """The address of the values, where they lie in main memory."""
        buffer = tensor.buffer
        if buffer is not None and not self._call("ggml_backend_buffer_is_host", buffer):
            return None
        address: int | None = tensor.data
        return address

    def copy(self, tensor: Tensor) -> ctypes.Array[ctypes.c_char]:
        """All bytes of a tensor, wherever they lie."""
        address = ctypes.addressof(tensor)
        size = self._call("ggml_nbytes", address)
        data = ctypes.create_string_buffer(size)
        self._call("ggml_backend_tensor_get", address, data, 0, size)
        return data

    def check_layout(self) -> None:
        """Whether the struct is laid out as this file has it.

        Raises:
            QuantError: it is not.
        """
        memory = ctypes.create_string_buffer(1 << 16)
        context = self._call("ggml_init", _InitParams(len(memory), ctypes.addressof(memory), False))
        try:
            matrix = self._call("ggml_new_tensor_3d", context, _F32, 8, 3, 5)
            vectors = self._call("ggml_new_tensor_3d", context, _F32, 8, 2, 5)
            self._call("ggml_set_name", matrix, b"blk.0.weight")
            product = self._call("ggml_mul_mat", context, matrix, vectors)
            if not self._is_as_made(matrix, vectors, product):
                raise QuantError(
                    "This build of llama.cpp lays its tensors out in a way that edgellm does not "
                    "know.",
                    "Install the version of llama-cpp-python that edgellm names, or make the "
                    "importance matrix with llama-imatrix and pass it with --imatrix.",
                )
        finally:
            self._call("ggml_free", context)

    def _is_as_made(self, matrix: int, vectors: int, product: int) -> bool:
        node, weight = self.fetch(product), self.fetch(matrix)
        if (node.op, weight.type, weight.name) != (self.mul_mat, _F32, b"blk.0.weight"):
            return False
        sources = [ctypes.addressof(source.contents) for source in node.src[:2] if source]
        return (
            list(weight.ne) == [8, 3, 5, 1]
            and list(weight.nb) == [4, 32, 96, 480]
            and weight.data == self._call("ggml_get_data", matrix)
            and list(node.ne) == [3, 2, 5, 1]
            and sources == [matrix, vectors]
            and not node.src[2]
            and ctypes.sizeof(Tensor) == self._call("ggml_tensor_overhead") - _OBJECT_BYTES
        )

    def _op(self, name: str) -> int:
        """The number of an operation, which changes from version to version."""
        for number in range(_MOST_OPS):
            if self._call("ggml_op_name", number) == name.encode():
                return number
        raise QuantError(f"This build of llama.cpp has no operation {name}.")

    def _call(self, function: str, *arguments: Any) -> Any:
        return self._functions[function](*arguments)


class _InitParams(ctypes.Structure):
    _fields_ = [
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    ]


_OBJECT_BYTES = 32  # struct ggml_object: offset, size, next, type, padding
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "ggml_backend_buffer_is_host": (ctypes.c_bool, [ctypes.c_void_p]),
    "ggml_backend_tensor_get": (
        None,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t],
    ),
    "ggml_free": (None, [ctypes.c_void_p]),
    "ggml_get_data": (ctypes.c_void_p, [ctypes.c_void_p]),
    "ggml_init": (ctypes.c_void_p, [_InitParams]),
    "ggml_mul_mat": (ctypes.c_void_p, [ctypes.c_void_p] * 3),
    "ggml_nbytes": (ctypes.c_size_t, [ctypes.c_void_p]),
    "ggml_new_tensor_3d": (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64],
    ),
    "ggml_op_name": (ctypes.c_char_p, [ctypes.c_int]),
    "ggml_set_name": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "ggml_tensor_overhead": (ctypes.c_size_t, []),
}


def open_ggml(library: Any) -> Ggml:
    """The functions, with the layout checked.

    Args:
        library: libllama, as ctypes has it.

    Raises:
        QuantError: this build is not one that can be looked into.
    """
    ggml = Ggml(library)
    ggml.check_layout()
    return ggml


def _bind(library: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    try:
        function = library[name]  # a new object each time: nobody else's argtypes are changed
    except AttributeError:
        raise QuantError(
            f"This build of llama.cpp has no {name}.",
            "Install llama-cpp-python again, with its own libraries.",
        ) from None
    function.restype, function.argtypes = result, arguments
    return function
