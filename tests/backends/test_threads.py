"""Threads and CPUs, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgellm.backends import threads
from edgellm.types import EngineOptions

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two CPUs and a kernel that lets a thread choose",
)

SCRIPT = """
import os, sys
from edgellm.backends import load_backend
from edgellm.backends.base import Work
from edgellm.backends.threads import bind_threads, unbind_thread, usable_threads
from edgellm.types import EngineOptions, Sampling

options = EngineOptions(context=128, parallel=2, threads=int(sys.argv[2]))
bind_threads(options)
backend = load_backend("llama_cpp", sys.argv[1], options, lambda _: None)
if backend.threads == (1, 1):
    unbind_thread()
backend.step([Work(0, 0, [5, 6, 7], None)])
masks = [tuple(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")]
print(usable_threads(), sorted(mask for mask in masks if len(mask) == 1))
"""


def bound(model: Path, num_threads: int) -> str:
    command = [sys.executable, "-c", SCRIPT, str(model), str(num_threads)]
    environment = {name: v for name, v in os.environ.items() if name != "OMP_PROC_BIND"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_as_many_threads_as_cpus_get_one_each(tiny_model: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    assert bound(tiny_model, len(cpus)) == f"{len(cpus)} {[(cpu,) for cpu in cpus]}"


def test_a_single_thread_may_run_anywhere(tiny_model: Path) -> None:
    num_cpus = len(os.sched_getaffinity(0))
    for num_threads in (0, 1):  # 0: a tiny model gets one
        assert bound(tiny_model, num_threads) == f"{num_cpus} []"


@pytest.mark.parametrize(
    ("options", "is_bound"),
    [
        (EngineOptions(), True),
        (EngineOptions(threads=4), True),
        (EngineOptions(threads=4, threads_batch=4), True),
        (EngineOptions(threads=2), False),
        (EngineOptions(threads_batch=2), False),
    ],
)
def test_only_all_cpus_are_given_away(
    options: EngineOptions, is_bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr(threads, "_CPUS", frozenset(range(4)))
    monkeypatch.setattr(os, "environ", environment)
    threads.bind_threads(options)
    assert environment == ({"OMP_PROC_BIND": "true"} if is_bound else {})
