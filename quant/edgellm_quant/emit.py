"""Makes a file of a job one of this device's models: in the store, in the catalogue, in the plan.

    to_variant(made)      what the catalogue says of it, for this device or for a hub
    adopt(made, ...)      all of it; afterwards `edgellm serve NAME:LABEL` serves the file

The store takes the file by its digest: a hard link, or a copy on another disk. The catalogue's part
is a file of its own (`catalog/made.py`): what others say of the model stays, and the user's own
`models.yaml` is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from edgellm.catalog.card import Catalog, Measured, ModelCard, ModelFile, Requires, Variant
from edgellm.errors import QuantError
from edgellm.store.sources import local
from edgellm_quant.cards import Origin, card_for
from edgellm_quant.spec import Evaluation, Made

if TYPE_CHECKING:
    from edgellm.hardware.profile import HardwareProfile
    from edgellm.store.model import LocalModel
    from edgellm.store.progress import Progress
    from edgellm.store.store import Store

__all__ = ["Adopted", "Origin", "adopt", "measured_of", "to_variant"]


class Adopted(Struct, frozen=True):
    """A file that is a model of this device now."""

    name: str  # that `edgellm serve` takes
    card: ModelCard
    variant: Variant
    model: LocalModel


def adopt(
    made: Made,
    origin: Origin,
    store: Store,
    catalog: Catalog,
    profile: HardwareProfile,
    on_progress: Callable[[Progress], None] | None = None,
) -> Adopted:
    """Take a file into the store and into the catalogue. To do it again changes nothing.

    Args:
        catalog: as `cli.catalogue.user_catalog` has it.
        profile: the device on which the file was measured, which is this one.

    Raises:
        QuantError: it was refused, or is no model that a card can be made for.
        ModelFileError, StoreError: the file is gone or another one, or the disk is full.
        ConfigError: the catalogue's file has a mistake.
    """
    from edgellm.cli import made as made_here
    from edgellm.cli.store import wanted_of
    from edgellm_quant.learn import learn

    variant = to_variant(made, device=profile.label)
    card = card_for(made, origin, catalog)
    model = store.pull(wanted_of(card, variant), on_progress)
    made_here.add(card, variant)
    learn(made, profile)
    return Adopted(card.name_of(variant), card, variant, model)


def to_variant(made: Made, *, source: str = "", device: str = "") -> Variant:
    """What a catalogue says of the file.

    Args:
        source: where others get it, e.g. "hf:owner/repo"; empty = where it lies.
        device: the label of the device on which it was measured.

    Raises:
        QuantError: it was refused.
        ModelFileError: it is no model, or a part of it is missing.
    """
    if made.refusal:
        raise QuantError(
            f"{made.recipe.label} was not released: {made.refusal.rstrip('.')}.",
            "Loosen the job's limits, or choose a larger type.",
        )
    path = Path(made.path)
    wanted, _ = local.resolve(path)
    folder = path if path.is_dir() else path.parent
    digest = "" if path.is_dir() or len(wanted.files) > 1 else made.sha256  # of the one file
    files = tuple(
        ModelFile(each.path, each.size_bytes, digest or _sha256(folder / each.path))
        for each in wanted.files
    )
    measured = measured_of(made.evaluation, device) if made.evaluation is not None else None
    return Variant(
        backend=made.runtime,
        quant=made.recipe.label,
        source=source or wanted.source,
        files=files,
        requires=Requires(device="cuda") if _needs_gpu(made) else Requires(),
        measured=measured,
    )


def measured_of(evaluation: Evaluation, device: str) -> Measured:
    """As the catalogue has it. `device`: the label of the one on which it was measured."""
    loss, cost = evaluation.loss, evaluation.cost
    return Measured(
        kld_mean=_rounded(loss.kld_mean),
        perplexity_ratio=_rounded(loss.perplexity / loss.reference_perplexity),
        top1=_rounded(loss.top1),
        device=device,
        resident_bytes=cost.resident_bytes or None,
        prefill_tokens_per_second=_rounded(cost.prefill_tokens_per_second) or None,
        decode_tokens_per_second=_rounded(cost.decode_tokens_per_second) or None,
    )


def _rounded(value: float) -> float:
    """To five digits, for people read it, too."""
    return float(f"{value:.5g}")


def _needs_gpu(made: Made) -> bool:
    """ORT-GenAI's fp16 graphs have no kernels on the CPU."""
    return made.runtime == "ort_genai" and made.recipe.label == "fp16"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
