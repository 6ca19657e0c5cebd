"""How fast this machine reads its main memory, with as many threads as may be used."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BYTES = 256 * 1024 * 1024  # of each thread: more than any cache holds
ROUNDS = 4


def read_bandwidth() -> float:
    """Bytes per second of the best round: the others were disturbed."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parts = [np.ones(BYTES // 8, np.uint64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            list(pool.map(np.sum, parts))  # without the interpreter's lock
            seconds.append(time.perf_counter() - began)
    return threads * BYTES / min(seconds)
