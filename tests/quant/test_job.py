"""Jobs from end to end, with real quantising; evaluation and its like are stand-ins."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from edgellm_quant.cli import add_job
from edgellm_quant.device import Device
from edgellm_quant.job import run_job, work_folder
from edgellm_quant.spec import Made
from edgellm_quant.tools import Opened, Tools
from msgspec.structs import replace

from edgellm.errors import (
    DiskFull,
    JobRunning,
    QuantCancelled,
    QuantError,
    QuantRefused,
)
from edgellm.jobs.events import Note, StepDone, Waiting
from edgellm.jobs.journal import read_entries
from edgellm.jobs.request import JobRequest
from edgellm.jobs.store import Job, JobStore
from edgellm.store.gguf_header import read_header
from edgellm.store.lock import lock
from tests.quant.golden import tensor_digest
from tests.quant.standin import IDLE, Calls, tools


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs")


@pytest.fixture
def source(pocket: Path, tmp_path: Path) -> Path:
    """The built-in model, as an F16 file of its own."""
    return Path(shutil.copy(pocket, tmp_path / "pocket-F16.gguf"))


def request(source: Path, *to: str, **fields: object) -> JobRequest:
    made = JobRequest(str(source), to or ("Q8_0", "Q4_K_M"), out=str(source.parent / "out"))
    return replace(made, **fields)


def add(store: JobStore, wanted: JobRequest) -> Job:
    return add_job(store, wanted, Path("/"))


def run(store: JobStore, job: Job, using: Tools, device: Device = IDLE) -> list[Made]:
    return list(run_job(store, job, device, tools=using))


def kept(job: Job) -> list[str]:
    """Steps that the last run found done."""
    events = [entry.event for entry in read_entries(job.journal_path)]
    return [event.step for event in events if isinstance(event, StepDone) and event.is_kept]


def test_a_whole_job(store: JobStore, source: Path, imatrix: Path, tmp_path: Path) -> None:
    calls = Calls()
    job = add(store, request(source, calibrate="builtin", evaluate="/some/text"))
    made = run(store, job, tools(calls, imatrix))
    assert calls == [
        "imatrix calibration builtin",
        "reference evaluation /some/text",
        "quantise Q8_0 imatrix.gguf",
        "evaluate pocket-Q8_0.gguf",
        "quantise Q4_K_M imatrix.gguf",
        "evaluate pocket-Q4_K_M.gguf",
    ]
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "REPORT.md",
        "pocket-Q4_K_M.gguf",
        "pocket-Q8_0.gguf",
    ]
    assert [Path(each.path).name for each in made] == ["pocket-Q8_0.gguf", "pocket-Q4_K_M.gguf"]
    for each in made:
        data = Path(each.path).read_bytes()
        assert each.sha256 == hashlib.sha256(data).hexdigest()
        assert each.size_bytes == len(data)
        assert each.evaluation is not None
    status = job.status()
    assert (status.state, status.percent, status.num_done) == ("done", 100, status.num_steps)
    assert len(status.made) == 2


def test_the_same_request_is_the_same_job_and_nothing_is_done_twice(
    store: JobStore, source: Path
) -> None:
    job = add(store, request(source, "q8_0"))
    assert add(store, request(source, "Q8_0")).id == job.id
    assert add(store, request(source, "Q6_K")).id != job.id
    run(store, job, tools())
    calls = Calls()
    made = run(store, job, tools(calls))
    assert calls == ["reference evaluation builtin"]  # which keeps what it computed by itself
    assert kept(job) == ["quantise:Q8_0", "evaluate:Q8_0", "release:Q8_0"]
    assert len(made) == 1
    source.touch()
    assert add(store, request(source, "Q8_0")).id != job.id


def test_what_was_damaged_is_made_again(store: JobStore, source: Path, tmp_path: Path) -> None:
    job = add(store, request(source, evaluate="no"))
    run(store, job, tools())
    target = tmp_path / "out" / "pocket-Q8_0.gguf"
    good = target.read_bytes()
    target.write_bytes(good[:-1] + b"?")
    calls = Calls()
    with pytest.raises(QuantError, match="is there already, and this job did not make it"):
        run(store, job, tools(calls))
    target.unlink()
    run(store, job, tools(calls))
    assert calls == ["quantise Q8_0 plain"]
    assert target.read_bytes() == good


def test_files_of_others_are_not_replaced(store: JobStore, source: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "pocket-Q8_0.gguf"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    calls = Calls()
    with pytest.raises(QuantError, match="did not make it") as caught:
        run(store, add(store, request(source, evaluate="no")), tools(calls))
    assert "--replace" in caught.value.hint
    assert calls == []
    assert mine.read_bytes() == b"mine"
    run(store, add(store, request(source, evaluate="no", replace=True)), tools(calls))
    assert read_header(mine).tensors


def test_what_falls_short_is_refused(store: JobStore, source: Path, tmp_path: Path) -> None:
    job = add(store, request(source, max_kld=0.02))
    with pytest.raises(QuantRefused, match="1 of 2 files was not released"):
        run(store, job, tools())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["REPORT.md", "pocket-Q4_K_M.gguf.refused", "pocket-Q8_0.gguf"]
    status = job.status()
    assert status.state == "refused"
    assert [bool(each["refusal"]) for each in status.made] == [False, True]
    calls = Calls()
    with pytest.raises(QuantRefused):
        run(store, job, tools(calls))
    assert not [call for call in calls if call.startswith("quantise")]


def test_mix_and_pruning(store: JobStore, source: Path, tmp_path: Path) -> None:
    calls = Calls()
    job = add(store, request(source, "Q8_0", budget="4MiB", prune_blocks=2))
    made = run(store, job, tools(calls))
    assert calls[:4] == [  # choices are made on another text than their results are measured on
        "prune 2 calibration builtin",
        "reference evaluation builtin",
        "reference calibration builtin",
        f"mix {4 << 20}",
    ]
    names = [Path(each.path).name for each in made]
    assert names == ["pocket-pruned2-Q8_0.gguf", "pocket-pruned2-mix-4MiB.gguf"]
    assert made[1].recipe.pruned_blocks == (2, 3)
    header = read_header(Path(made[1].path))
    types = {tensor.name: tensor.type for tensor in header.tensors}
    assert types["blk.0.ffn_down.weight"] == "Q6_K"
    assert header.metadata["llama.block_count"] == 5
    again = Calls()
    run(store, job, tools(again))
    assert again == ["reference evaluation builtin"]


def test_notes_are_told(store: JobStore, tiny_model: Path, tmp_path: Path) -> None:
    wanted = JobRequest(str(tiny_model), ("Q4_K_M",), out=str(tmp_path / "out"), evaluate="no")
    job = add(store, wanted)
    run(store, job, tools())
    assert any("Q5_0 instead of Q4_K" in note for note in job.status().notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": ()}, "Nothing is to be made"),
        ({"to": ("Q4KM",)}, "no file type 'Q4KM'"),
        ({"overrides": ("ffn_down",)}, "is no override"),
        ({"overrides": ("ffn_down=Q9",)}, "no tensor type 'Q9'"),
        ({"evaluate": "no", "max_kld": 0.1}, "Limits need an evaluation"),
        ({"evaluate": "no", "budget": "1GiB"}, "chosen by what each type costs"),
        ({"budget": "1GiB", "for_device": True}, "contradict"),
        ({"keep_output": True, "output_type": "Q8_0"}, "contradict"),
        ({"source": "/nowhere/x.gguf"}, "There is no /nowhere/x.gguf"),
    ],
)
def test_requests_that_cannot_be_done(
    store: JobStore, source: Path, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(QuantError, match=words):
        add(store, replace(request(source), **fields))
    assert store.list() == []


def test_cancelling_and_going_on(store: JobStore, source: Path, tmp_path: Path) -> None:
    job = add(store, request(source))
    calls = Calls()

    class Cancelling(Calls):
        def append(self, call: str) -> None:
            super().append(call)
            if call == "evaluate pocket-Q4_K_M.gguf":
                job.cancel()

    with pytest.raises(QuantCancelled) as caught:
        run(store, job, tools(Cancelling()))
    assert caught.value.message == "cancelled"
    assert job.status().state == "cancelled"
    assert sorted(p.name for p in (tmp_path / "out").glob("*.gguf")) == ["pocket-Q8_0.gguf"]
    job.want()
    run(store, job, tools(calls))
    assert calls == ["reference evaluation builtin", "evaluate pocket-Q4_K_M.gguf"]
    assert job.status().state == "done"
    assert not work_folder(job).exists()


def test_one_job_at_a_time(store: JobStore, source: Path) -> None:
    job = add(store, request(source, "Q8_0", evaluate="no"))
    with job.held(), pytest.raises(JobRunning):
        run(store, job, tools())
    calls = Calls()

    class Cancelled(Exception):
        """So that the test ends."""

    def on_entry(entry: object) -> None:
        if isinstance(getattr(entry, "event", None), Waiting):
            job.cancel()

    with lock(store.heavy_lock), pytest.raises(QuantCancelled):
        run_job(store, job, IDLE, tools=tools(calls), on_entry=on_entry)
    assert calls == []
    assert job.status().state == "cancelled"


def test_too_little_memory(store: JobStore, source: Path) -> None:
    """It waits for a while, and says so."""
    naps: list[float] = []
    device = replace(IDLE, usable_bytes=lambda: 5 << 20, patience_seconds=6, sleep=naps.append)
    job = add(store, request(source, "Q8_0", evaluate="no"))
    with pytest.raises(QuantError, match="needs 400 MiB of memory; 5 MiB are free"):
        run(store, job, tools(), device)
    assert sum(naps) >= 6
    events = [entry.event for entry in read_entries(job.journal_path)]
    assert any(isinstance(event, Waiting) for event in events)
    assert job.status().state == "failed"
    run(store, job, tools())
    assert job.status().state == "done"


def test_a_chat_gets_half_of_the_cpus(store: JobStore, source: Path) -> None:
    threads: list[int] = []
    using = tools()

    def quantise(*arguments: object) -> Path:
        threads.append(arguments[-1].threads)  # type: ignore[attr-defined]
        return using.quantise(*arguments)  # type: ignore[arg-type]

    busy = replace(IDLE, num_cpus=8, num_running=lambda: 1)
    watched = replace(using, quantise=quantise)
    run(store, add(store, request(source, "Q8_0", evaluate="no")), watched, busy)
    run(
        store,
        add(store, request(source, "Q6_K", evaluate="no")),
        watched,
        replace(IDLE, num_cpus=8),
    )
    run(store, add(store, request(source, "Q4_0", evaluate="no", threads=3)), watched, busy)
    assert threads == [4, 8, 3]


def test_faults_of_ours_are_written_down(store: JobStore, source: Path) -> None:
    def evaluate(*_: object) -> None:
        raise ZeroDivisionError("x")

    job = add(store, request(source, "Q8_0"))
    with pytest.raises(ZeroDivisionError):
        run(store, job, replace(tools(), evaluate=evaluate))
    status = job.status()
    assert (status.state, status.error) == ("failed", "Unexpected ZeroDivisionError: x.")

    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")

    with pytest.raises(QuantError, match="The module matplotlib is not installed here"):
        run(store, job, replace(tools(), write_report=missing))


def test_a_full_disk_keeps_what_is_done(store: JobStore, source: Path, tmp_path: Path) -> None:
    using = tools()

    def quantise(*arguments: object) -> Path:
        if arguments[2].type == "Q4_K_M":  # type: ignore[attr-defined]
            raise DiskFull("The disk is full.", "Make room.")
        return using.quantise(*arguments)  # type: ignore[arg-type]

    job = add(store, request(source, evaluate="no"))
    with pytest.raises(DiskFull):
        run(store, job, replace(using, quantise=quantise))
    assert job.status().state == "failed"
    calls = Calls()
    run(store, job, tools(calls))
    assert calls == ["quantise Q4_K_M plain"]
    names = {path.name for path in (tmp_path / "out").glob("*.gguf")}
    assert names == {"pocket-Q8_0.gguf", "pocket-Q4_K_M.gguf"}


def test_safetensors_are_converted_first(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Tiny-Model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    calls = Calls()

    def as_gguf(found: Opened, target: Path, _ears: object) -> Path:
        calls.append(f"convert {found.name}")
        return Path(shutil.copy(pocket, target))

    using = replace(tools(calls), as_gguf=as_gguf)
    wanted = JobRequest(str(folder), ("Q8_0",), out=str(tmp_path / "out"), evaluate="no")
    (made,) = run(store, add(store, wanted), using)
    assert calls == ["convert Tiny-Model", "quantise Q8_0 plain"]
    assert Path(made.path).name == "Tiny-Model-Q8_0.gguf"
    assert tensor_digest(Path(made.path))


def test_other_runtimes(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Tiny"
    folder.mkdir()

    def make_other(name: str, checkpoint: Path, _source: str, target: Path, _ears: object) -> Path:
        calls.append(f"{name} of {checkpoint.name}")
        target.mkdir()
        (target / "model.onnx").write_bytes(b"made")
        return target

    calls = Calls()
    using = replace(
        tools(calls),
        as_gguf=lambda _source, target, _ears: Path(shutil.copy(pocket, target)),
        make_other=make_other,
        other_targets=lambda: {"onnx-int4": ("ort_genai", "int4")},
    )
    wanted = JobRequest(str(folder), ("ONNX-int4",), out=str(tmp_path / "out"), evaluate="no")
    job = add(store, wanted)
    (made,) = run(store, job, using)
    assert (made.runtime, made.recipe.label, made.size_bytes) == ("ort_genai", "int4", 4)
    assert (tmp_path / "out" / "Tiny-onnx-int4" / "model.onnx").read_bytes() == b"made"
    assert run(store, job, using) == [made]
    assert calls == ["onnx-int4 of Tiny"]
    with pytest.raises(QuantError, match="There is no target 'onnx-int5'"):
        run(store, add(store, replace(wanted, to=("onnx-int5",))), using)
    with pytest.raises(QuantError, match="is made of safetensors"):
        run(store, add(store, replace(wanted, source=str(pocket))), using)


def test_adopting_what_was_released(store: JobStore, source: Path) -> None:
    calls = Calls()
    with pytest.raises(QuantRefused):
        run(store, add(store, request(source, adopt=True, max_kld=0.02)), tools(calls))
    assert [call for call in calls if call.startswith("adopt")] == ["adopt pocket-Q8_0.gguf"]


def test_notes_and_progress_are_in_the_journal(store: JobStore, source: Path) -> None:
    job = add(store, request(source, "Q8_0", evaluate="no"))
    run(store, job, tools())
    entries = read_entries(job.journal_path)
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    assert not [entry for entry in entries if isinstance(entry.event, Note)]
