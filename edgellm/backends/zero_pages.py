"""Gives memory that was written with nothing but zeros back to the kernel, on Linux.

llama.cpp clears a new KV cache, and so all of it is resident although most of its cells may never
be used. A page of zeros that is dropped is zeros again when it is read; from then on, memory is
taken as the cells are.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LEAST_BYTES = 64 * 1024 * 1024  # of a mapping that is worth a look
BLOCK_BYTES = 2 * 1024 * 1024  # a huge page
_MAPS = Path("/proc/self/maps")
_DONTNEED, _HUGEPAGE = 4, 14  # of madvise


def release_zero_pages() -> int:
    """Drop the blocks of this process's large private mappings that hold only zeros.

    Nobody else may write to them meanwhile.

    Returns:
        Bytes that were dropped.
    """
    if not sys.platform.startswith("linux"):
        return 0
    library = ctypes.CDLL(None, use_errno=True)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released = 0
    with contextlib.suppress(OSError):  # without /proc there is nothing to gain
        for begin, end in list(_large_mappings()):
            for address in _zero_blocks(begin, end):
                if library.madvise(address, BLOCK_BYTES, _DONTNEED) == 0:
                    library.madvise(address, BLOCK_BYTES, _HUGEPAGE)  # taken again at once
                    released += BLOCK_BYTES
    return released


def _large_mappings() -> Iterator[tuple[int, int]]:
    """Addresses of private, writable memory that belongs to no file."""
    for line in _MAPS.read_text().splitlines():
        addresses, permissions, _offset, _device, inode, *_name = line.split()
        begin, end = (int(address, 16) for address in addresses.split("-"))
        if permissions.startswith("rw-p") and inode == "0" and end - begin >= LEAST_BYTES:
            yield begin, end


def _zero_blocks(begin: int, end: int) -> Iterator[int]:
    first = -(-begin // BLOCK_BYTES) * BLOCK_BYTES
    for address in range(first, end - BLOCK_BYTES + 1, BLOCK_BYTES):
        block = memoryview((ctypes.c_char * BLOCK_BYTES).from_address(address))
        if not np.frombuffer(block, np.uint64).any():
            yield address
