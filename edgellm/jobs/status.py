"""Where a job stands, made of its journal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from edgellm.jobs.events import (
    Begun,
    Ended,
    Entry,
    JobEvent,
    Note,
    Progress,
    StepBegun,
    StepDone,
    Waiting,
)
from edgellm.jobs.request import JobRequest

State: TypeAlias = Literal[
    "queued", "running", "waiting", "interrupted", "done", "refused", "failed", "cancelled"
]
RELEASE = "release:"  # begins the step whose result is a file that was made


class JobStatus(Struct, frozen=True):
    """`interrupted`: it has not ended, and nobody works on it; it goes on with the next run, or the
    next start of the server. `made`: what is known of each file (`edgellm_quant.spec.Made`)."""

    id: str
    state: State
    request: JobRequest
    created: float  # seconds since 1970
    updated: float
    step: str = ""
    num_done: int = 0  # steps
    num_steps: int = 0
    done: int = 0  # of the step
    total: int = 0
    reason: str = ""  # what it waits for
    notes: tuple[str, ...] = ()
    made: tuple[Any, ...] = ()
    error: str = ""
    hint: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "refused", "failed", "cancelled")

    @property
    def percent(self) -> int:
        """Of the steps, each counted alike, with a part of the current one."""
        if self.state in ("done", "refused"):
            return 100
        part = self.done / self.total if self.total else 0.0
        return round(100 * (self.num_done + min(1.0, part)) / max(1, self.num_steps))


def to_json(status: JobStatus) -> dict[str, Any]:
    """For programs: all fields, and the percentage."""
    fields: dict[str, Any] = msgspec.to_builtins(status)
    return fields | {"percent": status.percent}


def status_of(
    job_id: str,
    request: JobRequest,
    created: float,
    entries: Sequence[Entry],
    *,
    is_alive: bool,
) -> JobStatus:
    """The picture.

    Args:
        is_alive: whether a process works on the job.
    """
    last = _last_run(entries)
    events = [entry.event for entry in last]
    results = {e.step: e.result for e in events if isinstance(e, StepDone)}
    begun = next((e for e in events if isinstance(e, Begun)), Begun(()))
    ended = events[-1] if events and isinstance(events[-1], Ended) else None
    step, done, total = _current(events)
    return JobStatus(
        job_id,
        _state(events, ended, is_alive),
        request,
        created,
        entries[-1].time if entries else created,
        step="" if ended else step,
        num_done=len(results.keys() & set(begun.steps)),
        num_steps=len(begun.steps),
        done=done,
        total=total,
        reason=events[-1].reason if events and isinstance(events[-1], Waiting) else "",
        notes=tuple(dict.fromkeys(e.text for e in events if isinstance(e, Note))),
        made=tuple(results[name] for name in results if name.startswith(RELEASE)),
        error=ended.error if ended else "",
        hint=ended.hint if ended else "",
    )


def num_fruitless_runs(entries: Sequence[Entry]) -> int:
    """Runs at the journal's end that began, and neither ended nor brought a step to its end: what
    kills its process each time is not to be tried for ever."""
    count = 0
    for entry in entries:
        match entry.event:
            case Begun():
                count += 1
            case StepDone(is_kept=False, step=step) if step != "source":
                count = 0
            case Ended():
                count = 0
            case _:
                pass
    return count


def results_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """Each step's last result, of all runs."""
    events = (entry.event for entry in entries)
    return {event.step: event.result for event in events if isinstance(event, StepDone)}


def _last_run(entries: Sequence[Entry]) -> Sequence[Entry]:
    """A run tells again of the steps that it found done."""
    starts = [i for i, entry in enumerate(entries) if isinstance(entry.event, Begun)]
    return entries[starts[-1] :] if starts else entries


def _state(events: Sequence[JobEvent], ended: Ended | None, is_alive: bool) -> State:
    if ended is not None:
        return ended.state
    if not is_alive:
        return "interrupted" if events else "queued"
    if not events:
        return "queued"
    return "waiting" if isinstance(events[-1], Waiting) else "running"


def _current(events: Sequence[JobEvent]) -> tuple[str, int, int]:
    """The step that runs, and how far it is."""
    for event in reversed(events):
        match event:
            case Progress(step, done, total):
                return step, done, total
            case StepBegun(step):
                return step, 0, 0
            case StepDone():
                return "", 0, 0
            case _:
                pass
    return "", 0, 0
