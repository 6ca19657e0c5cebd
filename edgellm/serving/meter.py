"""What the router asks of the device and of the memory model; the caller says who answers.

`serving` itself reads no file of the system and knows no formula of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from edgellm.hardware.resident import ProcessMemory
from edgellm.serving.resolver import ServedModel
from edgellm.types import EngineOptions

MIB = 1024 * 1024
# Resident in an engine beside the model's own buffers: the interpreter, numpy and llama.cpp.
# Measured with pocket on x86-64: 111 MiB after a full context, less 56 MiB of buffers.
RUNTIME_BYTES = 64 * MIB

Estimate: TypeAlias = Callable[[ServedModel, EngineOptions], int | None]


def file_size_estimate(model: ServedModel, options: EngineOptions) -> int | None:
    """Where nothing better is known: the file, the runtime and the cache of prompts.

    Counts no KV cache, whose size no file name tells. None where the file cannot be read.
    """
    try:
        size = model.path.stat().st_size
    except OSError:
        return None
    return size + RUNTIME_BYTES + options.cache_ram * MIB


def _unknown(_: int) -> None:
    return None


def _never_told() -> None:
    return None


def _none(_model: ServedModel, _options: EngineOptions) -> int:
    return 0


def _ignored(_model: ServedModel, _options: EngineOptions, _peak_bytes: int) -> None:
    return None


class Meter(Struct, frozen=True):
    """Each of these may answer None: not known.

    `budget`: bytes that all engines together may take, given those that they hold now.
    `resident`: of a process id. `num_oom_kills`: a counter of the system's. `estimate`: of an
    engine with its whole context in use. `reclaimable`: of what is resident in it, bytes that the
    kernel takes back as soon as others want them, which count for nothing. `on_measured`: is told
    the peak of an engine at its end.
    """

    budget: Callable[[int], int | None] = _unknown
    resident: Callable[[int], ProcessMemory | None] = _unknown
    num_oom_kills: Callable[[], int | None] = _never_told
    estimate: Estimate = file_size_estimate
    reclaimable: Callable[[ServedModel, EngineOptions], int] = _none
    on_measured: Callable[[ServedModel, EngineOptions, int], None] = _ignored
