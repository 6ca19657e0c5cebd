"""Programs that are not ours: told line by line, ended with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from edgellm_quant.tool_process import run_tool

from edgellm.errors import QuantCancelled, QuantError

# Starts a program of its own, as a compiler starts a linker, tells both numbers, and waits.
FAMILY = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
print("begun", flush=True)
time.sleep(600)
"""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_every_line_is_told_and_a_progress_bar_moves() -> None:
    lines: list[str] = []
    code = "import sys; print('one'); sys.stdout.flush(); sys.stderr.write('1%\\r2%\\rend')"
    assert run_tool(python(code), "It", on_line=lines.append) == ("one", "1%", "2%", "end")
    assert lines == ["one", "1%", "2%", "end"]


def test_variables_are_passed_and_standard_input_is_empty() -> None:
    code = "import os, sys; print(os.environ['ODD'], repr(sys.stdin.read()))"
    assert run_tool(python(code), "It", environment={"ODD": "yes"}) == ("yes ''",)


def test_a_failure_has_its_last_words() -> None:
    code = "print('reading'); raise NotImplementedError('The odd model is not supported.')"
    with pytest.raises(QuantError, match=r"It failed: .*The odd model is not supported") as error:
        run_tool(python(code), "It")
    assert "reading" in error.value.hint


def test_what_ends_it() -> None:
    with pytest.raises(QuantError, match="too little memory"):
        run_tool(python("import os; os.kill(os.getpid(), 9)"), "It")
    with pytest.raises(QuantError, match="disk is full"):
        run_tool(python("raise OSError(28, 'No space left on device')"), "It")
    with pytest.raises(QuantError, match="nowhere/it cannot be started: No such file"):
        run_tool(("/nowhere/it",), "It")


def test_cancelled_it_ends_with_what_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    with pytest.raises(QuantCancelled):
        run_tool(python(FAMILY, str(told)), "It", is_cancelled=told.exists)
    assert eventually(lambda: len(told.read_text().split()) == 2)
    for pid in map(int, told.read_text().split()):
        assert eventually(lambda pid=pid: is_gone(pid)), pid


def test_killed_ourselves_nothing_is_left_running(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    code = (
        "import sys; from edgellm_quant.tool_process import run_tool; run_tool(sys.argv[1:], 'It')"
    )
    parent = subprocess.Popen(python(code, *python(FAMILY, str(told))))
    assert eventually(lambda: told.exists() and len(told.read_text().split()) == 2)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for pid in map(int, told.read_text().split()):
        assert eventually(lambda pid=pid: is_gone(pid)), pid


def test_who_ignores_a_polite_end_is_ended_all_the_same(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
    with pytest.raises(QuantCancelled):
        run_tool(python(code, str(told)), "It", is_cancelled=told.exists)
    assert eventually(lambda: is_gone(int(told.read_text().split()[0])))
