"""The steps of a job and their names. Pure.

A target goes through three steps, `quantise:KEY`, `evaluate:KEY` and `release:KEY`, where KEY is
its file type, or "mix" for the one whose types are found by measuring. Without an evaluation there
is nothing to report.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgellm.jobs.request import NO, JobRequest
from edgellm.jobs.status import RELEASE
from edgellm_quant.recipes import wants_mix

MIX = "mix"
QUANTISE, EVALUATE = "quantise:", "evaluate:"


ADOPT = "adopt:"


def steps_of(
    request: JobRequest, types: Iterable[str], others: Iterable[str] = ()
) -> tuple[str, ...]:
    """In the order in which they are done.

    Args:
        others: results that are no GGUF files; each is one step.
    """
    steps = ["source"]
    has_evaluation = request.evaluate != NO
    steps += ["imatrix"] if request.calibrate else []
    steps += ["prune"] if request.prune_blocks else []
    steps += ["reference"] if has_evaluation else []
    steps += [MIX] if wants_mix(request) else []
    types = tuple(types)
    for key in (*types, *((MIX,) if wants_mix(request) else ())):
        steps.append(QUANTISE + key)
        steps += [EVALUATE + key] if has_evaluation else []
        steps.append(RELEASE + key)
        steps += [ADOPT + key] if request.adopt else []
    steps += [RELEASE + name for name in others]
    return (*steps, *(("report",) if has_evaluation else ()))
