"""A process's memory, from captured files and from this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.hardware.host import Host
from edgellm.hardware.resident import ProcessMemory, num_oom_kills, probe

STATUS = "Name:\tpython\nVmPeak:\t  500000 kB\nVmHWM:\t  120000 kB\nVmRSS:\t   91388 kB\n"


def captured(root: Path, **files: str) -> Host:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(root)


def test_linux_tells_now_and_the_peak(tmp_path: Path) -> None:
    host = captured(tmp_path, proc__7__status=STATUS)
    assert probe(host, 7) == ProcessMemory(91388 * 1024, 120000 * 1024)


def test_a_process_that_has_ended(tmp_path: Path) -> None:
    zombie = "Name:\tpython\nState:\tZ (zombie)\n"
    host = captured(tmp_path, proc__7__status=zombie, proc__meminfo="MemTotal: 1 kB")
    assert probe(host, 7) is None
    assert probe(host, 8) is None


def test_macos_asks_ps(tmp_path: Path) -> None:
    host = captured(tmp_path, **{".commands__ps -o rss= -p 7": "  2048\n"})
    assert probe(host, 7) == ProcessMemory(2048 * 1024, 2048 * 1024)
    assert probe(host, 8) is None


def test_kills_for_memory(tmp_path: Path) -> None:
    assert num_oom_kills(Host(tmp_path)) is None
    host = captured(tmp_path, proc__vmstat="nr_free_pages 5\noom_kill 3\nfoo 9\n")
    assert num_oom_kills(host) == 3


def test_this_process() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux's /proc")
    memory = probe(Host(), os.getpid())
    assert memory is not None
    assert memory.peak_bytes >= memory.now_bytes > 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_real_process_is_seen_at_its_largest() -> None:
    script = "x = bytearray(b'1') * 100_000_000; del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        found = probe(Host(), child.pid)
        child.stdin.close()
    assert found is not None
    assert found.peak_bytes > 100_000_000 > 2 * found.now_bytes
