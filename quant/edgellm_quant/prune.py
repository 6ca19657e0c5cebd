"""Which blocks of a model do least, to be left out.

A block's influence is the KL divergence that leaving it out makes, really measured: what it adds to
the stream is set to zero in a copy of the model, which is the same as leaving it out and costs two
tensors' writing. ShortGPT (Men and others, 2024, arXiv 2403.03853) takes the angle between a
block's input and output instead; that needs one run for all blocks, but says nothing of what the
rest of the model makes of the change, and small models are those in which blocks differ most.
Blocks are chosen one by one, and the others measured again after each, for two that are idle alone
may be needed together. `is_run` takes one run of neighbours instead, as Gromov and others do (2024,
arXiv 2403.17887): the rest then stays in larger pieces.

The first and the last block stay, unless `may_take_ends` says otherwise: they turn tokens into the
stream and back. The result is a Recipe's `pruned_blocks`: llama.cpp leaves them out, numbers the
others anew and mends the block count.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from edgellm.errors import QuantCancelled, QuantError
from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm_quant.blocks import Floats
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.probing import Measure
from edgellm_quant.work_copy import WorkCopy, open_copy

MEASURED_WINDOWS = 8  # of the text, for each measurement
SHORTLIST = 8  # blocks that are measured again after each choice: those that did least before
_BLOCK = re.compile(r"^blk\.(\d+)\.(.+)$")
# The last product of each part of a block: what it gives is added to the stream.
_ADDED = re.compile(
    r"^(attn_output|ffn_down(_exps|_shexp)?|ssm_out|shortconv\.out_proj"
    r"|time_mix_output|channel_mix_value)\.(weight|bias)$"
)


class Influence(Struct, frozen=True):
    """What leaving out these blocks costs: mean KL divergence, in nats per token."""

    blocks: tuple[int, ...]
    kld: float


def least_blocks(
    source: Path,
    count: int,
    *,
    text: str,
    is_run: bool = False,
    may_take_ends: bool = False,
    most_windows: int = MEASURED_WINDOWS,
    folder: Path | None = None,
    threads: int = 0,
    on_progress: OnProgress = tell_nobody,
    on_influence: Callable[[Influence], None] = lambda _found: None,
    is_cancelled: IsCancelled = never,
) -> tuple[int, ...]:
    """The numbers of the blocks to leave out, ascending.

    Args:
        text: on which it is measured.
        is_run: neighbours only.
        most_windows: of the text; 0 = all.
        folder: for a copy of the model, gone at the end; None = the source's.
        on_progress: is told measurements, done and in all.
        on_influence: is told each measurement.

    Raises:
        QuantError: the model has too few blocks, or its blocks cannot be told apart.
        ModelFileError, EngineLoadError, DiskFull, FolderUnusable, QuantCancelled
    """
    from edgellm_quant.evaluate import measure_loss
    from edgellm_quant.reference import Reference

    header = read_header(source)
    check_prunable(header)
    blocks = candidates(header, count, may_take_ends=may_take_ends)
    with tempfile.TemporaryDirectory(prefix=".prune-", dir=folder or source.parent) as name:
        reference = Reference.make(
            source,
            text,
            Path(name),
            most_windows=most_windows,
            threads=threads,
            is_cancelled=is_cancelled,
        )

        def measure(path: Path) -> float:
            return measure_loss(path, reference, threads=threads).kld_mean

        with open_copy(source, Path(name) / "copy.gguf", threads, is_cancelled) as copy:
            meter = _Meter(copy, measure, on_progress, on_influence, is_cancelled)
            choose = _least_run if is_run else _one_by_one
            return choose(blocks, count, meter)


def check_prunable(header: GGUFHeader) -> None:
    """Raises QuantError where what is left would not be the same model with fewer blocks."""
    architecture = header.architecture
    metadata = header.metadata
    num_blocks = metadata.get(f"{architecture}.block_count")
    for key, value in metadata.items():
        if key.startswith(f"{architecture}.") and _is_of_each(value, num_blocks):
            raise QuantError(
                f"Blocks of {architecture} cannot be left out: its {key} says something of each, "
                "and llama.cpp does not cut that.",
                "Leave --prune-blocks out.",
            )
    if metadata.get(f"{architecture}.attention.sliding_window"):
        raise QuantError(
            f"Blocks of {architecture} cannot be left out: which of them see a window follows from "
            "their numbers, and those would change.",
            "Leave --prune-blocks out.",
        )


def _is_of_each(value: object, num_blocks: object) -> bool:
    return isinstance(value, tuple) and len(value) == num_blocks


def candidates(header: GGUFHeader, count: int, *, may_take_ends: bool) -> tuple[int, ...]:
    """The blocks that may be left out.

    Raises:
        QuantError: they are fewer than are to go.
    """
    numbers = sorted(added(header))
    blocks = numbers if may_take_ends else numbers[1:-1]
    most = len(blocks) - may_take_ends  # one must stay
    if not 1 <= count <= most:
        raise QuantError(
            f"{count} of the model's {len(numbers)} blocks cannot be left out.",
            f"Leave out 1 to {most}: the first and the last stay."
            if most > 0
            else "The model has no block to spare.",
        )
    return tuple(blocks)


def added(header: GGUFHeader) -> dict[int, tuple[str, ...]]:
    """For each block the tensors that give what it adds to the stream: without them it does
    nothing.

    Raises:
        QuantError: a block has none that is known.
    """
    found: dict[int, list[str]] = {}
    for tensor in header.tensors:
        if match := _BLOCK.match(tensor.name):
            names = found.setdefault(int(match[1]), [])
            if _ADDED.match(match[2]):
                names.append(tensor.name)
    missing = [number for number, names in found.items() if not names]
    if missing or not found:
        raise QuantError(
            f"It is not known what a block of {header.architecture} adds to the stream.",
            "Leave --prune-blocks out.",
        )
    return {number: tuple(names) for number, names in found.items()}


def kept_name(name: str, pruned_blocks: Sequence[int]) -> str | None:
    """What llama.cpp calls a tensor once these blocks are left out; None = it is left out too."""
    match = _BLOCK.match(name)
    if match is None:
        return name
    number = int(match[1])
    if number in pruned_blocks:
        return None
    return f"blk.{number - sum(pruned < number for pruned in set(pruned_blocks))}.{match[2]}"


class _Meter:
    """Measures sets of blocks, and tells of it."""

    def __init__(
        self,
        copy: WorkCopy,
        measure: Measure,
        on_progress: OnProgress,
        on_influence: Callable[[Influence], None],
        is_cancelled: IsCancelled,
    ) -> None:
        self._copy = copy
        self._measure = measure
        self._on_progress = on_progress
        self._on_influence = on_influence
        self._is_cancelled = is_cancelled
        self._tensors = added(read_header(copy.path))
        self._num_done = 0
        self.num_planned = 0

    def influence(self, blocks: Iterable[int]) -> float:
        """Of leaving out all of these."""
        if self._is_cancelled():
            raise QuantCancelled("The search for blocks to leave out was cancelled.")
        self._on_progress(self._num_done, self.num_planned)
        blocks = tuple(sorted(blocks))
        names = [name for block in blocks for name in self._tensors[block]]
        with self._copy.changed(dict.fromkeys(names, _zeros)) as path:
            found = Influence(blocks, self._measure(path))
        self._num_done += 1
        self._on_influence(found)
        self._on_progress(self._num_done, self.num_planned)
        return found.kld


def _zeros(values: Floats, _first: int) -> Floats:
    return np.zeros_like(values)


def _one_by_one(blocks: Sequence[int], count: int, meter: _Meter) -> tuple[int, ...]:
    """The one that does least, then the one that does least without it, and so on."""
    meter.num_planned = len(blocks) + sum(
        min(SHORTLIST, len(blocks) - taken) for taken in range(1, count)
    )
    chosen: list[int] = []
    listed = list(blocks)
    for _ in range(count):
        klds = {block: meter.influence((*chosen, block)) for block in listed}
        ranked = sorted(klds, key=lambda block: klds[block])
        chosen.append(ranked[0])
        others = [block for block in blocks if block not in ranked and block not in chosen]
        listed = (ranked[1:] + others)[:SHORTLIST]
    return tuple(sorted(chosen))


def _least_run(blocks: Sequence[int], count: int, meter: _Meter) -> tuple[int, ...]:
    """Of all runs of neighbours."""
    runs = [tuple(blocks[at : at + count]) for at in range(len(blocks) - count + 1)]
    meter.num_planned = len(runs)
    return min(runs, key=meter.influence)
