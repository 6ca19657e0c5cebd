"""How large a model's file may be on a device: `--for-device`.

The planner decides, as it does when the file is served: it is asked of made-up headers, with the
tensors' types growing one after the other, and the last that it would load gives the size. So the
cache of the wanted context, buffers, weights that llama.cpp copies, GPUs and the memory that others
use are in it. Not known: which types the best mix will take; on a CPU those that llama.cpp repacks
need a little more than those that it does not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelFile, Variant
from edgellm.cli.planning import look, make_plan, with_exact
from edgellm.errors import QuantError
from edgellm.planner.goal import DEFAULT_CONTEXTS, Goal, NoFit, Plan, Situation
from edgellm.planner.header_card import card_of_header
from edgellm.planner.header_facts import facts_of_header
from edgellm.store.gguf_header import GGUFHeader, TensorInfo, read_header
from edgellm.store.gguf_types import BY_NAME
from edgellm_quant.mix import quantisable
from edgellm_quant.size import Target, file_bytes, tensor_bytes

# Of all tensors, from the smallest files on; the first that a tensor's rows fit counts.
_LEVELS = (
    ("Q2_K", "IQ4_NL"),
    ("Q3_K", "IQ4_NL"),
    ("Q4_K", "IQ4_NL"),
    ("Q5_K", "Q5_0"),
    ("Q6_K", "Q5_1"),
    ("Q8_0",),
)


def device_budget(
    source: Path, *, context: int | None = None, here: Situation | None = None
) -> int:
    """The most bytes that a quantisation of the source may have, to be served on a device.

    Args:
        context: tokens of a sequence; None = 8,192, or what the model was trained for.
        here: the device; None = this one.

    Raises:
        QuantError: not even the smallest fits; the planner's reason is in it.
        ModelFileError: the source is no language model.
    """
    here = here or look(Catalog(()), may_measure=False)
    return largest_fitting(read_header(source), quantisable(source), context, here)


def largest_fitting(
    header: GGUFHeader, tensors: Sequence[TensorInfo], context: int | None, here: Situation
) -> int:
    """The same, with the source's header read. `tensors`: those that may be quantised."""
    least = _plan(_retyped(header, _types(tensors, 0)), context, here)
    if isinstance(least, NoFit):
        raise QuantError(
            f"No quantisation of it fits this device: {least.rejected[0].reason}.",
            "Use a smaller context, prune blocks, or choose a smaller model.",
        )
    last = len(_LEVELS) * len(tensors)

    def is_too_large(number: int) -> bool:
        retyped = _retyped(header, _types(tensors, number))
        return isinstance(_plan(retyped, context, here), NoFit)

    most = bisect_right(range(last + 1), False, key=is_too_large) - 1
    targets = [
        Target(t.name, t.shape, t.type) for t in _retyped(header, _types(tensors, most)).tensors
    ]
    return file_bytes(header, targets)


def _types(tensors: Sequence[TensorInfo], number: int) -> dict[str, str]:
    """The `number`th of the files from small to large: each has one tensor more on its next level,
    and on the last one as it is."""
    level, ahead = divmod(number, len(tensors))
    return {tensor.name: _type(tensor, level + (at < ahead)) for at, tensor in enumerate(tensors)}


def _type(tensor: TensorInfo, level: int) -> str:
    if level >= len(_LEVELS):
        return tensor.type
    columns = tensor.shape[0]
    fitting = (t for t in _LEVELS[level] if columns % BY_NAME[t].block_values == 0)
    found = next(fitting, tensor.type)
    is_smaller = tensor_bytes(tensor.shape, found) < tensor_bytes(tensor.shape, tensor.type)
    return found if is_smaller else tensor.type


def _retyped(header: GGUFHeader, types: dict[str, str]) -> GGUFHeader:
    """The header of a single file with these types."""
    tensors, offset = [], 0
    for tensor in header.tensors:
        type_ = types.get(tensor.name, tensor.type)
        target = Target(tensor.name, tensor.shape, type_)
        tensors.append(TensorInfo(tensor.name, type_, tensor.shape, target.size_bytes, offset))
        offset += target.size_bytes
    return replace(header, tensors=tuple(tensors), num_parts=1)


def _plan(header: GGUFHeader, context: int | None, here: Situation) -> Plan | NoFit:
    facts = facts_of_header(header)
    size = header.data_offset + sum(tensor.size_bytes for tensor in header.tensors)
    variant = Variant("llama_cpp", "mix", files=(ModelFile("mix.gguf", size),))
    card = card_of_header("mix", header, facts, (variant,))
    goal = Goal(model=card.id, context=context or min(DEFAULT_CONTEXTS[0], facts.context))
    exact = with_exact(replace(here, catalog=Catalog((card,))), lambda _variant: facts)
    return make_plan(goal, exact)
