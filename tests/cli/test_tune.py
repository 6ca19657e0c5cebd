"""`edgellm tune` on a real model: what it prints and remembers. Nothing timed is asserted."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from edgellm.cli.tune import render, thread_counts
from edgellm.hardware.profile import Cpu
from edgellm.tuning.plan import TOGETHER, Chosen
from edgellm.tuning.record import Key, Record
from edgellm.tuning.search import Candidate, Trial
from edgellm.tuning.workload import Workload
from tests.cli.conftest import Cli

WORK = Workload(256, 64)


def _records(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["EDGELLM_HOME"]).glob("cache/tuning/*"))


def test_tune_remembers_what_serve_then_uses(
    cli: Cli, environment: dict[str, str], tiny_model: Path
) -> None:
    done = cli("tune", str(tiny_model), "--seconds", "10", "--format", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    (path,) = _records(environment)
    assert json.loads(path.read_text()) == record
    assert f"remembered in {path}" in done.stderr
    assert "measuring threads" in done.stderr
    assert record["chosen"]["threads"] >= 1
    assert {"threads_batch", "kv_type"} <= {trial["parameter"] for trial in record["trials"]}

    assert "forgot" in cli("tune", str(tiny_model), "--forget").stderr
    assert _records(environment) == []
    assert "nothing was remembered" in cli("tune", str(tiny_model), "--forget").stderr


def test_a_dry_run_prints_a_table_and_remembers_nothing(
    cli: Cli, environment: dict[str, str], tiny_model: Path
) -> None:
    done = cli("tune", str(tiny_model), "--seconds", "8", "--dry-run", "--kv-type", "q8_0")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^parameter +candidate +prefill tok/s", done.stdout)
    assert re.search(r"^kv_type +q8_0 ", done.stdout, re.MULTILINE)
    assert "\nchosen: threads " in done.stdout
    assert _records(environment) == []


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("/no/such.gguf",), 2, "There is no file"),
        (("--kv-type", "q9"), 2, "kv-type cannot be 'q9'"),
        (("--seconds", "0"), 2, "--seconds"),
    ],
)
def test_mistakes(cli: Cli, args: tuple[str, ...], code: int, said: str) -> None:
    done = cli("tune", *args)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_model_is_exit_3(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    done = cli("tune", str(path))
    assert done.returncode == 3
    assert "error: llama.cpp cannot load broken.gguf" in done.stderr
    assert "hint: " in done.stderr


@pytest.mark.parametrize(
    ("cpu", "counts"),
    [
        (Cpu(num_cores=1), (1,)),
        (Cpu(num_cores=2, num_physical_cores=2), (1, 2)),
        (Cpu(num_cores=16, num_physical_cores=8), (1, 8, 16)),
        (Cpu(num_cores=12, num_physical_cores=10, num_allowed_cores=7), (1, 3, 7)),
        (Cpu(num_cores=12, num_physical_cores=10), (1, 6, 10, 12)),
    ],
)
def test_thread_counts(cpu: Cpu, counts: tuple[int, ...]) -> None:
    assert thread_counts(cpu) == counts
    assert max(thread_counts(Cpu())) == (os.cpu_count() or 1)


def _trial(name: str, *candidates: Candidate, chosen: str, is_advice: bool = False) -> Trial:
    return Trial(name, chosen, candidates, WORK, "request", is_advice)


def test_the_table_says_what_was_chosen_what_failed_and_what_it_brings() -> None:
    before = Candidate("2", [1.0, 1.0], 300.4, 61.26, 114688, 700 * 1024**2)
    after = Candidate("1", [0.8, 0.8], 375.0, 76.0, 60928, 300 * 1024**2)
    failed = Candidate("4", failure="It died by signal 6.")
    default, chosen = Chosen(2, 2, 512, "auto"), Chosen(1, 2, 512, "auto")
    tuned, untuned = Candidate("tuned", [0.8, 0.8]), Candidate("default", [1.0, 1.0])
    trials = (
        _trial("threads", before, after, failed, chosen="1"),
        _trial(TOGETHER, tuned, untuned, chosen="tuned"),
        _trial("kv_type", before, after, chosen="2", is_advice=True),
        _trial("repack", before, after, chosen="2", is_advice=True),
    )
    record = Record("m", Key("d", "e", "c"), "2026-11-21", "f16", default, chosen, trials)
    text = render(record)
    lines = text.splitlines()
    assert lines[1].split() == ["threads", "2", "300", "61.3", "100%"]
    assert lines[2].split() == ["1", "375", "76", "80%", "chosen"]
    assert lines[3].split(maxsplit=4) == ["4", "-", "-", "-", "failed: It died by signal 6."]
    assert "takes 0.80 s instead of 1.00 s with the defaults" in text
    assert "4,096 tokens of KV cache take 238 MiB instead of 448 MiB" in text
    assert "--no-repack: a request takes 80% of the time; it takes 400 MiB less memory." in text
    assert "Nothing was clearly better" in render(
        Record("m", Key("d", "e", "c"), "2026-11-21", "f16", default, default, trials[:1])
    )
