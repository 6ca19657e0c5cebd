"""The measuring process: loads one model, and times workloads until its input ends."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from edgellm.backends import load_backend
from edgellm.backends.base import OutOfMemory
from edgellm.backends.threads import bind_threads
from edgellm.errors import EdgellmError, EngineLoadError
from edgellm.tuning.measure import run, warm_up
from edgellm.tuning.workload import Open, Problem, decode_request, encode


def main() -> int:
    """Answer each line of stdin with one on stdout."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native libraries print to it
    try:
        _serve(answers)
    except EdgellmError as error:
        answers.write(encode(Problem(error.message, error.hint)))
    except OutOfMemory:
        answers.write(encode(Problem("The KV cache is too small for the workload.")))
    answers.flush()
    return 0


def _serve(answers: BinaryIO) -> None:
    first = decode_request(sys.stdin.buffer.readline())
    if not isinstance(first, Open):
        raise RuntimeError(f"expected Open, got {type(first).__name__}")
    bind_threads(first.options)
    backend = load_backend(first.backend, first.path, first.options, lambda _: None)
    if "completion" not in backend.model.capabilities:
        raise EngineLoadError(
            "Only models that write are tuned: this one is made for embeddings.",
            "It is served as it is.",
        )
    answers.write(encode(warm_up(backend)))
    answers.flush()
    for line in sys.stdin.buffer:
        request = decode_request(line)
        if isinstance(request, Open):
            raise RuntimeError("a second Open")
        backend.set_threads(request.threads, request.threads_batch)
        answers.write(encode(run(backend, request.workload)))
        answers.flush()


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # no interpreter teardown under native threads
