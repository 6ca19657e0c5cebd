"""What would become of a model's tensors: llama.cpp's own dry run, and what it means in bytes.

Whatever would go wrong after an hour's work is found here in a second: a missing importance matrix,
a source that is quantised already, types that a tensor's rows do not fit, patterns that match
nothing. Writes no file.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm.store.gguf_types import BY_NAME
from edgellm_quant.llama_log import Failure, FellBack, NeedsMatrix, Saying, TensorBegun
from edgellm_quant.quantise_child import Order
from edgellm_quant.quantiser import Quantiser
from edgellm_quant.spec import Recipe

_ALIGNMENT = 32
_SPARE_BYTES = 64 * 1024  # of metadata that a target may have beyond its source's
_FLOATS = frozenset({"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"})


class Change(Struct, frozen=True):
    """One tensor. `shape`: the row's length first."""

    name: str
    shape: tuple[int, ...]
    source: str
    target: str

    @property
    def source_bytes(self) -> int:
        return BY_NAME[self.source].num_bytes(math.prod(self.shape))

    @property
    def target_bytes(self) -> int:
        return BY_NAME[self.target].num_bytes(math.prod(self.shape))


class Forecast(Struct, frozen=True):
    """Of a whole file. `size_bytes` is an upper bound, by less than 100 KiB."""

    changes: tuple[Change, ...]
    fallbacks: tuple[FellBack, ...]
    needs_imatrix: bool
    header_bytes: int

    @property
    def size_bytes(self) -> int:
        padded = (-(-each.target_bytes // _ALIGNMENT) * _ALIGNMENT for each in self.changes)
        return self.header_bytes + _SPARE_BYTES + sum(padded)

    @property
    def source_bytes(self) -> int:
        return sum(each.source_bytes for each in self.changes)

    @property
    def requantised(self) -> tuple[str, ...]:
        """Types of the source that are quantised already, and would be once more."""
        types = {c.source for c in self.changes if c.source not in _FLOATS and c.source != c.target}
        return tuple(sorted(types))


def forecast(
    source: Path,
    recipe: Recipe,
    *,
    imatrix: Path | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
    quantiser: Quantiser | None = None,
) -> Forecast:
    """Ask llama.cpp.

    Args:
        quantiser: to ask; None = one that is started for this.

    Raises:
        ModelFileError: the source is no GGUF model.
        QuantError: the recipe's words are wrong, or llama.cpp cannot follow it.
    """
    header = read_header(source)
    check_recipe(recipe, header)
    heard: list[Saying] = []
    order = Order(str(source), "", recipe, str(imatrix or ""), is_dry=True)
    with Quantiser() if quantiser is None else contextlib.nullcontext(quantiser) as child:
        status = child.follow(order, heard.append, is_cancelled)
    if status != 0:
        raise cannot(recipe, source, heard)
    return Forecast(
        tuple(
            Change(each.name, each.shape, each.source, each.target)
            for each in heard
            if isinstance(each, TensorBegun)
        ),
        tuple(each for each in heard if isinstance(each, FellBack)),
        any(isinstance(each, NeedsMatrix) for each in heard),
        header.data_offset,
    )


def cannot(recipe: Recipe, source: Path, heard: Iterable[Saying]) -> QuantError:
    """llama.cpp's reason, as an error."""
    reasons = [each.reason for each in heard if isinstance(each, Failure)]
    reason = reasons[-1] if reasons else "it does not say why"
    hint = "Choose another type." if "invalid output file type" in reason else ""
    if "importance matrix" in reason.lower() or "imatrix" in reason.lower():
        hint = "Make a matrix of this very model: --calibrate builtin, or a text of your own."
    return QuantError(f"llama.cpp cannot make {recipe.type} of {source.name}: {reason}.", hint)


def check_recipe(recipe: Recipe, header: GGUFHeader) -> None:
    """Raises QuantError for words that llama.cpp would ignore, or would end itself over."""
    from edgellm_quant.file_types import file_types, tensor_types

    if recipe.type not in file_types():
        raise QuantError(f"There is no file type '{recipe.type}'.", "See edgellm quant types.")
    for each in (recipe.output_type, recipe.embedding_type, *(o.type for o in recipe.overrides)):
        if each and each not in tensor_types():
            raise QuantError(f"There is no tensor type '{each}'.", "See edgellm quant types.")
    if recipe.overrides and recipe.type in _FLOATS:
        raise QuantError(
            f"llama.cpp ignores overrides where the file type is {recipe.type}.",
            "Choose a quantised file type, and override with it.",
        )
    for override in recipe.overrides:
        _check_pattern(override.pattern, header)
    if recipe.pruned_blocks:
        _check_blocks(recipe.pruned_blocks, header)


def _check_pattern(pattern: str, header: GGUFHeader) -> None:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise QuantError(
            f"The pattern '{pattern}' is no regular expression: {error}.",
            "Use e.g. 'attn_v' or 'blk\\.[0-3]\\.ffn_down'.",
        ) from error
    if not any(expression.search(tensor.name) for tensor in header.tensors):
        some = ", ".join(tensor.name for tensor in header.tensors[:4])
        raise QuantError(
            f"The pattern '{pattern}' matches no tensor of the model.", f"There are: {some}, …"
        )


def _check_blocks(blocks: tuple[int, ...], header: GGUFHeader) -> None:
    count = header.metadata.get(f"{header.architecture}.block_count")
    if not isinstance(count, int) or not all(0 <= block < count for block in blocks):
        raise QuantError(f"The blocks {', '.join(map(str, blocks))} are not all in the model.")
    if len(set(blocks)) >= count:
        raise QuantError("At least one block must stay.")
    for key, value in header.metadata.items():
        if isinstance(value, tuple) and len(value) == count and key.startswith(header.architecture):
            raise QuantError(
                f"Blocks of {header.architecture} cannot be left out: its {key} says something of "
                "each, and llama.cpp does not cut that.",
                "Leave --prune-blocks out.",
            )
