"""Measures what each tensor's rounding costs, one after the other, and remembers it.

A kill costs one measurement: what is done lies in a small file that belongs to (model, text,
importance matrix, probes), and the next run goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgellm.atomic import write_atomically
from edgellm.errors import QuantCancelled
from edgellm.store.disk import disk_errors
from edgellm.store.gguf_header import TensorInfo
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.sensitivity import Importance, spoil
from edgellm_quant.work_copy import WorkCopy

VERSION = 1  # of what is remembered
Measure: TypeAlias = Callable[[Path], float]
"""The mean KL divergence of the model in a file against the reference, in nats."""

_UNSPOILT = ""  # the copy as it is, which F16 may already have changed


def measure_each(
    copy: WorkCopy,
    tensors: Sequence[TensorInfo],
    importance: Importance,
    measure: Measure,
    memory: Path,
    *,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> dict[str, float]:
    """By the tensor's name, the divergence that its probe's type alone makes.

    Args:
        memory: the file of what is measured already.

    Raises:
        QuantCancelled: what was measured is kept.
    """
    known = _recall(memory)
    wanted = [_UNSPOILT, *(tensor.name for tensor in tensors)]
    by_name = {tensor.name: tensor for tensor in tensors}
    for at, name in enumerate(wanted):
        on_progress(at, len(wanted))
        if name in known:
            continue
        if is_cancelled():
            raise QuantCancelled("The measuring was cancelled.", "Run it again to go on.")
        changes = {name: spoil(by_name[name], importance)} if name else {}
        with copy.changed(changes) as path:
            known[name] = measure(path)
        with disk_errors(memory):
            write_atomically(memory, msgspec.json.encode(known))
    on_progress(len(wanted), len(wanted))
    return {name: known[name] - known[_UNSPOILT] for name in by_name}


def key_of(source: Path, imatrix: Path | None, settings: str) -> str:
    """What the measurements depend on, in a name for a file. All of both files is read."""
    digests = [str(VERSION), settings]
    for path in (source, imatrix):
        if path is not None:
            with path.open("rb") as file:
                digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:32]


def _recall(memory: Path) -> dict[str, float]:
    try:
        return msgspec.json.decode(memory.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return {}
