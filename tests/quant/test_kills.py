"""A job that is killed (-9) at random moments leaves nothing half-written, and goes on.

What fsync is for is argued in `gguf.py` and `journal.py`; the kernel keeps what a killed process
wrote, and a power cut does not.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from edgellm_quant.cli import add_job
from edgellm_quant.gguf import quantise
from edgellm_quant.job import work_folder
from edgellm_quant.spec import Recipe

from edgellm.jobs.request import JobRequest
from edgellm.jobs.store import Job, JobStore
from tests.quant.golden import tensor_digest

ROOT = Path(__file__).parents[2]
TYPES = ("Q8_0", "Q4_0", "Q4_K_M")


def start(store: JobStore, job: Job, imatrix: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'quant'}"}
    return subprocess.Popen(
        (sys.executable, "-m", "tests.quant.killed", str(store.root), job.id, str(imatrix)),
        stdout=subprocess.PIPE,
        env=env,
        cwd=ROOT,
        text=True,
    )


def kill_after(child: subprocess.Popen[str], seconds: float) -> None:
    """Some time after it has begun; its own children must end, too."""
    assert child.stdout is not None
    assert child.stdout.readline() == "begins\n"
    time.sleep(seconds)
    quantising = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    _, alive = psutil.wait_procs(quantising, timeout=20)
    assert alive == []


def check_consistent(job: Job, right: dict[str, str]) -> None:
    """Whatever has a final name is whole; all the rest is in the job's own folder."""
    out = Path(job.request.out)
    for path in out.glob("*") if out.exists() else ():
        if path != work_folder(job) and path.name != "REPORT.md":
            assert tensor_digest(path) == right[path.name], path
    assert job.status().state in ("queued", "interrupted", "done")


def survive(
    pocket: Path, imatrix: Path, tmp_path: Path, rounds: int, longest_seconds: float
) -> None:
    right = {
        f"pocket-{name}.gguf": tensor_digest(
            quantise(pocket, tmp_path / "right.gguf", Recipe(name), imatrix=imatrix)
        )
        for name in TYPES
    }
    store = JobStore(tmp_path / "jobs")
    wanted = JobRequest(str(pocket), TYPES, out=str(tmp_path / "out"), calibrate="builtin")
    job = add_job(store, wanted, tmp_path)
    chance = random.Random(rounds)
    num_killed = 0
    for _ in range(rounds):
        kill_after(start(store, job, imatrix), chance.random() * longest_seconds)
        check_consistent(job, right)
        num_killed += job.status().state != "done"
        if job.status().state == "done":  # so that later rounds find something to do
            (Path(job.request.out) / f"pocket-{chance.choice(TYPES)}.gguf").unlink()
    assert num_killed, "no process was killed before its end"
    child = start(store, job, imatrix)
    assert child.communicate(timeout=100)[0].endswith("done\n")
    check_consistent(job, right)
    names = {path.name for path in Path(job.request.out).iterdir()}
    assert names == {"REPORT.md", *right}
    assert job.status().state == "done"


def test_a_few_kills(pocket: Path, imatrix: Path, tmp_path: Path) -> None:
    survive(pocket, imatrix, tmp_path, rounds=4, longest_seconds=2.0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("longest_seconds", [0.6, 3.0, 6.0])
def test_many_kills(pocket: Path, imatrix: Path, tmp_path: Path, longest_seconds: float) -> None:
    survive(pocket, imatrix, tmp_path, rounds=40, longest_seconds=longest_seconds)
