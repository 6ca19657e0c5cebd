"""What each tensor of a model loses in each type: one measurement for a tensor, and arithmetic.

    loss(tensor, type) = factor(tensor) x (error(tensor, type) + added(tensor, type))

`error` is the squared error of the weights, each column weighted by its importance; `added` is what
the rounding of activations comes to (`activations.py`). Both cost milliseconds. `factor` is the KL
divergence that was really measured with only this tensor rounded, by the error of that rounding.

Evidence, on `pocket` (F16, 50 tensors), from runs whose scripts are not kept, on texts of its own
corpus, and before `added` was counted: with all of ten types measured for each tensor, a mix of
the size of Q4_K_M lost 0.0118 nats on other text, and with one measured 0.0120 to 0.0126; at the
size of Q5_K_M 0.0062, and 0.0057 to 0.0061. Losses add up: `benches/results/` has what was foretold
beside what was measured. Measuring each tensor's next step again from within the mix, and choosing
once more, gained 2 % at one size and lost 8 and 22 % at two others, so it is not done.

Not known: what two tensors lose together beyond their sum, and, without an importance matrix, what
activations cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import QuantError
from edgellm.store.gguf_header import TensorInfo
from edgellm.store.gguf_types import BY_NAME
from edgellm_quant.activations import block_of, rounding_noise
from edgellm_quant.blocks import NEED_IMPORTANCE, Blocks, Floats
from edgellm_quant.size import tensor_bytes
from edgellm_quant.work_copy import Change, WorkCopy, num_rows

# By bits per weight. Left out: what is larger than another one and loses more (Q4_0, Q4_1), and
# what no model is of use in (below 2 bits).
TYPES = (
    *("IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K"),
    *("IQ4_XS", "Q4_K", "Q5_K", "Q6_K", "Q8_0"),
)
SHORT_TYPES = ("IQ4_NL", "Q4_1", "Q5_0", "Q5_1", "Q8_0")  # for rows that are no multiple of 256
PROBE, SHORT_PROBE = "Q4_K", "Q4_1"
_SAMPLE_VALUES = 1 << 19  # of a tensor, whose errors stand for all

_LEAST_SHARE = 0.01

Importance: TypeAlias = Mapping[str, Floats]
Numbers: TypeAlias = npt.NDArray[np.int64]


class Rating(Struct, frozen=True):
    """One type for one tensor. `loss`: nats per token, added to those of the other tensors."""

    type: str
    size_bytes: int
    error: float  # of the weights
    added: float = 0.0  # by rounded activations, in the same unit
    loss: float = 0.0


class Rated(Struct, frozen=True):
    """A tensor with the types that it may have, its own (which loses nothing) among them."""

    name: str
    shape: tuple[int, ...]
    probe: str  # the type in which it is measured; empty = there is none but its own
    ratings: tuple[Rating, ...]


def rate_errors(
    copy: WorkCopy,
    tensors: Sequence[TensorInfo],
    importance: Importance,
    *,
    types: Sequence[str] = (),
    threads: int = 1,
    on_tensor: Callable[[], None] = lambda: None,
) -> tuple[Rated, ...]:
    """Each tensor with the error in each type that its rows fit; no losses yet.

    Args:
        tensors: the source's.
        types: to choose from; empty = all.
        on_tensor: is called before each tensor; what it raises ends it.
    """
    blocks = Blocks()

    def rate(tensor: TensorInfo, workers: ThreadPoolExecutor) -> Rated:
        on_tensor()
        numbers = sample(tensor)
        values, owners = copy.rows(tensor.name, numbers), numbers // tensor.shape[1]
        known = importance_of(tensor, importance)
        probe = probe_of(tensor, known is not None)
        fitting = fitting_types(tensor, known is not None)
        asked = [t for t in fitting if not types or t in types or t == probe]
        errors = workers.map(lambda type_: _error(blocks, values, type_, known, owners), asked)
        ratings = [
            Rating(
                type_,
                tensor_bytes(tensor.shape, type_),
                error,
                _added(values, type_, known, owners),
            )
            for type_, error in zip([*asked, tensor.type], [*errors, 0.0], strict=True)
        ]
        return Rated(tensor.name, tensor.shape, probe, tuple(ratings))

    with ThreadPoolExecutor(threads) as workers:
        return tuple(rate(tensor, workers) for tensor in tensors)


def with_losses(rated: Sequence[Rated], klds: Mapping[str, float]) -> tuple[Rated, ...]:
    """The same with the losses that follow from each tensor's divergence in its probe's type.

    A text tells little of what it does not use, such as an expert for another language: no tensor
    counts for less than `_LEAST_SHARE` of the middle one.

    Raises:
        QuantError: the measurements are all nothing.
    """
    middle = float(np.median(list(klds.values()))) if klds else 1.0
    if not middle > 0:
        raise QuantError(
            "The measurements tell no tensor from another.", "Evaluate on a longer text."
        )
    least = _LEAST_SHARE * middle
    return tuple(_with_loss(each, max(klds.get(each.name, 0.0), least)) for each in rated)


def _with_loss(rated: Rated, kld: float) -> Rated:
    error = next((each.error for each in rated.ratings if each.type == rated.probe), 0.0)
    factor = kld / error if error > 0 else 0.0
    return replace(
        rated,
        ratings=tuple(
            replace(each, loss=factor * (each.error + each.added)) for each in rated.ratings
        ),
    )


def probe_of(tensor: TensorInfo, has_importance: bool) -> str:
    """The type in which a tensor is measured: 4 bits, or the next smaller that it can be made."""
    fitting = fitting_types(tensor, has_importance)
    return next((t for t in (PROBE, SHORT_PROBE, *reversed(fitting)) if t in fitting), "")


def fitting_types(tensor: TensorInfo, has_importance: bool) -> list[str]:
    """Types that hold its rows and are smaller than its own; by bits."""
    columns, own_bytes = tensor.shape[0], tensor_bytes(tensor.shape, tensor.type)
    is_short = columns % BY_NAME[PROBE].block_values
    return [
        type_
        for type_ in (*(SHORT_TYPES if is_short else TYPES), "F16")
        if columns % BY_NAME[type_].block_values == 0
        and (has_importance or type_ not in NEED_IMPORTANCE)
        and tensor_bytes(tensor.shape, type_) < own_bytes
    ]


def spoil(tensor: TensorInfo, importance: Importance) -> Change:
    """Changes its values to what its probe's type leaves of them, see `WorkCopy.changed`."""
    blocks, known = Blocks(), importance_of(tensor, importance)
    probe = probe_of(tensor, known is not None)

    def change(values: Floats, first: int) -> Floats:
        owners = np.arange(first, first + len(values)) // tensor.shape[1]
        return _rounded(blocks, values, probe, known, owners)

    return change


def _error(
    blocks: Blocks, values: Floats, type_: str, known: Floats | None, owners: Numbers
) -> float:
    squares = (values - _rounded(blocks, values, type_, known, owners)) ** 2
    return float((squares if known is None else squares * known[owners]).sum(dtype=np.float64))


def _added(values: Floats, type_: str, known: Floats | None, owners: Numbers) -> float:
    if known is None:
        return 0.0
    noise = np.stack([rounding_noise(sizes, block_of(type_)) for sizes in known])
    return float((np.square(values) * noise[owners]).sum(dtype=np.float64))


def _rounded(
    blocks: Blocks, values: Floats, type_: str, known: Floats | None, owners: Numbers
) -> Floats:
    """`owners`: the expert of each row, for each has its own importance; ascending."""
    columns = values.shape[1]
    if known is None:
        return blocks.decode(blocks.encode(values, type_), type_, columns)
    result = np.empty_like(values)
    for expert in np.unique(owners):
        rows = slice(*np.searchsorted(owners, (expert, expert + 1)))
        data = blocks.encode(values[rows], type_, known[expert])
        result[rows] = blocks.decode(data, type_, columns)
    return result


def importance_of(tensor: TensorInfo, importance: Importance) -> Floats | None:
    """Of shape (experts, columns). None where the matrix has nothing on the tensor, or something
    of another size."""
    found = importance.get(tensor.name)
    experts = tensor.shape[2] if len(tensor.shape) > 2 else 1
    if found is None or found.size != tensor.shape[0] * experts:
        return None
    return found.reshape(experts, tensor.shape[0])


def sample(tensor: TensorInfo) -> Numbers:
    """Numbers of rows, evenly spread: all of a small tensor."""
    count = num_rows(tensor)
    wanted = min(count, max(1, _SAMPLE_VALUES // tensor.shape[0]))
    return np.arange(wanted, dtype=np.int64) * count // wanted


def read_importance(path: Path | None) -> dict[str, Floats]:
    """The mean squared input of each column, of each tensor.

    Raises:
        QuantError: the file is no importance matrix.
    """
    if path is None:
        return {}
    from edgellm_quant.importance import read_imatrix

    means = read_imatrix(path).means
    return {name: np.array(values, np.float32) for name, values in means.items()}
