"""What a file takes to serve: time to load, memory, tokens per second.

Measured through the seam that the engine uses, with the options that it has by default, so that
the figures are those of a server. Run it in a process of its own (`evaluate.measure_cost` does):
memory that a process had once counts for as long as it lives.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from edgellm.backends import load_backend
from edgellm.backends.base import TokenBackend
from edgellm.backends.threads import bind_threads
from edgellm.errors import QuantCancelled, QuantError
from edgellm.hardware import resident
from edgellm.hardware.host import Host
from edgellm.tuning.measure import run, warm_up
from edgellm.tuning.workload import Sample, Workload
from edgellm.types import EngineOptions
from edgellm_quant.hooks import IsCancelled, never
from edgellm_quant.parts import model_bytes
from edgellm_quant.spec import Cost

PROMPT, ANSWER = 256, 64  # tokens of a round
ROUNDS = 3
MOST_SECONDS = 60.0  # after which no further round begins: a large model on a small board


def measure(path: Path, *, threads: int = 0, is_cancelled: IsCancelled = never) -> Cost:
    """Load it ROUNDS times and answer ROUNDS prompts; each figure is the median.

    A load counts until the first few tokens are computed: before, a mapped file is not read.

    Raises:
        EngineLoadError: it cannot be loaded.
        QuantError: this system does not tell the memory of a process.
        QuantCancelled
    """
    options = EngineOptions(threads=threads)
    bind_threads(options)
    ends = time.monotonic() + MOST_SECONDS

    def is_enough(results: Sequence[object]) -> bool:
        if is_cancelled():
            raise QuantCancelled("The evaluation was cancelled.")
        return len(results) >= ROUNDS or (len(results) > 0 and time.monotonic() > ends)

    loads: list[float] = []
    backend: TokenBackend | None = None
    while backend is None or not is_enough(loads):
        if backend is not None:
            backend.close()
        start = time.perf_counter()
        backend = load_backend("llama_cpp", str(path), options, lambda _: None)
        loaded = warm_up(backend)
        loads.append(time.perf_counter() - start)
    answer = min(ANSWER, loaded.trained_context // 4)
    workload = Workload(min(PROMPT, loaded.trained_context - answer), answer)
    samples: list[Sample] = []
    while not is_enough(samples):
        samples.append(run(backend, workload))
    cost = _cost(path, loads, samples, workload)
    backend.close()
    return cost


def _cost(path: Path, loads: list[float], samples: list[Sample], workload: Workload) -> Cost:
    memory = resident.probe(Host(), os.getpid())
    if memory is None:
        raise QuantError("This system does not tell how much memory a process takes.")
    return Cost(
        size_bytes=model_bytes(path),
        load_seconds=statistics.median(loads),
        resident_bytes=memory.now_bytes,
        prefill_tokens_per_second=workload.prompt
        / statistics.median(sample.prefill_seconds for sample in samples),
        decode_tokens_per_second=workload.answer
        / statistics.median(sample.decode_seconds for sample in samples),
    )
