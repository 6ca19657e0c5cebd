"""Quantisation jobs as the server sees them: it has them started, reads their journals, cancels.

The work is done by `python -m edgellm_quant` in a session of its own, which outlives the server: a
restart changes nothing for a job, and one that was killed with the machine is picked up.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from edgellm.errors import EngineError, InvalidRequest
from edgellm.jobs.events import Entry
from edgellm.jobs.journal import JournalReader
from edgellm.jobs.request import JobRequest
from edgellm.jobs.status import JobStatus
from edgellm.jobs.store import JobStore

PROGRAM = (sys.executable, "-m", "edgellm_quant")
_POLL_SECONDS = 0.25


class QuantJobs:
    """All jobs of this user, also those that the command line began."""

    def __init__(self, store: JobStore, program: Sequence[str] = PROGRAM) -> None:
        self._store = store
        self._program = tuple(program)

    async def submit(self, request: JobRequest) -> JobStatus:
        """Have a job checked, written down and started; the same request is the same job.

        Raises:
            InvalidRequest: it cannot be done as it is.
            EngineError: the sub-tool does not work.
        """
        answer = await self._ask("add", msgspec.json.encode(request))
        if error := answer.get("error"):
            raise InvalidRequest(str(error), str(answer.get("hint", "")), code="invalid_job")
        return await self.status(str(answer.get("id", "")))

    async def list(self) -> tuple[JobStatus, ...]:
        """The newest first."""
        return await asyncio.to_thread(lambda: tuple(job.status() for job in self._store.list()))

    async def status(self, job_id: str) -> JobStatus:
        """Raises JobNotFound."""
        return await asyncio.to_thread(lambda: self._store.find(job_id).status())

    async def cancel(self, job_id: str) -> JobStatus:
        """Ask it to stop; it may still be running then. Raises JobNotFound."""

        def cancel() -> JobStatus:
            job = self._store.find(job_id)
            if not job.status().is_over:
                job.cancel()
            return job.status()

        return await asyncio.to_thread(cancel)

    async def follow(self, job_id: str, after: int = 0) -> AsyncIterator[Entry]:
        """The entries behind number `after`, as they come, until nobody works on the job.

        Raises:
            JobNotFound: before the first entry.
        """
        job = self._store.find(job_id)
        reader = JournalReader(job.journal_path, after)
        while True:
            # Looked at first: whoever lets go of the job has written its last entry.
            status = await asyncio.to_thread(job.status)
            for entry in reader.new():
                yield entry
            if status.is_over or status.state == "interrupted":
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def pick_up(self) -> tuple[str, ...]:
        """Have those go on that were interrupted; their ids. Raises EngineError."""
        if not any(status.state == "interrupted" for status in await self.list()):
            return ()
        answer = await self._ask("pick-up")
        return tuple(map(str, answer.get("started", ())))

    async def _ask(self, command: str, data: bytes = b"") -> dict[str, Any]:
        """The sub-tool's answer."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self._program,
                command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, talk = await child.communicate(data)
            return msgspec.json.decode(output, type=dict[str, Any])
        except OSError as error:
            raise EngineError(f"The quantisation tool cannot be started: {error}.") from error
        except msgspec.DecodeError as error:
            words = talk.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise EngineError("The quantisation tool failed.", words) from error
