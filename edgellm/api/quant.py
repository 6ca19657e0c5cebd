"""Quantisation jobs over HTTP. Who may manage models may run them: they read and write files.

POST   /admin/quant/jobs              begin one; the same body is the same job
GET    /admin/quant/jobs              all, the newest first
GET    /admin/quant/jobs/{id}
GET    /admin/quant/jobs/{id}/events  what happens, as Server-Sent Events; Last-Event-ID goes on
DELETE /admin/quant/jobs/{id}         cancel it; what is done is kept
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

import anyio
import msgspec
from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from edgellm.api.admin import check_is_local
from edgellm.api.body import read_body
from edgellm.errors import InvalidRequest
from edgellm.jobs.events import Entry
from edgellm.jobs.request import JobRequest
from edgellm.jobs.status import JobStatus, to_json
from edgellm.serving.quant_jobs import QuantJobs

_MAX_BODY_BYTES = 64 * 1024
_PING_SECONDS = 15
_SHUTDOWN_GRACE_SECONDS = 2.0


def admin_check(*, is_open: bool) -> Callable[[Request], None]:
    """Raises AdminRefused for a client that may not manage models."""

    def check(request: Request) -> None:
        if not is_open:
            check_is_local(request.client.host if request.client else "", request.headers)

    return check


def quant_routes(jobs: QuantJobs, check: Callable[[Request], None]) -> APIRouter:
    """The routes.

    Args:
        check: raises for a client that may not use them.
    """
    routes = APIRouter(prefix="/admin/quant/jobs", tags=["admin"])

    @routes.post("", status_code=202)
    async def submit(request: Request) -> Response:
        """Answers once the job is checked and started; the work goes on behind it."""
        check(request)
        wanted = _decode(await read_body(request, _MAX_BODY_BYTES))
        status = await jobs.submit(wanted)
        return _job(status, 202, {"Location": f"/admin/quant/jobs/{status.id}"})

    @routes.get("")
    async def list_jobs(request: Request) -> Response:
        check(request)
        return _json({"jobs": [to_json(status) for status in await jobs.list()]})

    @routes.get("/{job_id}")
    async def show(request: Request, job_id: str) -> Response:
        check(request)
        return _job(await jobs.status(job_id))

    @routes.get("/{job_id}/events")
    async def events(request: Request, job_id: str) -> Response:
        check(request)
        after = _last_event(request.headers)
        status = await jobs.status(job_id)
        if status.is_over and "last-event-id" in request.headers:
            last = [entry async for entry in jobs.follow(job_id, after)]
            if not last:
                return Response(status_code=204)  # so that a browser does not ask again
        return JobStream(jobs, job_id, after)

    @routes.delete("/{job_id}")
    async def cancel(request: Request, job_id: str) -> Response:
        """200 when it has stopped, 202 while it is about to."""
        check(request)
        status = await jobs.cancel(job_id)
        return _job(status, 200 if status.is_over else 202)

    return routes


class JobStream(EventSourceResponse):
    """A job's entries, each with its number as its id, and then `status`: how it stands."""

    def __init__(self, jobs: QuantJobs, job_id: str, after: int) -> None:
        self._shutting_down = anyio.Event()
        super().__init__(
            _write(jobs, job_id, after),
            ping=_PING_SECONDS,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            shutdown_event=self._shutting_down,
            shutdown_grace_period=0.0,  # a client that comes back goes on from the last id
        )


async def _write(jobs: QuantJobs, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    async for entry in jobs.follow(job_id, after):
        yield _frame(entry)
    status = await jobs.status(job_id)
    yield b"event: status\ndata: " + msgspec.json.encode(to_json(status)) + b"\n\n"


def _frame(entry: Entry) -> bytes:
    """The event's name is that of its kind: `progress`, `step_done`, `ended`, ..."""
    kind = entry.event.__struct_config__.tag
    head = f"id: {entry.number}\nevent: {kind}\ndata: ".encode()
    return head + msgspec.json.encode(entry) + b"\n\n"


def _last_event(headers: Mapping[str, str]) -> int:
    """Raises InvalidRequest."""
    text = headers.get("last-event-id", "0")
    if not text.isdecimal():
        raise InvalidRequest(
            f"Last-Event-ID cannot be '{text[:40]}'.", "It is the id of the last event that came."
        )
    return int(text)


def _decode(raw: bytes) -> JobRequest:
    """Raises InvalidRequest."""
    try:
        return msgspec.json.decode(raw, type=JobRequest)
    except msgspec.DecodeError as error:
        fields = ", ".join(JobRequest.__struct_fields__)
        raise InvalidRequest(
            f"The body of the request cannot be read: {error}.", f"It may have: {fields}."
        ) from None


def _job(status: JobStatus, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return _json({"job": to_json(status)}, code, headers)


def _json(data: object, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(data), code, dict(headers or {}), media_type="application/json"
    )
