"""Jobs as the server sees them, with the real sub-tool."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from edgellm.errors import EngineError, InvalidRequest, JobNotFound
from edgellm.jobs.events import Begun, Ended, Entry, Note, StepDone
from edgellm.jobs.journal import Journal
from edgellm.jobs.request import JobRequest
from edgellm.jobs.store import JobStore
from edgellm.serving.quant_jobs import QuantJobs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    """Where the sub-tool looks, too."""
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGELLM_PORT", "1")
    return JobStore(tmp_path / "home" / "data" / "quant" / "jobs")


def wanted(pocket: Path, tmp_path: Path, *to: str) -> JobRequest:
    source = Path(shutil.copy(pocket, tmp_path / "pocket-F16.gguf"))
    return JobRequest(str(source), to or ("Q8_0",), out=str(tmp_path / "out"), evaluate="no")


def test_a_job_from_end_to_end(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    async def scenario() -> list[Entry]:
        jobs = QuantJobs(store)
        request = wanted(pocket, tmp_path)
        status = await jobs.submit(request)
        assert (await jobs.submit(request)).id == status.id  # which does not begin it twice
        entries = [entry async for entry in jobs.follow(status.id)]
        later = [entry async for entry in jobs.follow(status.id, entries[3].number)]
        assert later == entries[4:]
        (listed,) = await jobs.list()
        assert (listed.id, listed.state) == (status.id, "done")
        assert (await jobs.cancel(status.id)).state == "done"  # it is over
        return entries

    entries = asyncio.run(scenario())
    assert isinstance(entries[0].event, Begun)
    assert isinstance(entries[-1].event, Ended)
    made = [e.event for e in entries if isinstance(e.event, StepDone)]
    assert [event.step for event in made if event.step.startswith("release")] == ["release:Q8_0"]
    assert (tmp_path / "out" / "pocket-Q8_0.gguf").exists()


def test_words_that_are_wrong(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no file type 'Q4KM'") as caught:
        asyncio.run(QuantJobs(store).submit(wanted(pocket, tmp_path, "Q4KM")))
    assert "Did you mean" in caught.value.hint
    assert store.list() == []


def test_cancelling(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    async def scenario() -> str:
        jobs = QuantJobs(store)
        job_id = (await jobs.submit(wanted(pocket, tmp_path, "IQ3_S", "IQ3_M"))).id
        async for entry in jobs.follow(job_id):
            if isinstance(entry.event, Begun):
                await jobs.cancel(job_id)
        return (await jobs.status(job_id)).state

    assert asyncio.run(scenario()) == "cancelled"
    assert not list(tmp_path.rglob("*.partial"))


def test_picking_up(store: JobStore, pocket: Path, tmp_path: Path) -> None:
    """A machine that lost its power while two jobs ran, of which one dies each time."""

    async def scenario() -> tuple[tuple[str, ...], str, str]:
        jobs = QuantJobs(store)
        assert await jobs.pick_up() == ()
        good = store.add(wanted(pocket, tmp_path), "")
        bad = store.add(wanted(pocket, tmp_path, "Q6_K"), "")
        for job, num_runs in ((good, 1), (bad, 3)):
            with Journal(job.journal_path) as journal:
                for _ in range(num_runs):
                    journal.write(Begun(("source", "quantise:Q8_0")))
        started = await jobs.pick_up()
        async for _ in jobs.follow(good.id):
            pass
        assert started == (good.id,)
        assert await jobs.pick_up() == ()  # nothing is left
        return started, (await jobs.status(good.id)).state, (await jobs.status(bad.id)).error

    _, state, error = asyncio.run(scenario())
    assert state == "done"
    assert error == "Its process died 3 times in the same step."


def test_following_ends_where_nobody_works(store: JobStore) -> None:
    async def scenario() -> list[int]:
        job = store.add(JobRequest("x", ("Q8_0",)), "")
        with Journal(job.journal_path) as journal:
            journal.write(Begun(()))
            journal.write(Note("a"))
        return [entry.number async for entry in QuantJobs(store).follow(job.id)]

    assert asyncio.run(scenario()) == [1, 2]


def test_what_is_not_there(store: JobStore) -> None:
    jobs = QuantJobs(store)

    async def follow() -> None:
        async for _ in jobs.follow("absent"):
            pass

    for work in (jobs.status("absent"), jobs.cancel("absent"), follow()):
        with pytest.raises(JobNotFound):
            asyncio.run(work)


@pytest.mark.parametrize(
    "program", [("/nowhere/python",), (sys.executable, "-c", "import sys; sys.exit('no')")]
)
def test_a_tool_that_does_not_work(store: JobStore, program: tuple[str, ...]) -> None:
    with pytest.raises(EngineError, match="quantisation tool"):
        asyncio.run(QuantJobs(store, program).submit(JobRequest("x", ("Q8_0",))))
