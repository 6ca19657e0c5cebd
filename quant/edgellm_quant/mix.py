"""The types, one for each tensor, that lose least within a size.

    what each tensor loses in each type (`sensitivity.py`: a measurement for each tensor)
    -> one type for each, within the budget (`knapsack.py`)
    -> a Recipe with an override for each tensor; its file is within the budget to the byte
       (`size.py`)

The job makes that file and measures it like any other: nothing foretold is reported as measured.
`benches/mix.py` compares mixes with llama.cpp's own types of the same size. Not known: how fast a
type computes. `types` narrows the choice, e.g. to K-quants, which CPUs compute faster than IQ ones;
on `pocket` that keeps nine tenths of the gain.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.store.gguf_header import GGUFHeader, TensorInfo, read_header
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.knapsack import Option, loss_of, solve
from edgellm_quant.probing import Measure, key_of, measure_each
from edgellm_quant.prune import kept_name
from edgellm_quant.sensitivity import Rated, Rating, rate_errors, read_importance, with_losses
from edgellm_quant.size import Target, file_bytes, tensor_bytes
from edgellm_quant.spec import Override, Recipe
from edgellm_quant.work_copy import open_copy

if TYPE_CHECKING:
    from edgellm_quant.reference import Reference

_FLOATS = frozenset({"F32", "F16", "BF16"})
MEASURED_WINDOWS = 8  # of the reference's text: 2,000 tokens rank tensors well
# The file type that is nearest to a mix which is mostly of a tensor type: readers show it.
_FILE_TYPES = {
    "Q3_K": "Q3_K_M",
    "Q4_K": "Q4_K_M",
    "Q5_K": "Q5_K_M",
    "Q4_1": "Q4_1",
    "Q5_0": "Q5_0",
    "Q5_1": "Q5_1",
    "Q6_K": "Q6_K",
    "IQ4_XS": "IQ4_XS",
    "IQ4_NL": "IQ4_NL",
    "IQ3_S": "IQ3_S",
    "IQ3_XXS": "IQ3_XXS",
    "Q2_K": "Q2_K",
    "IQ2_S": "IQ2_S",
    "IQ2_XS": "IQ2_XS",
    "IQ2_XXS": "IQ2_XXS",
}


class Mix(Struct, frozen=True):
    """A recipe and what is known of its file before it is made."""

    recipe: Recipe
    size_bytes: int  # exact
    loss: float  # foretold mean KL divergence in nats, against the source


def best_mix(
    source: Path,
    budget_bytes: int,
    *,
    reference: Reference,
    imatrix: Path | None = None,
    types: Sequence[str] = (),
    pruned_blocks: tuple[int, ...] = (),
    most_windows: int = MEASURED_WINDOWS,
    folder: Path | None = None,
    threads: int = 0,
    measure: Measure | None = None,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Recipe:
    """The recipe of the file that loses least within the budget.

    Args:
        budget_bytes: of the whole file.
        reference: of the unquantised model.
        imatrix: that the file will be made with; without one the types below 3 bits are left out.
        types: to choose from; empty = all that are of use.
        pruned_blocks: that the file will not have; goes into the recipe. What the others lose is
            measured in the whole model.
        most_windows: of the reference's text that each measurement takes; 0 = all.
        folder: for a copy of the model, and for what is measured; None = beside the reference.
        threads: 0 = as many as are good.
        measure: None = by llama.cpp in a child process.
        on_progress: is told measurements, done and in all.

    Raises:
        QuantError: nothing fits into the budget, or llama.cpp fails.
        QuantCancelled: what was measured is kept for the next run.
        ModelFileError, EngineLoadError, DiskFull, FolderUnusable
    """
    rated = rate(
        source,
        reference=reference,
        imatrix=imatrix,
        types=types,
        pruned_blocks=pruned_blocks,
        most_windows=most_windows,
        folder=folder,
        threads=threads,
        measure=measure,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
    )
    return choose(read_header(source), rated, budget_bytes, imatrix, pruned_blocks).recipe


def rate(
    source: Path,
    *,
    reference: Reference,
    imatrix: Path | None = None,
    types: Sequence[str] = (),
    pruned_blocks: tuple[int, ...] = (),
    most_windows: int = MEASURED_WINDOWS,
    folder: Path | None = None,
    threads: int = 0,
    measure: Measure | None = None,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> tuple[Rated, ...]:
    """What each tensor loses in each type; serves any number of budgets. See `best_mix`."""
    folder = folder or reference.folder.parent
    tensors = [
        tensor
        for tensor in quantisable(source, is_cancelled)
        if kept_name(tensor.name, pruned_blocks) is not None
    ]
    importance = read_importance(imatrix)
    key = key_of(source, imatrix, f"{reference.folder.name} {most_windows}")
    if measure is None:
        measure = _in_child(reference, most_windows, threads, is_cancelled)
    with open_copy(source, folder / f"mix-{key}.gguf.partial", threads, is_cancelled) as copy:
        rated = rate_errors(
            copy,
            tensors,
            importance,
            types=types,
            threads=threads or len(os.sched_getaffinity(0)),
            on_tensor=lambda: _stop_if(is_cancelled),
        )
        probed = {each.name for each in rated if each.probe}
        klds = measure_each(
            copy,
            [tensor for tensor in tensors if tensor.name in probed],
            importance,
            measure,
            folder / f"mix-{key}.json",
            on_progress=on_progress,
            is_cancelled=is_cancelled,
        )
    return _only(with_losses(rated, klds), types)


def choose(
    header: GGUFHeader,
    rated: Sequence[Rated],
    budget_bytes: int,
    imatrix: Path | None = None,
    pruned_blocks: tuple[int, ...] = (),
) -> Mix:
    """The best types within the budget. Pure, but for reading the matrix's header.

    Args:
        header: the source's.
        rated: none of the pruned blocks.

    Raises:
        QuantError: nothing fits.
    """
    rated = [each for each in rated if kept_name(each.name, pruned_blocks) is not None]
    names = {each.name for each in rated}
    items = [[Option(r.size_bytes, r.loss) for r in each.ratings] for each in rated]
    whole = _targets(header, {}, pruned_blocks)
    own_bytes = sum(tensor_bytes(t.shape, t.type) for t in header.tensors if t.name in names)
    fixed_bytes = file_bytes(header, whole, imatrix) - own_bytes
    chosen = solve(items, budget_bytes - fixed_bytes)
    types = {each.name: each.ratings[at].type for each, at in zip(rated, chosen, strict=True)}
    targets = _targets(header, types, pruned_blocks)
    recipe = _recipe(header, types, budget_bytes, pruned_blocks)
    return Mix(recipe, file_bytes(header, targets, imatrix), loss_of(items, chosen))


def quantisable(source: Path, is_cancelled: IsCancelled = never) -> tuple[TensorInfo, ...]:
    """The tensors that llama.cpp gives other types, as its own dry run says."""
    from edgellm_quant.forecast import forecast

    header = read_header(source)
    present = {tensor.type for tensor in header.tensors}
    type_ = next(each for each in ("Q8_0", "Q4_0", "Q5_1", "Q6_K") if each not in present)
    recipe = Recipe(type_, is_pure=True, can_requantise=True)
    changes = forecast(source, recipe, is_cancelled=is_cancelled).changes
    changed = {each.name for each in changes if each.target != each.source}
    found = tuple(tensor for tensor in header.tensors if tensor.name in changed)
    if not found:
        raise QuantError(f"{source.name} has no tensor that llama.cpp quantises.")
    return found


def _targets(
    header: GGUFHeader, types: dict[str, str], pruned_blocks: tuple[int, ...]
) -> list[Target]:
    """The result's tensors. `types`: by the source's names; others stay."""
    return [
        Target(name, tensor.shape, types.get(tensor.name, tensor.type))
        for tensor in header.tensors
        if (name := kept_name(tensor.name, pruned_blocks)) is not None
    ]


def _recipe(
    header: GGUFHeader, types: dict[str, str], budget_bytes: int, pruned_blocks: tuple[int, ...]
) -> Recipe:
    """llama.cpp takes the first pattern that matches anywhere in the name, hence the anchors; of a
    pruned model it matches the new names."""
    overrides = tuple(
        Override(f"^{re.escape(kept_name(name, pruned_blocks) or name)}$", type_)
        for name, type_ in types.items()
    )
    changed = [tensor for tensor in header.tensors if tensor.name in types]
    weights: Counter[str] = Counter()
    for tensor in changed:
        weights[types[tensor.name]] += math.prod(tensor.shape)
    return Recipe(
        _FILE_TYPES.get(weights.most_common(1)[0][0], "Q8_0"),
        name=f"mix-{budget_bytes / 2**30:.3g}GiB",
        overrides=overrides,
        can_requantise=any(tensor.type not in _FLOATS for tensor in changed),
        pruned_blocks=pruned_blocks,
    )


def _only(rated: Sequence[Rated], types: Sequence[str]) -> tuple[Rated, ...]:
    """Without the types that were only measured. A tensor that none of the wanted types fits keeps
    what it may have."""
    if not types:
        return tuple(rated)
    return tuple(
        Rated(each.name, each.shape, each.probe, tuple(_wanted(each, types)) or each.ratings)
        for each in rated
    )


def _wanted(rated: Rated, types: Sequence[str]) -> list[Rating]:
    return [rating for rating in rated.ratings if rating.type in types]


def _in_child(
    reference: Reference, most_windows: int, threads: int, is_cancelled: IsCancelled
) -> Measure:
    """A crash of llama.cpp is an error there, and not our end."""
    from edgellm_quant.evaluate import measure_loss

    def measure(path: Path) -> float:
        return measure_loss(
            path,
            reference,
            most_windows=most_windows,
            threads=threads,
            is_cancelled=is_cancelled,
        ).kld_mean

    return measure


def _stop_if(is_cancelled: IsCancelled) -> None:
    from edgellm.errors import QuantCancelled

    if is_cancelled():
        raise QuantCancelled("The search for a mix was cancelled.", "Run it again to go on.")
