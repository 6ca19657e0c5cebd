"""Importance matrices: which columns of each weight a text uses most. Equal to llama-imatrix's.

`make_imatrix` computes in a child process; `collect` is what that child does.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from pathlib import Path

from edgellm.errors import QuantCancelled, QuantError
from edgellm_quant import child, imatrix_file, windows
from edgellm_quant.collector import Collector, Sums
from edgellm_quant.ggml import open_ggml
from edgellm_quant.hooks import IsCancelled, OnProgress, never, tell_nobody
from edgellm_quant.imatrix_file import ImportanceMatrix
from edgellm_quant.logits import DEFAULT_CONTEXT, open_model
from edgellm_quant.parts import model_digest
from edgellm_quant.work import MakeMatrix

SAVE_SECONDS = 20.0  # between two savings: what a power cut costs at most, with one window


def make_imatrix(
    model: Path,
    target: Path,
    text: str,
    *,
    dataset: str = "",
    context: int = DEFAULT_CONTEXT,
    most_windows: int = 0,
    has_output: bool = False,
    threads: int = 0,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Path:
    """`collect` in a child process; same arguments, same errors."""
    work = MakeMatrix(
        str(model), str(target), text, dataset, context, most_windows, has_output, threads
    )
    child.do(work, on_progress=on_progress, is_cancelled=is_cancelled)
    return target


def collect(
    model: Path,
    target: Path,
    text: str,
    *,
    dataset: str = "",
    context: int = DEFAULT_CONTEXT,
    most_windows: int = 0,
    has_output: bool = False,
    threads: int = 0,
    on_progress: OnProgress = tell_nobody,
    is_cancelled: IsCancelled = never,
) -> Path:
    """Compute the matrix in this process and write it to `target`.

    What a run has done is in `<target>.partial` every SAVE_SECONDS, and when it is cancelled; the
    next run of the same model, text and settings goes on from there.

    Args:
        dataset: what the text is called; goes into the file.
        most_windows: of the text; 0 = all.
        has_output: whether `output.weight` counts, too. It is of little use, for file types give
            it many bits anyway; llama-imatrix leaves it out unless told to.
        on_progress: is told windows, done and in all.

    Raises:
        QuantError: the text is too short, or the model overflows.
        QuantCancelled, EngineLoadError, DiskFull, FolderUnusable
    """
    from llama_cpp import llama_cpp as lib

    partial = target.with_name(target.name + ".partial")
    key = _key(model, text, f"{context} {most_windows} {has_output}")
    begun = _begun(partial, key)
    collector = Collector(open_ggml(lib._lib), has_output=has_output, sums=begun.sums)

    def save(path: Path, num_done: int) -> None:
        imatrix_file.write(
            path, ImportanceMatrix(collector.sums, (dataset,), num_done, context, key)
        )

    with open_model(model, context, threads, observer=collector) as loaded:
        cuts = windows.cut(
            loaded.tokenize(text), context, start_token=loaded.start_token, most=most_windows
        )
        is_due = _Due(SAVE_SECONDS)
        for at in range(begun.num_chunks, len(cuts)):
            on_progress(at, len(cuts))
            is_over = is_cancelled()
            if is_over or is_due():
                save(partial, at)
            if is_over:
                raise QuantCancelled("The calibration was cancelled.", "Run it again to go on.")
            for _ in loaded.stream(cuts[at]):
                pass  # the collector has seen it
    if not collector.sums:
        raise QuantError(f"{model.name} has no weight that a text would tell about.")
    save(target, len(cuts))
    partial.unlink(missing_ok=True)
    on_progress(len(cuts), len(cuts))
    return target


class _Due:
    """Says so when some seconds have passed since it last did."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = time.monotonic()

    def __call__(self) -> bool:
        is_due = time.monotonic() - self._since >= self._seconds
        if is_due:
            self._since = time.monotonic()
        return is_due


def _begun(partial: Path, key: str) -> ImportanceMatrix:
    """What an earlier run of the same left, or nothing."""
    with contextlib.suppress(QuantError):
        found = imatrix_file.read(partial)
        if found.key == key:
            return found
    sums: dict[str, Sums] = {}
    return ImportanceMatrix(sums, (), 0, 0)


def _key(model: Path, text: str, settings: str) -> str:
    words = f"{model_digest(model)}\n{settings}\n{text}"
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()
