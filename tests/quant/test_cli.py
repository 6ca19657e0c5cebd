"""The command line, as users start it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgellm.jobs.store import JobStore

PROGRAM = (sys.executable, "-m", "edgellm_quant")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGELLM_")}
    # A port where nobody is: the tests must not ask a server of this device.
    return {**kept, "EDGELLM_HOME": str(tmp_path / "home"), "EDGELLM_PORT": "1"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def call(*words: str, program: tuple[str, ...] = PROGRAM, stdin: str = "") -> object:
        return subprocess.run(
            (*program, *words),
            env=environment,
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return call  # type: ignore[return-value]


@pytest.fixture
def source(pocket: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(pocket, tmp_path / "pocket-F16.gguf"))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def store_of(environment: dict[str, str]) -> JobStore:
    return JobStore(Path(environment["EDGELLM_HOME"]) / "data" / "quant" / "jobs")


def test_help_is_quick_and_names_the_commands(run: Run) -> None:
    edgellm = (sys.executable, "-m", "edgellm.cli.main", "quant")
    for program in (PROGRAM, edgellm):
        done = run("--help", program=program)
        assert done.returncode == 0
        for command in ("run", "resume", "list", "show", "cancel", "types"):
            assert f"\n  {command} " in done.stdout
    assert run("types").stdout.startswith("files    F32, F16, Q4_0")


def test_a_detached_job(run: Run, environment: dict[str, str], source: Path) -> None:
    done = run("run", source.name, "--to", "q4_0", "--evaluate", "no", "--out", "o", "--detach")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    job = store_of(environment).find(job_id)
    target = source.parent / "o" / "pocket-Q4_0.gguf"
    wait_until(target.exists)
    wait_until(lambda: not job.is_alive())
    assert "quantise Q4_0" in job.log_path.read_text()
    listed = json.loads(run("list", "--format", "json").stdout)["jobs"]
    assert [each["id"] for each in listed] == [job_id]
    shown = run("show", job_id)
    assert f"job      {job_id}" in shown.stdout
    assert str(target) in shown.stdout
    assert f"{job_id} is over already (done)" in run("cancel", job_id).stderr
    assert job.status().state == "done"
    assert job_id in run("list").stdout


def test_words_that_are_wrong(run: Run, environment: dict[str, str], source: Path) -> None:
    for words, error, hint in [
        (("--to", "Q4KM"), "There is no file type 'Q4KM'.", "Did you mean Q4_K_M"),
        ((), "Nothing is to be made.", "--to Q4_K_M,Q8_0"),
        (("--to", "Q8_0", "--min-top1", "97"), "The request is wrong", "--help"),
        (("--to", "Q8_0", "--override", "x"), "'x' is no override.", "PATTERN=TYPE"),
    ]:
        done = run("run", source.name, *words)
        assert (done.returncode, done.stdout) == (7, "")
        assert f"error: {error}" in done.stderr
        assert "hint: " in done.stderr
        assert hint in done.stderr
    assert store_of(environment).list() == []
    assert run("show", "nothing").returncode == 7
    assert run("cancel", "../../etc").returncode == 7
    done = run("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no job yet" in done.stderr


def test_what_is_no_model(run: Run, source: Path) -> None:
    (source.parent / "x.gguf").write_bytes(b"no")
    done = run("run", "x.gguf", "--to", "Q8_0", "--evaluate", "no")
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert run("run", "absent.gguf", "--to", "Q8_0").returncode == 7


def test_ctrl_c(environment: dict[str, str], source: Path, run: Run) -> None:
    words = ("run", str(source), "--to", "IQ3_S,IQ4_XS", "--evaluate", "no", "--out", "o")
    child = subprocess.Popen(
        (*PROGRAM, *words),
        env=environment,
        cwd=source.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    while "quantise IQ3_S" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, talk = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "hint: What is done is kept; go on with: edgellm quant resume" in talk
    assert not list((source.parent / "o").glob("*.gguf"))
    assert not list((source.parent / "o").rglob("*.partial"))
    (job,) = store_of(environment).list()
    assert job.status().state == "cancelled"


def test_cancelling_from_another_process(
    environment: dict[str, str], source: Path, run: Run
) -> None:
    words = ("run", str(source), "--to", "IQ3_S,IQ3_M,IQ4_XS", "--evaluate", "no", "--out", "o")
    job_id = run(*words, "--detach").stdout.strip()
    job = store_of(environment).find(job_id)
    wait_until(lambda: job.status().state == "running")
    assert run("cancel", job_id).returncode == 0
    wait_until(lambda: not job.is_alive())
    assert job.status().state == "cancelled"
    assert not list((source.parent / "o").rglob("*.partial"))


def test_picking_up(environment: dict[str, str], source: Path, run: Run) -> None:
    """As the server does when it starts."""
    words = ("run", str(source), "--to", "Q8_0,Q4_0,IQ4_XS", "--evaluate", "no", "--out", "o")
    child = subprocess.Popen(
        (*PROGRAM, *words),
        env=environment,
        cwd=source.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    while "quantise Q4_0" not in child.stderr.readline():
        assert child.poll() is None
    child.kill()
    child.communicate()
    (job,) = store_of(environment).list()
    assert job.status().state == "interrupted"
    answer = json.loads(run("pick-up").stdout)
    assert answer == {"started": [job.id]}
    wait_until(lambda: job.status().is_over)
    assert {path.name for path in (source.parent / "o").glob("*.gguf")} == {
        "pocket-Q8_0.gguf",
        "pocket-Q4_0.gguf",
        "pocket-IQ4_XS.gguf",
    }
    assert json.loads(run("pick-up").stdout) == {"started": []}


def test_the_servers_way(environment: dict[str, str], source: Path, run: Run) -> None:
    wanted = {"source": str(source), "to": ["Q8_0"], "evaluate": "no", "out": "o"}
    answer = json.loads(run("add", stdin=json.dumps(wanted)).stdout)
    job = store_of(environment).find(answer["id"])
    wait_until(lambda: job.status().is_over)
    done = run("add", stdin=json.dumps(wanted | {"to": ["Q4KM"]}))
    assert done.returncode == 2
    assert "Did you mean" in json.loads(done.stdout)["hint"]
    assert "cannot be read" in json.loads(run("add", stdin='{"sauce": 1}').stdout)["error"]


@pytest.mark.slow
def test_what_was_made_is_served_and_answers(run: Run, source: Path) -> None:
    names = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "IQ4_XS")
    done = run("run", source.name, "--to", ",".join(names), "--evaluate", "no", "--out", "o")
    assert done.returncode == 0, done.stderr
    sizes = [(source.parent / "o" / f"pocket-{name}.gguf").stat().st_size for name in names]
    assert sizes[:5] == sorted(sizes[:5], reverse=True)
    program = (sys.executable, "-m", "edgellm.cli.main")
    for name in names:
        model = str(source.parent / "o" / f"pocket-{name}.gguf")
        question = ("--temperature", "0", "--model", model, "What is GGUF?")
        answered = run("run", *question, program=program)
        assert answered.returncode == 0, answered.stderr
        assert "file" in answered.stdout.lower(), answered.stdout
