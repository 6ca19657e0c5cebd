"""The words between the search, which decides what to measure, and the child that measures it.

They travel as JSON, a message on each line: `Open` once, then any number of `Run`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct

from edgellm.errors import EngineError
from edgellm.types import EngineOptions

CELLS = 1280  # tokens that the KV cache of a measured engine holds


class TooSlow(EngineError):
    """A measurement did not end in the time that was left."""


class Workload(Struct, frozen=True):
    """One prompt, and then an answer for each of the sequences that share it. Counts of tokens."""

    prompt: int
    answer: int = 0  # of each sequence
    sequences: int = 1


class Sample(Struct, frozen=True, tag="sample"):
    """How long a workload took."""

    prefill_seconds: float
    decode_seconds: float


class Loaded(Struct, frozen=True, tag="loaded"):
    """What an engine chose where it was let to, and the memory that it took."""

    threads: int
    threads_batch: int
    batch_tokens: int
    trained_context: int
    kv_token_bytes: int  # of the KV cache, for each token
    private_bytes: int | None = None  # memory that no file backs; None = not known


class Problem(Struct, frozen=True, tag="problem"):
    """Why a message could not be answered; the child ends after it."""

    message: str
    hint: str = ""


class Open(Struct, frozen=True, tag="open"):
    """Load this model; answered by `Loaded`."""

    backend: str
    path: str
    options: EngineOptions


class Run(Struct, frozen=True, tag="run"):
    """Measure this workload with so many threads; answered by `Sample`."""

    workload: Workload
    threads: int
    threads_batch: int


Request: TypeAlias = Open | Run
Answer: TypeAlias = Loaded | Sample | Problem

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """The message as a line."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    """What the parent wrote."""
    return _requests.decode(line)


def decode_answer(line: bytes) -> Answer:
    """What the child wrote.

    Raises:
        msgspec.DecodeError: it is not an answer.
    """
    return _answers.decode(line)
