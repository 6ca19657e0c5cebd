"""Times workloads on a loaded backend, through the seam that the engine uses too."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

from edgellm.backends.base import TokenBackend, Work
from edgellm.tuning.workload import Loaded, Sample, Workload
from edgellm.types import Sampling

_SAMPLER = 0  # one for all sequences: a greedy sampler remembers nothing
_WARM_UP = Workload(prompt=32, answer=2)


def warm_up(backend: TokenBackend) -> Loaded:
    """Touch every weight once, and say what was loaded."""
    backend.add_sampler(_SAMPLER, Sampling(temperature=0), ())
    run(backend, _WARM_UP)
    threads, threads_batch = backend.threads
    num_tokens = _WARM_UP.prompt + _WARM_UP.answer
    return Loaded(
        threads=threads,
        threads_batch=threads_batch,
        batch_tokens=backend.limits.batch_tokens,
        trained_context=backend.model.trained_context,
        kv_token_bytes=len(backend.get_state(0)) // num_tokens,
        private_bytes=_private_bytes(),
    )


def run(backend: TokenBackend, workload: Workload) -> Sample:
    """Compute the workload in slots 0, 1, ... and time its two parts."""
    slots = range(workload.sequences)
    for slot in slots:
        backend.forget(slot)
    generator = random.Random(workload.prompt)  # noqa: S311  (tokens, not secrets)
    prompt = [generator.randrange(backend.model.vocab_size) for _ in range(workload.prompt)]
    began = time.perf_counter()
    token = _prefill(backend, prompt)
    middle = time.perf_counter()
    for slot in slots[1:]:
        backend.share(0, slot, 0, len(prompt))
    tokens = [token] * workload.sequences
    for position in range(len(prompt), len(prompt) + workload.answer):
        tokens = _decode(backend, tokens, position)
    return Sample(middle - began, time.perf_counter() - middle)


def _prefill(backend: TokenBackend, prompt: Sequence[int]) -> int:
    """Feed the prompt to slot 0 in full batches; gives the first token of the answer."""
    size = backend.limits.batch_tokens
    for start in range(0, len(prompt), size):
        chunk = prompt[start : start + size]
        is_last = start + size >= len(prompt)
        (sampled,) = backend.step([Work(0, start, chunk, _SAMPLER if is_last else None)])
    return sampled[0].token


def _decode(backend: TokenBackend, tokens: Sequence[int], position: int) -> list[int]:
    """One step of all sequences: each one's newest token; gives the next ones."""
    work = [Work(slot, position, [token], _SAMPLER) for slot, token in enumerate(tokens)]
    return [sampled[0].token for sampled in backend.step(work)]


def _private_bytes() -> int | None:
    """Memory of this process that no file backs, where the system tells (Linux)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    match = re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)
    return int(match[1]) * 1024 if match else None
