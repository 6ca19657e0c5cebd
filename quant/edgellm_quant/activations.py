"""What the rounding of activations adds to a quantised tensor's error, in the same unit.

llama.cpp rounds the inputs of a product to 8 bits where the weights are quantised, in blocks of 256
values for K- and IQ-quants and of 32 for the others; a block with one large value leaves little of
its other ones. The importance matrix tells how large each column is on average, which is enough:

    added error = sum over columns of (squares of the weights) x (largest of the block / 127)^2 / 12

The largest of a block is that of normal values of the columns' sizes. So on CPUs; GPUs mostly have
blocks of 32 for all types. Pure; not known: the real shape of the values' distribution.
"""

from __future__ import annotations

import numpy as np

from edgellm.store.gguf_types import BY_NAME
from edgellm_quant.blocks import Floats

_UNROUNDED = frozenset({"F32", "F16", "BF16"})
_LARGE_BLOCK, _SMALL_BLOCK = 256, 32
_STEPS = 127  # from zero to the largest of a block
_DRAWS = 64


def block_of(type_: str) -> int:
    """The values that share a scale where activations meet weights of that type; 0 = they are not
    rounded."""
    if type_ in _UNROUNDED:
        return 0
    return _LARGE_BLOCK if BY_NAME[type_].block_values == _LARGE_BLOCK else _SMALL_BLOCK


def rounding_noise(sizes: Floats, block: int) -> Floats:
    """The variance that rounding gives each column.

    Args:
        sizes: the mean square of each column, of shape (columns,).
        block: that shares a scale; divides the columns.
    """
    if not block:
        return np.zeros_like(sizes)
    draws = np.random.default_rng(0).normal(0, 1, (_DRAWS, len(sizes))) ** 2 * sizes
    largest = draws.reshape(_DRAWS, -1, block).max(axis=2).mean(axis=0)
    return np.repeat(largest / _STEPS**2 / 12, block).astype(np.float32)
