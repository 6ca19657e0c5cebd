"""Two threads while the machine is free, one while others work: a thread that waits stalls both."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

BUSY = 0.3
EVERY = 0.4


def busy_ticks() -> int:
    """Ticks that all processes have run for, in all."""
    with Path("/proc/stat").open() as file:
        fields = [int(x) for x in file.readline().split()[1:9]]
    return sum(fields) - fields[3] - fields[4]


class Threads:
    """Sets the number of threads by what other processes use."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, most
        self.known = Path("/proc/stat").exists() and most > 1
        self.mark = self._read() if self.known else (0.0, 0.0, 0.0)
        torch.set_num_threads(most)

    def _read(self) -> tuple[float, float, float]:
        """The time, the ticks of all, and our own seconds."""
        own = os.times()
        return time.time(), busy_ticks() / os.sysconf("SC_CLK_TCK"), own.user + own.system

    def adapt(self) -> None:
        """Look at the load since the last look, at most every `EVERY` seconds."""
        if not self.known or time.time() - self.mark[0] < EVERY:
            return
        new = self._read()
        passed, everyone, mine = (a - b for a, b in zip(new, self.mark, strict=True))
        others = (everyone - mine) / passed
        self.mark = new
        wanted = 1 if others > BUSY else self.most
        if wanted != self.now:
            self.now = wanted
            torch.set_num_threads(wanted)
