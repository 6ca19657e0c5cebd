"""What a job's steps are done with: each of the sub-tool's parts behind one function.

The parts are imported when a step needs them, for some take seconds and hundreds of MB. Tests give
a job other tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct

from edgellm.jobs.request import BUILTIN, NO, JobRequest
from edgellm_quant.recipes import model_stem
from edgellm_quant.spec import Evaluation, Limits, Made, Recipe, Runtime

OnProgress: TypeAlias = Callable[[int, int], None]
IsCancelled: TypeAlias = Callable[[], bool]
Use: TypeAlias = Literal["calibration", "evaluation"]

BUILTIN_MODEL = "pocket"


class Ears(Struct, frozen=True):
    """How a step is listened to and stopped."""

    on_progress: OnProgress
    is_cancelled: IsCancelled
    on_note: Callable[[str], None]
    threads: int


class Opened(Protocol):
    """A model that is here (`sources.Source`)."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def kind(self) -> str: ...


class GGUFFile(Struct, frozen=True):
    """One that a user named by its path. Whether it can be quantised, a dry run tells."""

    path: Path
    kind: str = "gguf"

    @property
    def name(self) -> str:
        return model_stem(self.path)


def open_source(text: str, can_requantise: bool, ears: Ears) -> Opened:
    """The model that a user named; fetched, if it is on the hub."""
    path = Path(text)
    if path.is_file() and path.suffix == ".gguf":
        return GGUFFile(path)
    from edgellm.assets import builtin_model
    from edgellm.cli.settings import user_paths, user_settings
    from edgellm.cli.store import store_of
    from edgellm.store.store import Store
    from edgellm_quant.sources import open_source

    if text == BUILTIN_MODEL and not path.exists():
        return GGUFFile(builtin_model())
    source: Opened = open_source(
        text,
        models=store_of(user_settings({})),
        sources=Store(user_paths().data / "quant" / "sources"),
        can_requantise=can_requantise,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return source


def as_gguf(source: Opened, target: Path, ears: Ears) -> Path:
    """Converted to `target` without any loss."""
    from edgellm_quant.sources import Source, as_gguf

    assert isinstance(source, Source), source  # a file that was named by its path is GGUF
    return as_gguf(source, target, on_progress=ears.on_progress, is_cancelled=ears.is_cancelled)


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

    return make_imatrix(
        model,
        target,
        text,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )


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


def evaluate(model: Path, reference: Any, golden: str, ears: Ears) -> Evaluation:
    """Args: golden: which prompts are asked: "builtin", "no", or a file's path."""
    from edgellm_quant.evaluate import evaluate

    made: Evaluation = evaluate(
        model,
        reference,
        golden=_golden(golden, model),
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
    source: Path,
    budget_bytes: int,
    reference: Any,
    imatrix: Path | None,
    pruned_blocks: tuple[int, ...],
    ears: Ears,
) -> Recipe:
    from edgellm_quant.mix import best_mix

    made: Recipe = best_mix(
        source,
        budget_bytes,
        reference=reference,
        imatrix=imatrix,
        pruned_blocks=pruned_blocks,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def device_budget(source: Path) -> int:
    """Bytes of a model file that this device can serve."""
    from edgellm_quant.device_budget import device_budget

    return device_budget(source)


def least_blocks(source: Path, count: int, text: str, folder: Path, ears: Ears) -> tuple[int, ...]:
    """Args: folder: for a copy of the model."""
    from edgellm_quant.prune import least_blocks

    made: tuple[int, ...] = least_blocks(
        source,
        count,
        text=text,
        folder=folder,
        threads=ears.threads,
        on_progress=ears.on_progress,
        is_cancelled=ears.is_cancelled,
    )
    return made


def write_report(folder: Path, source: str, made: Sequence[Made], request: JobRequest) -> None:
    """REPORT.md with its picture."""
    from edgellm.hardware.detect import detect
    from edgellm.hardware.host import Host
    from edgellm_quant.about import About, machine_of, versions_here
    from edgellm_quant.command import command_of
    from edgellm_quant.report import write_report

    profile = detect(Host())
    about = About(
        text=Path(request.evaluate).name,
        calibration=Path(request.calibrate).name,
        machine=machine_of(profile),
        device=profile.label,
        versions=versions_here(),
        command=command_of(request),
    )
    write_report(folder, source, made, about=about)


def adopt(made: Made, source: str, ears: Ears) -> str:
    """Make a file a model of this device; the name that `edgellm serve` takes."""
    from edgellm.cli.catalogue import user_catalog
    from edgellm.cli.settings import user_settings
    from edgellm.cli.store import store_of
    from edgellm.hardware.detect import detect
    from edgellm.hardware.host import Host
    from edgellm_quant.emit import Origin, adopt

    found = adopt(
        made,
        Origin(source),
        store_of(user_settings({})),
        user_catalog(),
        detect(Host()),
        lambda progress: ears.on_progress(progress.done_bytes, progress.total_bytes or 0),
    )
    name: str = found.name
    return name


def make_other(name: str, checkpoint: Path, source: str, folder: Path, ears: Ears) -> Path:
    """A result that is no GGUF file, e.g. "onnx-int4"; the folder that was made."""
    from edgellm.cli.catalogue import user_catalog
    from edgellm.hardware.detect import detect
    from edgellm.hardware.host import Host
    from edgellm_quant.emit import Origin
    from edgellm_quant.targets import Source, targets

    wanted = Source(checkpoint, Origin(source), detect(Host()), user_catalog())
    made: Path = targets()[name].make(wanted, folder, ears.on_progress, ears.is_cancelled)
    return made


def other_targets() -> dict[str, tuple[Runtime | None, str]]:
    """The runtime and the label of each; no runtime: it can only be refused with a reason."""
    from edgellm_quant.targets import targets

    return {name: (target.runtime, target.quant) for name, target in targets().items()}


def read_text(word: str, use: Use) -> str:
    """The text of a file, or the one that comes with the program for this use.

    Raises:
        QuantError: there is no such file, or it is no text.
    """
    from edgellm_quant.texts import calibration_text, evaluation_text, read

    if word != BUILTIN:
        text: str = read(Path(word))
    else:
        text = calibration_text() if use == "calibration" else evaluation_text()
    return text


def _golden(word: str, model: Path) -> Sequence[Any]:
    from edgellm_quant.golden import builtin_prompts, load

    if word == NO:
        return ()
    prompts: Sequence[Any] = builtin_prompts(model) if word == BUILTIN else load(Path(word))
    return prompts


class Tools(Struct, frozen=True):
    """All of them, to be swapped."""

    open_source: Callable[[str, bool, Ears], Opened] = open_source
    as_gguf: Callable[[Opened, Path, Ears], Path] = as_gguf
    quantise: Callable[[Path, Path, Recipe, Path | None, Ears], Path] = quantise
    make_imatrix: Callable[[Path, Path, str, Ears], Path] = make_imatrix
    make_reference: Callable[[Path, Path, str, Ears], Any] = make_reference
    evaluate: Callable[[Path, Any, str, Ears], Evaluation] = evaluate
    refusal: Callable[[Evaluation, Limits], str] = refusal
    best_mix: Callable[[Path, int, Any, Path | None, tuple[int, ...], Ears], Recipe] = best_mix
    device_budget: Callable[[Path], int] = device_budget
    least_blocks: Callable[[Path, int, str, Path, Ears], tuple[int, ...]] = least_blocks
    write_report: Callable[[Path, str, Sequence[Made], JobRequest], None] = write_report
    adopt: Callable[[Made, str, Ears], str] = adopt
    make_other: Callable[[str, Path, str, Path, Ears], Path] = make_other
    other_targets: Callable[[], dict[str, tuple[Runtime | None, str]]] = other_targets
    read_text: Callable[[str, Use], str] = read_text
