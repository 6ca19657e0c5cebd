"""The targets of a job that are not GGUF files: `--to onnx-int4,mlc-q4f16_1,hailo`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias, get_args

from msgspec import Struct

from edgellm.catalog.card import Catalog
from edgellm.hardware.profile import HardwareProfile
from edgellm_quant.cards import Origin, find_card
from edgellm_quant.hailo import refuse
from edgellm_quant.mlc import QUANTISATIONS, Quantisation, make_mlc
from edgellm_quant.onnx import Precision, make_onnx
from edgellm_quant.spec import Runtime

Progress: TypeAlias = Callable[[int, int], None]
IsCancelled: TypeAlias = Callable[[], bool]


class Source(Struct, frozen=True):
    """What a target is made of, and where."""

    checkpoint: Path  # a Hugging Face folder
    origin: Origin
    profile: HardwareProfile
    catalog: Catalog


# (source, folder to make, on_progress(steps done, in all), is_cancelled) -> that folder
Make: TypeAlias = Callable[[Source, Path, Progress, IsCancelled], Path]


class Target(Struct, frozen=True):
    """A kind of result. `make` writes a folder, whole or not at all; its errors are QuantError,
    ModelFileError, DiskFull and QuantCancelled."""

    name: str  # as the user writes it
    runtime: Runtime | None  # None = nothing can be made for it
    quant: str  # the result's label in the catalogue
    make: Make


def targets() -> dict[str, Target]:
    """All of them, by name."""
    onnx = (
        Target(f"onnx-{each}", "ort_genai", each, partial(_onnx, each))
        for each in get_args(Precision)
    )
    mlc = (Target(f"mlc-{each}", "mlc", each, partial(_mlc, each)) for each in QUANTISATIONS)
    hailo = Target("hailo", None, "a8w4", _hailo)
    return {each.name: each for each in (*onnx, *mlc, hailo)}


def _onnx(
    precision: Precision, source: Source, folder: Path, progress: Progress, cancelled: IsCancelled
) -> Path:
    return make_onnx(
        source.checkpoint, folder, precision, on_progress=progress, is_cancelled=cancelled
    )


def _mlc(
    name: Quantisation, source: Source, folder: Path, progress: Progress, cancelled: IsCancelled
) -> Path:
    return make_mlc(
        source.checkpoint,
        folder,
        name,
        profile=source.profile,
        on_progress=progress,
        is_cancelled=cancelled,
    )


def _hailo(source: Source, _folder: Path, _progress: Progress, _cancelled: IsCancelled) -> Path:
    card = find_card(source.origin, source.catalog)
    raise refuse(card, source.origin.source, source.catalog)
