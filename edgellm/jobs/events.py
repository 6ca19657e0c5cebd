"""What happens in a job, one entry for each thing; `status.py` makes a picture of them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

End: TypeAlias = Literal["done", "refused", "failed", "cancelled"]


class Begun(Struct, frozen=True, tag="begun"):
    """A process works on the job, from here on with these steps. Comes again after a kill."""

    steps: tuple[str, ...]


class Waiting(Struct, frozen=True, tag="waiting"):
    """For what. The next other event is the end of it."""

    reason: str


class StepBegun(Struct, frozen=True, tag="step"):
    step: str


class Progress(Struct, frozen=True, tag="progress"):
    """Of the step. The unit is the step's own: bytes, tokens, tensors."""

    step: str
    done: int
    total: int


class StepDone(Struct, frozen=True, tag="step_done"):
    """`result` is what later steps need of it."""

    step: str
    result: Any = None
    is_kept: bool = False  # it was there already, of an earlier run


class Note(Struct, frozen=True, tag="note"):
    """What a user must know, and did not ask for."""

    text: str


class Ended(Struct, frozen=True, tag="ended"):
    """`refused`: made, but some files fall short of the limits and were not released."""

    state: End
    error: str = ""
    hint: str = ""


JobEvent: TypeAlias = Begun | Waiting | StepBegun | Progress | StepDone | Note | Ended


class Entry(Struct, frozen=True):
    """`number` counts from 1 without gaps; `time` in seconds since 1970."""

    number: int
    time: float
    event: JobEvent
