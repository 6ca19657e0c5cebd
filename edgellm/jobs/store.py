"""The folder of all jobs, and one job's in it.

    <root>/heavy.lock            held by the process that does heavy work; one at a time
    <root>/<id>/job.json         what was asked, and when
    <root>/<id>/journal.jsonl    what happened (`journal.py`)
    <root>/<id>/lock             held by the process that works on the job, and gone with it
    <root>/<id>/cancel           somebody asked to stop
    <root>/<id>/log              what a process without a terminal says

A job's id is made of what was asked and of the source's state, so the same request is the same job,
and goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from edgellm.atomic import write_atomically
from edgellm.errors import JobNotFound, JobRunning, QuantError
from edgellm.jobs.events import Ended
from edgellm.jobs.journal import Journal, read_entries
from edgellm.jobs.request import JobRequest
from edgellm.jobs.status import JobStatus, status_of
from edgellm.store.lock import lock

_GLANCES = 2  # who asks whether a job is alive has its lock for a moment
_ID = re.compile(r"[A-Za-z0-9._-]{1,80}")


class Asked(Struct, frozen=True):
    """The content of job.json."""

    request: JobRequest
    created: float


class Job:
    """One job's folder."""

    def __init__(self, folder: Path, asked: Asked) -> None:
        self.folder = folder
        self.request, self.created = asked.request, asked.created

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def journal_path(self) -> Path:
        return self.folder / "journal.jsonl"

    @property
    def log_path(self) -> Path:
        return self.folder / "log"

    @property
    def is_cancelled(self) -> bool:
        return self._cancel_path.exists()

    @property
    def _cancel_path(self) -> Path:
        return self.folder / "cancel"

    def status(self) -> JobStatus:
        """Where it stands."""
        # Before the journal is read: whoever lets go of the lock has written its last entry.
        is_alive = self.is_alive()
        entries = read_entries(self.journal_path)
        return status_of(self.id, self.request, self.created, entries, is_alive=is_alive)

    def is_alive(self) -> bool:
        """Whether a process works on it."""
        with lock(self.folder / "lock", is_shared=True) as is_free:
            return not is_free

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the process that works on it.

        Raises:
            JobRunning: another one is.
        """
        num_tries = 0

        def on_wait() -> None:
            nonlocal num_tries
            num_tries += 1
            if num_tries > _GLANCES:
                raise JobRunning(
                    f"The job {self.id} is being worked on.", f"See: edgellm quant show {self.id}"
                )

        with lock(self.folder / "lock", on_wait=on_wait):
            yield

    def want(self) -> None:
        """Somebody asks for it (again): an earlier wish to cancel is over."""
        self._cancel_path.unlink(missing_ok=True)

    def cancel(self) -> None:
        """Ask who works on it to stop; where nobody does, it is cancelled at once."""
        self._cancel_path.touch()
        with contextlib.suppress(JobRunning), self.held():
            if not self.status_alone().is_over:
                with Journal(self.journal_path) as journal:
                    journal.write(Ended("cancelled"))

    def status_alone(self) -> JobStatus:
        """As `status`, for the process that holds the job."""
        entries = read_entries(self.journal_path)
        return status_of(self.id, self.request, self.created, entries, is_alive=False)


class JobStore:
    """All jobs of this user."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def heavy_lock(self) -> Path:
        return self.root / "heavy.lock"

    def add(self, request: JobRequest, source_state: str) -> Job:
        """The job of this request, new or not.

        Args:
            source_state: changes when the source does.

        Raises:
            QuantError: the folder cannot be written.
        """
        job_id = _id_of(request, source_state)
        folder = self.root / job_id
        with contextlib.suppress(JobNotFound):
            return self.find(job_id)
        asked = Asked(request, time.time())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "job.json", msgspec.json.encode(asked))
        except OSError as error:
            raise QuantError(
                f"The job cannot be written down: {error}.",
                "Set EDGELLM_HOME to a folder that can be written.",
            ) from error
        return Job(folder, asked)

    def find(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        if _ID.fullmatch(job_id) and job_id.strip("."):
            try:
                data = (self.root / job_id / "job.json").read_bytes()
                return Job(self.root / job_id, msgspec.json.decode(data, type=Asked))
            except (OSError, msgspec.DecodeError):
                pass
        raise JobNotFound(f"There is no job '{job_id}'.", "See: edgellm quant list")

    def list(self) -> list[Job]:
        """The newest first."""
        found = []
        for path in self.root.glob("*/job.json"):
            with contextlib.suppress(JobNotFound):
                found.append(self.find(path.parent.name))
        return sorted(found, key=lambda job: job.created, reverse=True)


def _id_of(request: JobRequest, source_state: str) -> str:
    digest = hashlib.sha256(msgspec.json.encode(request) + source_state.encode()).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(request.source).stem).strip("-.")[:40]
    return f"{stem or 'job'}-{digest[:8]}"
