"""Jobs' folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.errors import JobNotFound, JobRunning, QuantError
from edgellm.jobs.events import Begun
from edgellm.jobs.journal import Journal
from edgellm.jobs.request import JobRequest
from edgellm.jobs.store import JobStore

REQUEST = JobRequest("/models/My Model-F16.gguf", ("Q8_0",))


def test_ids(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    job = store.add(REQUEST, "state")
    assert job.id.startswith("My-Model-F16-")
    assert store.add(REQUEST, "state").id == job.id
    others = {
        store.add(REQUEST, "other").id,
        store.add(replace(REQUEST, pure=True), "state").id,
    }
    assert len({job.id, *others}) == 3
    assert {each.id for each in store.list()} == {job.id, *others}
    assert store.find(job.id).request == REQUEST


@pytest.mark.parametrize("job_id", ["", ".", "..", "../x", "a/b", "absent", "x" * 200])
def test_what_is_no_job(tmp_path: Path, job_id: str) -> None:
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(JobNotFound):
        JobStore(tmp_path / "jobs").find(job_id)


def test_half_made_folders_are_no_jobs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "job.json").write_text('{"request": ')
    assert JobStore(tmp_path).list() == []


def test_who_works_on_it(tmp_path: Path) -> None:
    job = JobStore(tmp_path).add(REQUEST, "")
    assert not job.is_alive()
    with job.held():
        assert job.is_alive()
        with pytest.raises(JobRunning), job.held():
            pass
    assert not job.is_alive()


def test_cancelling_a_job_that_nobody_works_on(tmp_path: Path) -> None:
    job = JobStore(tmp_path).add(REQUEST, "")
    job.cancel()
    assert (job.status().state, job.is_cancelled) == ("cancelled", True)
    job.want()
    assert not job.is_cancelled


def test_cancelling_a_job_that_runs(tmp_path: Path) -> None:
    job = JobStore(tmp_path).add(REQUEST, "")
    with job.held(), Journal(job.journal_path) as journal:
        journal.write(Begun(("source",)))
        job.cancel()
        assert job.is_cancelled
        assert job.status().state == "running"  # it sees to it itself


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("")
    with pytest.raises(QuantError, match="cannot be written down") as caught:
        JobStore(tmp_path / "jobs").add(REQUEST, "")
    assert "EDGELLM_HOME" in caught.value.hint
