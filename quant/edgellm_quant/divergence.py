"""How far a quantised model is from the unquantised one, on the text of a reference run.

The figures are llama-perplexity's (`--kl-divergence`), but for its rounding: see
`distributions.py`. Runs llama.cpp in this process: `evaluate.measure_loss` does it in a child.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgellm.errors import QuantCancelled, QuantError
from edgellm_quant.distributions import Comparer, Comparison
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.logits import Model, open_model
from edgellm_quant.reference import Reference, foretold, perplexity
from edgellm_quant.spec import Loss


def measure(
    path: Path,
    reference: Reference,
    *,
    threads: int = 0,
    most_windows: int = 0,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Loss:
    """The loss of the model in `path` against the reference.

    Args:
        most_windows: of the reference's, the first so many; 0 = all.
        on_progress: is told windows, done and in all.

    Raises:
        QuantError: another vocabulary, a damaged reference, or llama.cpp fails.
        EngineLoadError: the model cannot be loaded.
    """
    text = reference.text
    count = min(most_windows or len(text.windows), len(text.windows))
    found: list[Comparison] = []
    with open_model(path, text.context, threads) as model:
        _check_vocabulary(model, text.num_vocab, path)
        for at in range(count):
            on_progress(at, count)
            if is_cancelled():
                raise QuantCancelled("The evaluation was cancelled.")
            comparer = Comparer(reference.window(at))
            window = _own_start(text.windows[at], model)
            found += [comparer.compare(*part) for part in foretold(model, window)]
    on_progress(count, count)
    return summarise(found)


def summarise(found: Sequence[Comparison]) -> Loss:
    """The figures of all positions together. Percentiles are interpolated, as llama.cpp's are."""
    kld = np.concatenate([part.kld for part in found])
    nll = np.concatenate([part.nll for part in found])
    reference_nll = np.concatenate([part.reference_nll for part in found])
    change = np.exp(-nll) - np.exp(-reference_nll)
    return Loss(
        num_tokens=len(kld),
        perplexity=perplexity(float(nll.mean())),
        reference_perplexity=perplexity(float(reference_nll.mean())),
        kld_mean=float(kld.mean()),
        kld_p90=float(np.quantile(kld, 0.90)),
        kld_p99=float(np.quantile(kld, 0.99)),
        kld_max=float(kld.max()),
        top1=float(np.concatenate([part.is_same_best for part in found]).mean()),
        kld_error=float(kld.std() / math.sqrt(max(1, len(kld) - 1))),
        delta_p_rms=float(np.sqrt(np.mean(change**2))),
    )


def _check_vocabulary(model: Model, num_vocab: int, path: Path) -> None:
    if model.num_vocab != num_vocab:
        raise QuantError(
            f"{path.name} has {model.num_vocab} tokens and its reference {num_vocab}: they are "
            "different models.",
            "Compare a file with the model that it was made of.",
        )


def _own_start(window: list[int], model: Model) -> list[int]:
    """The start token is the model's own, as llama-perplexity has it."""
    return window if model.start_token is None else [model.start_token, *window[1:]]
