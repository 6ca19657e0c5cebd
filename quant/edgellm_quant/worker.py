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
from edgellm_quant.hooks import IsCancelled, OnProgress
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
    def tell(done: int, total: int) -> None:
        answers.write(encode(Progress(done, total)))
        answers.flush()

    match work:
        case MakeReference():
            return _make_reference(work, tell, is_unwanted.is_set)
        case MeasureLoss():
            return _measure_loss(work, tell, is_unwanted.is_set)
        case MakeMatrix():
            return _make_matrix(work, tell, is_unwanted.is_set)
        case MeasureCost():
            return _measure_cost(work, is_unwanted.is_set)
        case _:
            assert_never(work)


# Each imports what it needs: a child that measures memory loads nothing else.


def _make_reference(work: MakeReference, tell: OnProgress, is_cancelled: IsCancelled) -> Written:
    from edgellm_quant.reference import Reference

    made = Reference.compute(
        Path(work.path),
        work.text,
        Path(work.folder),
        context=work.context,
        most_windows=work.most_windows,
        threads=work.threads,
        on_progress=tell,
        is_cancelled=is_cancelled,
    )
    return Written(str(made.folder))


def _measure_loss(work: MeasureLoss, tell: OnProgress, is_cancelled: IsCancelled) -> LossFound:
    from edgellm_quant import divergence
    from edgellm_quant.reference import Reference

    loss = divergence.measure(
        Path(work.path),
        Reference.open(Path(work.reference)),
        threads=work.threads,
        most_windows=work.most_windows,
        on_progress=tell,
        is_cancelled=is_cancelled,
    )
    return LossFound(loss)


def _make_matrix(work: MakeMatrix, tell: OnProgress, is_cancelled: IsCancelled) -> Written:
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
        is_cancelled=is_cancelled,
    )
    return Written(str(target))


def _measure_cost(work: MeasureCost, is_cancelled: IsCancelled) -> CostFound:
    from edgellm_quant import cost

    return CostFound(cost.measure(Path(work.path), threads=work.threads, is_cancelled=is_cancelled))


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # no interpreter teardown under native threads
