"""What is asked of a working child process, and what it answers: JSON, a message on each line."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct

from edgellm.errors import (
    DiskFull,
    EdgellmError,
    EngineError,
    EngineLoadError,
    FolderUnusable,
    NotEnoughMemory,
    QuantCancelled,
    QuantError,
)
from edgellm_quant.spec import Cost, Loss

_ERRORS: dict[str, type[EdgellmError]] = {
    kind.__name__: kind
    for kind in (
        DiskFull,
        EngineError,
        EngineLoadError,
        FolderUnusable,
        NotEnoughMemory,
        QuantCancelled,
        QuantError,
    )
}


class MakeReference(Struct, frozen=True, tag="make_reference"):
    """`Reference.compute`; answered by `Written`, the reference's folder."""

    path: str
    text: str
    folder: str
    context: int
    most_windows: int
    threads: int


class MeasureLoss(Struct, frozen=True, tag="measure_loss"):
    """`divergence.measure`; `reference` is its folder."""

    path: str
    reference: str
    most_windows: int
    threads: int


class MakeMatrix(Struct, frozen=True, tag="make_matrix"):
    """`calibrate.collect`; answered by `Written`, the target."""

    path: str
    target: str
    text: str
    dataset: str
    context: int
    most_windows: int
    has_output: bool
    threads: int


class MeasureCost(Struct, frozen=True, tag="measure_cost"):
    """`cost.measure`."""

    path: str
    threads: int


class Progress(Struct, frozen=True, tag="progress"):
    """So much is done."""

    done: int
    total: int


class Written(Struct, frozen=True, tag="written"):
    """It is there."""

    path: str


class LossFound(Struct, frozen=True, tag="loss"):
    loss: Loss


class CostFound(Struct, frozen=True, tag="cost"):
    cost: Cost


class Problem(Struct, frozen=True, tag="problem"):
    """An error of ours; the child ends after it."""

    kind: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, error: EdgellmError) -> Problem:
        """As the parent will raise it."""
        known = next(each.__name__ for each in type(error).__mro__ if each in _KNOWN)
        return cls(known, error.message, error.hint)

    def error(self) -> EdgellmError:
        """The error again."""
        return _ERRORS.get(self.kind, QuantError)(self.message, self.hint)


_KNOWN = {*_ERRORS.values(), EdgellmError}
Work: TypeAlias = MakeReference | MeasureLoss | MakeMatrix | MeasureCost
Result: TypeAlias = Written | LossFound | CostFound
Answer: TypeAlias = Progress | Result | Problem

_encoder = msgspec.json.Encoder()
_works: msgspec.json.Decoder[Work] = msgspec.json.Decoder(Work)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def encode(message: Work | Answer) -> bytes:
    """The message as a line."""
    return _encoder.encode(message) + b"\n"


def decode_work(line: bytes) -> Work:
    """What the parent wrote."""
    return _works.decode(line)


def decode_answer(line: bytes) -> Answer:
    """What the child wrote.

    Raises:
        msgspec.DecodeError: it is not an answer.
    """
    return _answers.decode(line)
