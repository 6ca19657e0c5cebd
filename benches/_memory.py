"""The peak memory of a process and its children, by looking at them several times a second."""

from __future__ import annotations

import contextlib
import threading
from typing import NamedTuple, Self

import psutil

INTERVAL_SECONDS = 0.1


class Memory(NamedTuple):
    """Bytes of all processes of a tree together.

    `rss` is what is resident; of it `anonymous` belongs to the processes, the rest are pages of
    files such as the mapped model, which the system can drop and read again.
    """

    rss: int = 0
    anonymous: int = 0


class PeakMemory:
    """Watches a tree while the block runs; `peak` is the largest sum at one moment."""

    def __init__(self, pid: int | None) -> None:
        """None = watch nothing."""
        self.peak = Memory()
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if self._pid is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def figures(self) -> dict[str, float]:
        """Empty where nothing was seen."""
        if not self.peak.rss:
            return {}
        return {"peak_rss_bytes": self.peak.rss, "peak_anonymous_bytes": self.peak.anonymous}

    def _watch(self) -> None:
        assert self._pid is not None
        while not self._stop.is_set():
            self.peak = max(self.peak, tree_memory(self._pid))
            self._stop.wait(INTERVAL_SECONDS)


def tree_memory(pid: int) -> Memory:
    """Of a process and its descendants now; those that end meanwhile count nothing."""
    rss = anonymous = 0
    for process in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            info = process.memory_info()
            rss += info.rss
            anonymous += info.rss - getattr(info, "shared", 0)
    return Memory(rss, anonymous)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
