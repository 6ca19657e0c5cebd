"""What a job's steps are done with: each of the sub-tool's parts behind one function.

The parts are imported when a step needs them, for some take seconds and hundreds of MB. Tests give
a job other tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.jobs.request import BUILTIN
from edgellm_quant.spec import Evaluation, Limits, Made, Recipe

OnProgress: TypeAlias = Callable[[int, int], None]
IsCancelled: TypeAlias = Callable[[], bool]


class Ears(Struct, frozen=True):
    """How a step is listened to and stopped."""

    on_progress: OnProgress
    is_cancelled: IsCancelled
    on_note: Callable[[str], None]
    threads: int


def fetch(name: str, ears: Ears) -> Path:
    """The model of a repository on the hub."""
    from edgellm.cli.settings import user_paths
    from edgellm.store.store import Store
    from edgellm_quant.fetch import fetch

    store = Store(user_paths().data / "quant" / "sources")
    return fetch(name, store, ears.on_progress, ears.is_cancelled)


def convert(folder: Path, target: Path, ears: Ears) -> Path:
    """Safetensors to GGUF, in the type that they have."""
    from edgellm_quant.convert import convert, natural_dtype

    made: Path = convert(
        folder,
        target,
        dtype=natural_dtype(folder),
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def quantise(source: Path, target: Path, recipe: Recipe, imatrix: Path | None, ears: Ears) -> Path:
    from edgellm_quant.gguf import quantise

    return quantise(
        source,
        target,
        recipe,
        imatrix=imatrix,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
        on_note=ears.on_note,
    )


def make_imatrix(model: Path, target: Path, text: str, ears: Ears) -> Path:
    from edgellm_quant.calibrate import make_imatrix

    made: Path = make_imatrix(
        model,
        target,
        text,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def make_reference(model: Path, folder: Path, text: str, ears: Ears) -> Any:
    """What the unquantised model says of the text; what is in `folder` is not done again."""
    from edgellm_quant.evaluate import make_reference

    return make_reference(
        model,
        text,
        folder,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )


def evaluate(model: Path, reference: Any, has_golden: bool, ears: Ears) -> Evaluation:
    """Args: has_golden: whether golden prompts are asked, too."""
    from edgellm_quant.evaluate import evaluate

    made: Evaluation = evaluate(
        model,
        reference,
        golden=_golden() if has_golden else (),
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def refusal(evaluation: Evaluation, limits: Limits) -> str:
    from edgellm_quant.evaluate import refusal

    reason: str = refusal(evaluation, limits)
    return reason


def best_mix(
    source: Path, budget_bytes: int, reference: Any, imatrix: Path | None, ears: Ears
) -> Recipe:
    from edgellm_quant.mix import best_mix

    made: Recipe = best_mix(
        source,
        budget_bytes,
        reference=reference,
        imatrix=imatrix,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def least_blocks(source: Path, count: int, text: str, ears: Ears) -> tuple[int, ...]:
    from edgellm_quant.prune import least_blocks

    made: tuple[int, ...] = least_blocks(
        source,
        count,
        text=text,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def write_report(folder: Path, source: str, made: Sequence[Made]) -> None:
    """REPORT.md with its picture, and models.yaml with an entry for each released file."""
    from edgellm_quant.report import write_report

    write_report(folder, source, made)


def read_text(word: str) -> str:
    """The text of a file, or the one that comes with the program.

    Raises:
        QuantError: there is no such file, or it is no text.
    """
    if word == BUILTIN:
        return resources.files("edgellm_quant").joinpath("texts/builtin.txt").read_text("utf-8")
    try:
        return Path(word).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuantError(
            f"The text {word} cannot be read: {error}.",
            "Name a file of plain text in UTF-8, or say builtin.",
        ) from error


def _golden() -> Sequence[Any]:
    from edgellm_quant.golden import builtin_prompts

    prompts: Sequence[Any] = builtin_prompts()
    return prompts


class Tools(Struct, frozen=True):
    """All of them, to be swapped."""

    fetch: Callable[[str, Ears], Path] = fetch
    convert: Callable[[Path, Path, Ears], Path] = convert
    quantise: Callable[[Path, Path, Recipe, Path | None, Ears], Path] = quantise
    make_imatrix: Callable[[Path, Path, str, Ears], Path] = make_imatrix
    make_reference: Callable[[Path, Path, str, Ears], Any] = make_reference
    evaluate: Callable[[Path, Any, bool, Ears], Evaluation] = evaluate
    refusal: Callable[[Evaluation, Limits], str] = refusal
    best_mix: Callable[[Path, int, Any, Path | None, Ears], Recipe] = best_mix
    least_blocks: Callable[[Path, int, str, Ears], tuple[int, ...]] = least_blocks
    write_report: Callable[[Path, str, Sequence[Made]], None] = write_report
    read_text: Callable[[str], str] = read_text
