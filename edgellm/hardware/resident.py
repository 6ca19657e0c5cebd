"""Main memory of one process, and how often the kernel killed for memory. None = not told."""

from __future__ import annotations

import re

from msgspec import Struct

from edgellm.hardware.host import Host


class ProcessMemory(Struct, frozen=True):
    """Resident bytes: now, and at most since it began. File pages that are mapped count."""

    now_bytes: int
    peak_bytes: int


def probe(host: Host, pid: int) -> ProcessMemory | None:
    """On Linux from /proc, elsewhere from `ps`, which knows no peak."""
    status = host.read(f"/proc/{pid}/status")
    if status is not None:
        now, peak = _kib(status, "VmRSS"), _kib(status, "VmHWM")
        return None if now is None else ProcessMemory(now, max(now, peak or 0))
    if host.read("/proc/meminfo") is not None:  # the process is gone
        return None
    told = host.run("ps", "-o", "rss=", "-p", str(pid)) or ""
    return ProcessMemory(int(told) * 1024, int(told) * 1024) if told.isdecimal() else None


def num_oom_kills(host: Host) -> int | None:
    """Processes that the kernel has killed for memory since it booted, in any control group."""
    match = re.search(r"^oom_kill (\d+)$", host.read("/proc/vmstat") or "", re.MULTILINE)
    return int(match[1]) if match else None


def _kib(status: str, field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else None
