"""Quantisation jobs over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from edgellm.api.app import create_app
from edgellm.errors import InvalidRequest, JobNotFound
from edgellm.jobs.events import Begun, Ended, Entry, Progress
from edgellm.jobs.request import JobRequest
from edgellm.jobs.status import JobStatus
from edgellm.jobs.store import JobStore
from edgellm.serving.quant_jobs import QuantJobs
from edgellm.sse import SseDecoder
from tests.api.conftest import InMemory, ScriptedRouter, serve

REQUEST = JobRequest("/m/x.gguf", ("Q8_0",))
ENTRIES = (
    Entry(1, 5.0, Begun(("source", "report"))),
    Entry(2, 6.0, Progress("source", 1, 2)),
    Entry(3, 7.0, Ended("done")),
)


class ScriptedJobs(QuantJobs):
    """One job, that is over."""

    def __init__(self) -> None:
        self.submitted: list[JobRequest] = []
        self.cancelled: list[str] = []
        self.state = "done"

    def _status(self) -> JobStatus:
        return JobStatus("x-1", self.state, REQUEST, 5.0, 7.0)  # type: ignore[arg-type]

    async def submit(self, request: JobRequest) -> JobStatus:
        if "Q4KM" in request.to:
            raise InvalidRequest("There is no file type 'Q4KM'.", "Did you mean Q4_K_M?")
        self.submitted.append(request)
        return self._status()

    async def list(self) -> tuple[JobStatus, ...]:
        return (self._status(),)

    async def status(self, job_id: str) -> JobStatus:
        if job_id != "x-1":
            raise JobNotFound(f"There is no job '{job_id}'.")
        return self._status()

    async def cancel(self, job_id: str) -> JobStatus:
        await self.status(job_id)
        self.cancelled.append(job_id)
        return self._status()

    async def follow(self, job_id: str, after: int = 0) -> AsyncIterator[Entry]:
        for entry in ENTRIES[after:]:
            yield entry


@pytest.fixture
def jobs() -> ScriptedJobs:
    return ScriptedJobs()


@pytest.fixture
def client(jobs: ScriptedJobs) -> InMemory:
    return InMemory(create_app(ScriptedRouter(), quant=jobs))


def test_beginning_one(client: InMemory, jobs: ScriptedJobs) -> None:
    response = client.post("/admin/quant/jobs", {"source": "/m/x.gguf", "to": ["Q8_0"]})
    assert response.status_code == 202
    assert response.headers["location"] == "/admin/quant/jobs/x-1"
    job = response.json()["job"]
    assert (job["id"], job["state"], job["percent"]) == ("x-1", "done", 100)
    assert jobs.submitted == [REQUEST]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"to": ["Q8_0"]},
        {"source": "x", "sauce": 1},
        {"source": "x", "min_top1": 97},
        {"source": "x", "budget": "large"},
        {"source": "x", "to": ["Q4KM"]},
    ],
)
def test_bad_bodies(client: InMemory, jobs: ScriptedJobs, body: object) -> None:
    response = client.post("/admin/quant/jobs", body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["hint"]
    assert jobs.submitted == []


def test_looking_and_cancelling(client: InMemory, jobs: ScriptedJobs) -> None:
    assert client.get("/admin/quant/jobs").json()["jobs"][0]["id"] == "x-1"
    assert client.get("/admin/quant/jobs/x-1").json()["job"]["request"]["to"] == ["Q8_0"]
    assert client.request("DELETE", "/admin/quant/jobs/x-1").status_code == 200
    jobs.state = "running"
    assert client.request("DELETE", "/admin/quant/jobs/x-1").status_code == 202
    assert jobs.cancelled == ["x-1", "x-1"]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        response = client.request(method, f"/admin/quant/jobs/absent{path}")
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "job_not_found"


def ids(text: str) -> list[str]:
    return [line[4:] for line in text.splitlines() if line.startswith("id: ")]


def test_events(client: InMemory) -> None:
    response = client.get("/admin/quant/jobs/x-1/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = list(SseDecoder().feed(response.content))
    assert [event.name for event in events] == ["begun", "progress", "ended", "status"]
    assert msgspec.json.decode(events[1].data, type=Entry) == ENTRIES[1]
    assert msgspec.json.decode(events[3].data)["state"] == "done"
    assert ids(response.text) == ["1", "2", "3"]


def test_events_go_on_from_the_last(client: InMemory) -> None:
    def after(number: str) -> httpx.Response:
        headers = {"last-event-id": number}
        return client.get("/admin/quant/jobs/x-1/events", headers=headers)

    assert ids(after("1").text) == ["2", "3"]
    assert after("3").status_code == 204  # the browser's EventSource then asks no more
    assert after("x").status_code == 400


@pytest.mark.parametrize(("is_open", "status"), [(False, 403), (True, 200)])
def test_every_route_is_guarded(jobs: ScriptedJobs, is_open: bool, status: int) -> None:
    client = InMemory(create_app(ScriptedRouter(), is_admin_open=is_open, quant=jobs))
    elsewhere = {"x-forwarded-for": "203.0.113.9"}
    for method, path in (
        ("GET", ""),
        ("GET", "/x-1"),
        ("GET", "/x-1/events"),
        ("DELETE", "/x-1"),
    ):
        url = f"/admin/quant/jobs{path}"
        assert client.request(method, url, headers=elsewhere).status_code == status
    body = {"source": "x", "to": ["Q8_0"]}
    response = client.request("POST", "/admin/quant/jobs", json=body, headers=elsewhere)
    assert response.status_code == (202 if is_open else 403)
    assert bool(jobs.submitted) == is_open


def test_without_jobs_there_are_no_routes() -> None:
    client = InMemory(create_app(ScriptedRouter()))
    assert client.get("/admin/quant/jobs").status_code == 404


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with the real sub-tool."""
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGELLM_PORT", "1")
    jobs = QuantJobs(JobStore(tmp_path / "home" / "data" / "quant" / "jobs"))
    with serve(create_app(ScriptedRouter(), quant=jobs)) as url:
        yield url


def test_a_real_job_with_a_client_that_leaves(real: str, pocket: Path, tmp_path: Path) -> None:
    source = shutil.copy(pocket, tmp_path / "pocket-F16.gguf")
    body = {"source": str(source), "to": ["Q8_0", "Q4_0"], "evaluate": "no"}
    with httpx.Client(base_url=real, timeout=60) as http:
        response = http.post("/admin/quant/jobs", json=body)
        assert response.status_code == 202, response.text
        url = response.headers["location"] + "/events"
        with http.stream("GET", url) as stream:
            lines = stream.iter_lines()
            first = [next(line for line in lines if line.startswith("id: ")) for _ in range(2)]
        assert first == ["id: 1", "id: 2"]
        rest = http.get(url, headers={"last-event-id": "2"})
        events = list(SseDecoder().feed(rest.content))
        assert ids(rest.text)[0] == "3"
        status = msgspec.json.decode(events[-1].data)
        assert (events[-2].name, status["state"]) == ("ended", "done")
        released = [Path(made["path"]).name for made in status["made"]]
        assert released == ["pocket-Q8_0.gguf", "pocket-Q4_0.gguf"]
