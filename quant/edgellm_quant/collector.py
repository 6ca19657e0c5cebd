"""Sums up what flows into each matrix of a model: the statistics of an importance matrix.

For every product of a weight with activations the squares of the activations are added up, column
by column, with the number of rows; for the experts of a mixture each expert by itself. Names,
conditions and counts are those of llama-imatrix, so the sums are too; they are kept in float64.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from edgellm.errors import QuantError
from edgellm_quant.ggml import Ggml, Tensor

_LEAST_ROWS = 16  # llama-imatrix passes smaller products over
_F32 = 0  # ggml_type


class Sums(Struct, frozen=True):
    """Of one weight. `squares`: (matrices, columns); `counts`: (matrices,), or (1,) where all
    matrices of a dense weight have the same."""

    squares: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]


class Collector:
    """An observer of the computation (`logits.Observer`) that fills `sums` by the weight's name."""

    def __init__(self, ggml: Ggml, *, has_output: bool, sums: dict[str, Sums]) -> None:
        """`has_output`: count `output.weight` too. `sums`: to go on from."""
        self.sums = sums
        self._ggml = ggml
        self._has_output = has_output

    def __call__(self, address: int, is_asking: bool) -> bool:
        """Called for a node: whether it counts, and when it does, to count it."""
        node = self._ggml.fetch(address)
        if is_asking:
            return self._counts(node)
        name = weight_name(node.src[0].contents.name)
        activations, keep_alive = self._activations(node.src[1].contents, name)
        if node.op == self._ggml.mul_mat_id:
            self._add_experts(node, name, activations)
        else:
            self._add_dense(node, name, activations)
        del keep_alive
        return True

    def _counts(self, node: Tensor) -> bool:
        if node.op == self._ggml.mul_mat_id:
            return True
        if node.op != self._ggml.mul_mat:
            return False
        activations = node.src[1].contents
        if activations.ne[1] < _LEAST_ROWS or activations.type != _F32:
            return False
        name = weight_name(node.src[0].contents.name)
        return name.startswith("blk.") or (self._has_output and name == "output.weight")

    def _activations(self, tensor: Tensor, name: str) -> tuple[npt.NDArray[np.float32], object]:
        """A view of shape (ne3, ne2, ne1, ne0), and what must outlive it."""
        if tensor.type != _F32 or tensor.nb[0] != 4:
            raise QuantError(f"What flows into {name} is not in float32.")
        shape, strides = tuple(tensor.ne)[::-1], tuple(tensor.nb)[::-1]
        address, copied = self._ggml.host_data(tensor), None
        if address is None:  # it lies on a GPU
            copied = self._ggml.copy(tensor)
            address = ctypes.addressof(copied)
        size = sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True)) + 4
        buffer = (ctypes.c_char * size).from_address(address)
        return np.ndarray(shape, np.float32, buffer, strides=strides), copied

    def _add_dense(self, node: Tensor, name: str, activations: npt.NDArray[np.float32]) -> None:
        matrices, per_slice = node.src[0].contents.ne[2:4], activations.shape[:2]
        num_matrices = matrices[0] * matrices[1]
        sums = self._sums_of(name, num_matrices, 1, activations.shape[3])
        for i3, i2 in np.ndindex(per_slice):
            matrix = (i3 % matrices[1]) * matrices[0] + i2 % matrices[0]
            rows = activations[i3, i2]
            self._add(sums.squares[matrix], np.einsum("ij,ij->j", rows, rows), name)
        sums.counts[:] += activations.size // activations.shape[3] // num_matrices

    def _add_experts(self, node: Tensor, name: str, activations: npt.NDArray[np.float32]) -> None:
        """Of (1, tokens, used experts or 1, columns), each row goes to the expert that it names."""
        num_experts = node.src[0].contents.ne[2]
        sums = self._sums_of(name, num_experts, num_experts, activations.shape[3])
        experts = self._expert_ids(node.src[2].contents)
        for used in range(experts.shape[1]):
            chosen = experts[:, used]
            order = np.argsort(chosen, kind="stable")
            rows = activations[0, order, used % activations.shape[2]]
            present, begins = np.unique(chosen[order], return_index=True)
            totals = np.add.reduceat(np.square(rows), begins, axis=0, dtype=np.float64)
            for expert, total in zip(present, totals, strict=True):
                self._add(sums.squares[expert], total, name)
            sums.counts[:] += np.bincount(chosen, minlength=num_experts)

    def _expert_ids(self, tensor: Tensor) -> npt.NDArray[np.int32]:
        """Of shape (tokens, used experts). Always copied: it is small."""
        data = self._ggml.copy(tensor)
        shape, strides = tuple(tensor.ne)[1::-1], tuple(tensor.nb)[1::-1]
        return np.ndarray(shape, np.int32, memoryview(data), strides=strides).copy()

    def _sums_of(self, name: str, num_matrices: int, num_counts: int, columns: int) -> Sums:
        sums = self.sums.get(name)
        if sums is None:
            sums = self.sums[name] = Sums(
                np.zeros((num_matrices, columns)), np.zeros(num_counts, np.int64)
            )
        if sums.squares.shape != (num_matrices, columns) or len(sums.counts) != num_counts:
            raise QuantError(
                f"What flows into {name} changes its shape: {sums.squares.shape} became "
                f"{(num_matrices, columns)}."
            )
        return sums

    def _add(
        self, squares: npt.NDArray[np.float64], more: npt.NDArray[np.floating[Any]], name: str
    ) -> None:
        if not np.isfinite(more).all():
            raise QuantError(
                f"The activations that flow into {name} are not finite.",
                "The model overflows on this text: convert it to bf16 or f32 instead of f16, or "
                "calibrate with another text.",
            )
        squares += more


def weight_name(name: bytes) -> str:
    """Without what a scheduler puts around it: `CUDA0#blk.0.attn_k.weight#0`."""
    parts = name.decode("utf-8", "replace").split("#")
    return parts[1] if len(parts) > 1 else parts[0]
