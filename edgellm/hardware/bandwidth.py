"""Measures how fast the usable cores read main memory together; remembers it until the next boot.

Decoding a token reads every weight once and writes next to nothing, so reading is what bounds it:
a copy (as STREAM's) would count the writes too, and come out lower on one machine and higher on
another. What reads is libc's `memchr`, looking for a byte that is not there: it is vectorised
everywhere, ctypes calls it without the interpreter's lock, and no numpy has to be loaded for it.
The best pass counts, as in STREAM: others were disturbed. Takes well under 2 s.

Not known here: what one runtime makes of it (`known_devices` and `edgellm tune` know more).
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import itertools
import mmap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm.atomic import write_atomically
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Bandwidth, HardwareProfile

_MIB = 1024**2
_MIN_BYTES = 64 * _MIB
_MAX_BYTES = 1024 * _MIB
_UNKNOWN_CACHE_BYTES = 32 * _MIB
_CHUNK_BYTES = 4 * _MIB  # cores take chunks as they go: slow ones do not hold up fast ones
_PASSES = 8
_SECONDS = 0.8  # after which no further pass begins

ReadChunk: TypeAlias = Callable[[int], object]


class _Remembered(Struct, frozen=True):
    key: str
    bytes_per_second: float


def with_bandwidth(
    profile: HardwareProfile, host: Host, cache: Path, *, may_measure: bool = True
) -> HardwareProfile:
    """The profile with what was measured since the boot, or is measured now, if it may be.

    Where nothing can be measured (a captured device, too little memory), it stays as it was.
    """
    if not host.is_live:
        return profile
    key = _key(profile, host)
    path = cache / "memory-bandwidth.json"
    rate = _recall(path, key) or (measure(profile) if may_measure else None)
    if rate is None:
        return profile
    if key is not None:
        _remember(path, _Remembered(key, rate))
    return replace(profile, bandwidth=Bandwidth(rate, "measured"))


def measure(profile: HardwareProfile) -> float | None:
    """Bytes per second; None where too little memory is free to get past the caches."""
    size = buffer_bytes(profile)
    memchr = _memchr()
    if size is None or memchr is None:
        return None
    num_chunks = size // _CHUNK_BYTES
    with mmap.mmap(-1, num_chunks * _CHUNK_BYTES) as memory:
        view = ctypes.c_char.from_buffer(memory)
        start = ctypes.addressof(view)
        try:
            # Written once, or every page would be the kernel's one page of zeros.
            ctypes.memset(start, 1, len(memory))
            return _best_pass(
                lambda chunk: memchr(start + chunk * _CHUNK_BYTES, 2, _CHUNK_BYTES),
                num_chunks,
                profile.cpu.num_usable_cores or 1,
            )
        finally:
            del view  # the mapping cannot be closed while something points into it


def buffer_bytes(profile: HardwareProfile) -> int | None:
    """Four times the last cache, within a quarter of what is free; None if that holds less than
    two of it."""
    cache = profile.cpu.last_level_cache_bytes or _UNKNOWN_CACHE_BYTES
    wanted = max(_MIN_BYTES, min(_MAX_BYTES, 4 * cache))
    available = profile.memory.available_bytes
    size = wanted if available is None else min(wanted, available // 4)
    return size if size >= max(_MIN_BYTES // 2, min(2 * cache, _MAX_BYTES)) else None


def _best_pass(read: ReadChunk, num_chunks: int, num_threads: int) -> float:
    deadline = time.perf_counter() + _SECONDS
    best = 0.0
    for _ in range(_PASSES):
        seconds = _one_pass(read, num_chunks, num_threads)
        best = max(best, num_chunks * _CHUNK_BYTES / seconds)
        if time.perf_counter() > deadline:
            break
    return best


def _one_pass(read: ReadChunk, num_chunks: int, num_threads: int) -> float:
    """Seconds from the moment when all threads are there."""
    chunks = itertools.count()  # next() on it is one step under the interpreter's lock
    barrier = threading.Barrier(num_threads + 1)

    def work() -> None:
        barrier.wait()
        while (chunk := next(chunks)) < num_chunks:
            read(chunk)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def _memchr() -> Callable[[int, int, int], object] | None:
    try:
        function = ctypes.CDLL(None).memchr
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_void_p
    function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    return function


def _key(profile: HardwareProfile, host: Host) -> str | None:
    """What a measurement holds for. Hashed, for the boot's id is nobody else's business."""
    boot = host.read("/proc/sys/kernel/random/boot_id") or host.run(
        "sysctl", "-n", "kern.bootsessionuuid"
    )
    if not boot:
        return None
    text = f"{boot} {profile.cpu.num_usable_cores} {profile.power_mode}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _recall(path: Path, key: str | None) -> float | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        found = msgspec.json.decode(path.read_bytes(), type=_Remembered)
        if found.key == key and found.bytes_per_second > 0:
            return found.bytes_per_second
    return None


def _remember(path: Path, found: _Remembered) -> None:
    """Without a folder that can be written it is measured again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(found) + b"\n")
