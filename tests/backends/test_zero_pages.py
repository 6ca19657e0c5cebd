"""Memory of zeros is given back, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")

SCRIPT = """
import mmap, os
from edgellm.backends.zero_pages import BLOCK_BYTES, release_zero_pages

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE

size = 100 * BLOCK_BYTES
memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory[:] = bytes(size)  # touched, all of it
memory[50 * BLOCK_BYTES + 12345] = 7
memory[size - 1] = 9
before = resident()
released = release_zero_pages()
assert released >= 95 * BLOCK_BYTES, released
assert before - resident() >= 90 * BLOCK_BYTES, (before, resident())
assert memory[50 * BLOCK_BYTES + 12345] == 7
assert memory[size - 1] == 9
assert memory[:1000] == bytes(1000)
memory[5] = 3
assert memory[:10] == bytes([0, 0, 0, 0, 0, 3, 0, 0, 0, 0])
"""


def test_only_zeros_are_given_back() -> None:
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
