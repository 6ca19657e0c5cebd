"""Main memory and swap: /proc/meminfo, /proc/swaps and the cgroup limits on Linux, sysctl and
vm_stat on macOS."""

from __future__ import annotations

import re

from edgellm.hardware.cgroup import Group, groups
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Memory

# Version 1 spells "no limit" as the largest multiple of a page below 2**63.
_NO_LIMIT_BYTES = 1 << 60


def probe(host: Host) -> Memory:
    """What this machine says; empty where it says nothing."""
    if host.read("/proc/meminfo") is not None:
        return _linux(host)
    return _macos(host)


def _linux(host: Host) -> Memory:
    total = _meminfo_bytes(host, "MemTotal")
    available = _meminfo_bytes(host, "MemAvailable")
    limits: list[int] = []
    rooms = [] if available is None else [available]
    for group in groups(host, "memory"):
        limit = _limit_bytes(host, group)
        if limit is None or (total is not None and limit >= total):
            continue
        limits.append(limit)
        used = _used_bytes(host, group)
        if used is not None:
            rooms.append(max(0, limit - used))
    return Memory(
        total_bytes=total,
        available_bytes=min(rooms, default=None),
        limit_bytes=min(limits, default=None),
        swap_total_bytes=_meminfo_bytes(host, "SwapTotal"),
        swap_free_bytes=_meminfo_bytes(host, "SwapFree"),
        zram_bytes=_zram_bytes(host),
    )


def _zram_bytes(host: Host) -> int | None:
    """Of swap that only compresses memory; /proc/swaps counts in KiB."""
    swaps = host.read("/proc/swaps")
    if swaps is None:
        return None
    sizes = re.findall(r"^/dev/zram\d+\s+\S+\s+(\d+)", swaps, re.M)
    return sum(map(int, sizes)) * 1024


def _meminfo_bytes(host: Host, field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB", host.read("/proc/meminfo") or "", re.M)
    return int(match[1]) * 1024 if match else None


def _limit_bytes(host: Host, group: Group) -> int | None:
    name = "memory.max" if group.version == 2 else "memory.limit_in_bytes"
    text = host.read(f"{group.path}/{name}") or ""
    return int(text) if text.isdecimal() and int(text) < _NO_LIMIT_BYTES else None


def _used_bytes(host: Host, group: Group) -> int | None:
    """What the group holds and cannot give back: inactive file pages are dropped under pressure."""
    is_v2 = group.version == 2
    used = host.read(f"{group.path}/" + ("memory.current" if is_v2 else "memory.usage_in_bytes"))
    if used is None or not used.isdecimal():
        return None
    field = "inactive_file" if is_v2 else "total_inactive_file"
    stat = host.read(f"{group.path}/memory.stat") or ""
    match = re.search(rf"^{field} (\d+)$", stat, re.M)
    return max(0, int(used) - (int(match[1]) if match else 0))


def _macos(host: Host) -> Memory:
    total = host.run("sysctl", "-n", "hw.memsize") or ""
    swap = host.run("sysctl", "-n", "vm.swapusage") or ""
    return Memory(
        total_bytes=int(total) if total.isdecimal() else None,
        available_bytes=_vm_stat_bytes(host.run("vm_stat") or ""),
        swap_total_bytes=_swap_bytes(swap, "total"),
        swap_free_bytes=_swap_bytes(swap, "free"),
    )


def _swap_bytes(text: str, field: str) -> int | None:
    """`total = 2048.00M  used = 1024.25M  free = 1023.75M  (encrypted)`"""
    match = re.search(rf"{field} = (\d+\.\d+)M", text)
    return int(float(match[1]) * 1024**2) if match else None


def _vm_stat_bytes(text: str) -> int | None:
    """Free, inactive, speculative and purgeable pages can be had without swapping."""
    page = re.search(r"page size of (\d+) bytes", text)
    counts = re.findall(r"^Pages (?:free|inactive|speculative|purgeable):\s+(\d+)\.", text, re.M)
    return int(page[1]) * sum(map(int, counts)) if page and counts else None
