"""Evaluation of a quantised model: what it lost, what it costs, how it answers, and whether that
will do. Whatever loads a model runs in a child process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgellm_quant import child
from edgellm_quant.golden import GoldenPrompt
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.reference import Reference
from edgellm_quant.spec import Cost, Evaluation, Golden, Limits, Loss
from edgellm_quant.work import CostFound, LossFound, MeasureCost, MeasureLoss

__all__ = ["Reference", "evaluate", "make_reference", "measure_cost", "measure_loss", "refusal"]

make_reference = Reference.make


def evaluate(
    model: Path,
    reference: Reference,
    *,
    golden: Sequence[GoldenPrompt] = (),
    threads: int = 0,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Evaluation:
    """All that can be measured of a file.

    Args:
        reference: of the model that it was made of, see `Reference.make`.
        golden: prompts that it must answer as they say; empty = none are asked.
        threads: 0 = as many as are good.
        on_progress: is told windows of the text, done and in all.

    Raises:
        QuantCancelled, QuantError, EngineLoadError
    """
    loss = measure_loss(
        model, reference, threads=threads, on_progress=on_progress, is_cancelled=is_cancelled
    )
    cost = measure_cost(model, threads=threads, is_cancelled=is_cancelled)
    return Evaluation(loss, cost, _ask(model, golden, threads, is_cancelled))


def measure_loss(
    model: Path,
    reference: Reference,
    *,
    most_windows: int = 0,
    threads: int = 0,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Loss:
    """`divergence.measure` in a child process; same arguments, same errors."""
    work = MeasureLoss(str(model), str(reference.folder), most_windows, threads)
    match child.do(work, on_progress=on_progress, is_cancelled=is_cancelled):
        case LossFound(loss):
            return loss
        case other:
            raise TypeError(f"unexpected answer: {other}")


def measure_cost(model: Path, *, threads: int = 0, is_cancelled: IsCancelled = never) -> Cost:
    """`cost.measure` in a child process; same errors."""
    match child.do(MeasureCost(str(model), threads), is_cancelled=is_cancelled):
        case CostFound(cost):
            return cost
        case other:
            raise TypeError(f"unexpected answer: {other}")


def refusal(evaluation: Evaluation, limits: Limits) -> str:
    """Why the file may not be released, all reasons in one sentence; empty = it may. Pure.

    A figure that is not a number keeps no limit.
    """
    loss, golden = evaluation.loss, evaluation.golden
    reasons = []
    if limits.max_kld is not None and not loss.kld_mean <= limits.max_kld:
        reasons.append(f"its KL divergence is {loss.kld_mean:.4g}, above {limits.max_kld:g}")
    if limits.min_top1 is not None and not loss.top1 >= limits.min_top1:
        reasons.append(
            f"it agrees on {100 * loss.top1:.2f} % of the likeliest tokens, below "
            f"{100 * limits.min_top1:g} %"
        )
    if limits.min_golden is not None and not golden.share >= limits.min_golden:
        reasons.append(
            f"it answers {golden.num_passed} of {golden.num_prompts} golden prompts as it must, "
            f"below {100 * limits.min_golden:g} %"
        )
    text = "; ".join(reasons)
    return text[:1].upper() + text[1:] + "." if text else ""


def _ask(
    model: Path, golden: Sequence[GoldenPrompt], threads: int, is_cancelled: IsCancelled
) -> Golden:
    if not golden:
        return Golden(0, 0)
    from edgellm_quant.golden_run import ask

    outcomes = ask(model, golden, threads=threads, is_cancelled=is_cancelled)
    return Golden(sum(not outcome.failure for outcome in outcomes), len(outcomes))
