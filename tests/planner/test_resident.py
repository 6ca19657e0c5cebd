"""What processes hold: a real child, a captured one, and those that are gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.hardware.host import Host
from edgellm.planner.resident import Resident, proportional_bytes, resident

MIB = 1024 * 1024
STATUS = """Name:\tpython
VmPeak:\t  900000 kB
VmHWM:\t  300000 kB
VmRSS:\t  200000 kB
RssAnon:\t  150000 kB
RssFile:\t   49000 kB
RssShmem:\t    1000 kB
"""


def captured(tmp_path: Path, name: str, text: str) -> Host:
    folder = tmp_path / "proc" / "7"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    return Host(tmp_path)


def test_a_captured_process(tmp_path: Path) -> None:
    host = captured(tmp_path, "status", STATUS)
    expected = Resident(300_000 * 1024, 200_000 * 1024, 150_000 * 1024, 50_000 * 1024)
    assert resident(host, 7) == expected
    assert resident(host, 8) is None
    assert proportional_bytes(host, 7) is None


def test_a_zombie_has_no_memory(tmp_path: Path) -> None:
    assert resident(captured(tmp_path, "status", "Name:\tpython\nState:\tZ (zombie)\n"), 7) is None


def test_shared_pages_count_by_their_part(tmp_path: Path) -> None:
    rollup = "00400000-7fff [rollup]\nRss:  900 kB\nPss:  500 kB\nPss_Anon:  100 kB\n"
    assert proportional_bytes(captured(tmp_path, "smaps_rollup", rollup), 7) == 500 * 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_real_process_is_seen_at_its_largest() -> None:
    script = "x = bytearray(b'1') * 100_000_000; del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        found = resident(Host(), child.pid)
        child.stdin.close()
    assert found is not None
    assert found.peak_bytes > 100_000_000 > 2 * found.now_bytes
    assert abs(found.now_bytes - found.anonymous_bytes - found.file_bytes) < MIB
