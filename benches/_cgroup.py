"""A memory cgroup of our own, version 1 or 2: a limit that the kernel enforces. Needs root."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
EMPTY_SECONDS = 10.0


class NoCgroups(Exception):
    """None can be made here."""


class MemoryCgroup:
    """Exists while the block runs; `prefix` starts a command inside of it."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._is_v1 = (V1 / "memory.limit_in_bytes").exists()
        root = V1 if self._is_v1 else V2
        self.path = root / f"edgellm-{os.getpid()}-{time.monotonic_ns()}"

    def __enter__(self) -> Self:
        """Raises NoCgroups where the system does not let us."""
        try:
            self.path.mkdir()
        except OSError as error:
            raise NoCgroups(f"{self.path}: {error.strerror}") from error
        try:
            self._limit()
        except OSError as error:
            self.path.rmdir()
            raise NoCgroups(f"{self.path}: {error.strerror}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The processes inside must have ended; the kernel takes a moment to notice."""
        end = time.monotonic() + EMPTY_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.05)

    @property
    def prefix(self) -> list[str]:
        """Words before a command: a shell that moves itself into the group and becomes it."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    @property
    def peak_bytes(self) -> int:
        """The most that was charged: memory of processes, and pages of files they read."""
        return self._number("memory.max_usage_in_bytes" if self._is_v1 else "memory.peak")

    @property
    def anonymous_bytes(self) -> int:
        """What is charged now and cannot be dropped: memory of processes, without files."""
        return self._counter("memory.stat", "total_rss" if self._is_v1 else "anon")

    @property
    def num_oom_kills(self) -> int:
        """Processes that the kernel killed for memory."""
        return self._counter("memory.oom_control" if self._is_v1 else "memory.events", "oom_kill")

    def _limit(self) -> None:
        name = "memory.limit_in_bytes" if self._is_v1 else "memory.max"
        (self.path / name).write_text(str(self.limit_bytes))
        if not self._is_v1:
            with contextlib.suppress(OSError):  # no swap: what does not fit must not hide there
                (self.path / "memory.swap.max").write_text("0")

    def _number(self, name: str) -> int:
        return int((self.path / name).read_text())

    def _counter(self, name: str, wanted: str) -> int:
        for line in (self.path / name).read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == wanted:
                return int(value)
        return 0
