"""The picture of a job."""

from __future__ import annotations

import pytest

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
from edgellm.jobs.status import JobStatus, num_fruitless_runs, status_of, to_json

REQUEST = JobRequest("x.gguf", ("Q8_0",))
STEPS = ("source", "quantise:Q8_0", "release:Q8_0", "report")
BEGUN = Begun(STEPS)
DONE = StepDone("source")


def picture(*events: JobEvent, is_alive: bool = True) -> JobStatus:
    entries = [Entry(number, 10.0 + number, event) for number, event in enumerate(events, 1)]
    return status_of("x-1", REQUEST, 5.0, entries, is_alive=is_alive)


@pytest.mark.parametrize(
    ("events", "is_alive", "state"),
    [
        ((), False, "queued"),
        ((), True, "queued"),
        ((BEGUN,), True, "running"),
        ((BEGUN,), False, "interrupted"),
        ((Waiting("another job"),), True, "waiting"),
        ((Waiting("another job"), BEGUN), True, "running"),
        ((BEGUN, Ended("done")), True, "done"),
        ((BEGUN, Ended("failed", "x")), False, "failed"),
        ((BEGUN, Ended("cancelled"), BEGUN), True, "running"),
    ],
)
def test_states(events: tuple[JobEvent, ...], is_alive: bool, state: str) -> None:
    assert picture(*events, is_alive=is_alive).state == state


def test_how_far_it_is() -> None:
    status = picture(BEGUN, DONE, StepBegun("quantise:Q8_0"), Progress("quantise:Q8_0", 5, 10))
    assert (status.step, status.done, status.total) == ("quantise:Q8_0", 5, 10)
    assert (status.num_done, status.num_steps, status.percent) == (1, 4, 38)
    assert status.updated == 14.0
    assert to_json(status)["percent"] == 38
    assert picture().percent == 0


def test_a_later_run_counts_alone() -> None:
    status = picture(
        BEGUN, Note("old"), Ended("failed", "why", "do"), BEGUN, Note("a"), Note("a"), DONE
    )
    assert (status.error, status.hint, status.notes) == ("", "", ("a",))
    made = StepDone("release:Q8_0", {"path": "/y"}, is_kept=True)
    assert picture(BEGUN, BEGUN, made).made == ({"path": "/y"},)


def test_runs_that_bring_nothing() -> None:
    def count(*events: JobEvent) -> int:
        return num_fruitless_runs([Entry(n, 0, event) for n, event in enumerate(events, 1)])

    kept = StepDone("quantise:Q8_0", is_kept=True)
    assert count() == 0
    assert count(BEGUN, DONE, BEGUN, kept, BEGUN) == 3
    assert count(BEGUN, BEGUN, StepDone("quantise:Q8_0")) == 0
    assert count(BEGUN, BEGUN, Ended("cancelled"), BEGUN) == 1
