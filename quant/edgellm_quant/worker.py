"""The working child process: one piece of work from stdin, its progress and result to stdout.

Its input stays open while somebody wants the result: when it ends, because the parent cancelled or
died, the work stops at the next window.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import BinaryIO, assert_never

from edgellm.errors import EdgellmError
from edgellm_quant.work import (
    CostFound,
    LossFound,
    MakeMatrix,
    MakeReference,
    MeasureCost,
    MeasureLoss,
    Problem,
    Progress,
    Result,
    Work,
    Written,
    decode_work,
    encode,
)


def main() -> int:
    """Do what the first line of stdin asks."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # native libraries print to it
    work = decode_work(sys.stdin.buffer.readline())
    is_unwanted = threading.Event()
    threading.Thread(target=_watch, args=(is_unwanted,), daemon=True).start()
    try:
        answers.write(encode(_do(work, answers, is_unwanted)))
    except EdgellmError as error:
        answers.write(encode(Problem.of(error)))
    answers.flush()
    return 0


def _watch(is_unwanted: threading.Event) -> None:
    while os.read(0, 1 << 16):
        pass
    is_unwanted.set()


def _do(work: Work, answers: BinaryIO, is_unwanted: threading.Event) -> Result:
    """Each module is imported where it is needed: a child that measures memory loads no more."""

    def tell(done: int, total: int) -> None:
        answers.write(encode(Progress(done, total)))
        answers.flush()

    match work:
        case MakeReference():
            from edgellm_quant.reference import Reference

            made = Reference.compute(
                Path(work.path),
                work.text,
                Path(work.folder),
                context=work.context,
                most_windows=work.most_windows,
                threads=work.threads,
                on_progress=tell,
                is_cancelled=is_unwanted.is_set,
            )
            return Written(str(made.folder))
        case MeasureLoss():
            from edgellm_quant import divergence
            from edgellm_quant.reference import Reference

            loss = divergence.measure(
                Path(work.path),
                Reference.open(Path(work.reference)),
                threads=work.threads,
                most_windows=work.most_windows,
                on_progress=tell,
                is_cancelled=is_unwanted.is_set,
            )
            return LossFound(loss)
        case MakeMatrix():
            from edgellm_quant import calibrate

            target = calibrate.collect(
                Path(work.path),
                Path(work.target),
                work.text,
                dataset=work.dataset,
                context=work.context,
                most_windows=work.most_windows,
                has_output=work.has_output,
                threads=work.threads,
                on_progress=tell,
                is_cancelled=is_unwanted.is_set,
            )
            return Written(str(target))
        case MeasureCost():
            from edgellm_quant import cost

            measured = cost.measure(
                Path(work.path), threads=work.threads, is_cancelled=is_unwanted.is_set
            )
            return CostFound(measured)
        case _:
            assert_never(work)


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # no interpreter teardown under native threads
