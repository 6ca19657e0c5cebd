"""Peak memory of a process tree."""

from __future__ import annotations

import subprocess
import sys
import time

from benches._memory import PeakMemory, tree_memory

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "b = b'x' * 60_000_000; print(1); input()"],
    stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
child.wait()
"""


def test_children_count() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        with PeakMemory(parent.pid) as memory:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "ready\n"
            alone = tree_memory(parent.pid)
            while not memory.peak.rss:
                time.sleep(0.01)
            time.sleep(0.3)
        parent.communicate("\n")
    assert alone.anonymous > 60_000_000
    assert memory.figures()["peak_rss_bytes"] > 60_000_000
    assert memory.peak.rss >= memory.peak.anonymous


def test_what_is_gone_counts_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert tree_memory(process.pid).rss == 0
    with PeakMemory(None) as memory:
        pass
    assert memory.figures() == {}
