"""What a process holds in memory, as Linux tells it. None elsewhere, and once it is gone."""

from __future__ import annotations

import re

from msgspec import Struct

from edgellm.hardware.host import Host


class Resident(Struct, frozen=True):
    """Bytes of main memory. Pages of files are shared with others, and can be dropped."""

    peak_bytes: int  # the most that it ever held
    now_bytes: int
    anonymous_bytes: int  # of what it holds now
    file_bytes: int


def resident(host: Host, pid: int) -> Resident | None:
    """Of one process, without its children."""
    status = host.read(f"/proc/{pid}/status") or ""
    found = dict(re.findall(r"^(VmHWM|VmRSS|RssAnon|RssFile|RssShmem):\s+(\d+) kB", status, re.M))
    if "VmHWM" not in found or "VmRSS" not in found:
        return None  # gone, a zombie, or another system
    sizes = {name: int(size) * 1024 for name, size in found.items()}
    of_files = sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)
    anonymous = sizes.get("RssAnon", sizes["VmRSS"] - of_files)
    return Resident(sizes["VmHWM"], sizes["VmRSS"], anonymous, of_files)


def proportional_bytes(host: Host, pid: int) -> int | None:
    """Resident bytes where what several processes share is counted once: each has its part."""
    rollup = host.read(f"/proc/{pid}/smaps_rollup") or ""
    match = re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)
    return int(match[1]) * 1024 if match else None
