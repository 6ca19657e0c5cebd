"""Makes a file of a job one of this device's models: in the store, in the catalogue, in the plan.

    to_variant(made)      what the catalogue says of it, for this device or for a hub
    card_for(made, ...)   the model that it is a variant of
    adopt(made, ...)      all of it; afterwards `edgellm serve NAME:LABEL` serves the file

The store takes the file by its digest: a hard link, or a copy on another disk. The catalogue's part
is a file of its own (`catalog/made.py`): what others say of the model stays, and the user's own
`models.yaml` is left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from edgellm.catalog.card import Catalog, Measured, ModelCard, ModelFile, Requires, Variant
from edgellm.errors import QuantError
from edgellm.planner.header_card import card_of_header
from edgellm.planner.header_facts import facts_of_header
from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm.store.gguf_names import quant_of
from edgellm.store.sources import local
from edgellm_quant.spec import Evaluation, Made

if TYPE_CHECKING:
    from edgellm.hardware.profile import HardwareProfile
    from edgellm.store.model import LocalModel
    from edgellm.store.progress import Progress
    from edgellm.store.store import Store

_QUANT_AT_END = re.compile(r"[-.](?:I?Q\d\w*|BF16|F16|F32|FP16|FP32)$", re.IGNORECASE)


class Origin(Struct, frozen=True):
    """What a job's files were made of."""

    source: str  # as the user named it: "pocket", "hf:owner/repo", a path
    name: str = ""  # of a model that no catalogue has; empty = after its source
    licence: str = ""  # of such a model, where its header does not say it


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
    is_one = len(wanted.files) == 1
    files = tuple(
        ModelFile(each.path, each.size_bytes, made.sha256 or _sha256(folder / each.path))
        if is_one
        else ModelFile(each.path, each.size_bytes, _sha256(folder / each.path))
        for each in wanted.files
    )
    measured = _measured(made.evaluation, device) if made.evaluation is not None else None
    return Variant(
        backend=made.runtime,
        quant=made.recipe.label,
        source=source or wanted.source,
        files=files,
        requires=Requires(device="cuda") if _needs_gpu(made) else Requires(),
        measured=measured,
    )


def card_for(made: Made, origin: Origin, catalog: Catalog) -> ModelCard:
    """The catalogue's card of the model, or one by the file's own header.

    A file of another shape than the card's is another model: one whose blocks were pruned is
    called after the first, anything else after its source.

    Raises:
        QuantError: it has no header to make a card of, or its name is taken.
        ModelFileError: its header cannot be read.
    """
    known = find_card(origin, catalog)
    if made.runtime != "llama_cpp":
        if known is None:
            raise QuantError(
                f"No catalogue knows {origin.source}, so nothing can be planned with its "
                f"{made.recipe.label}.",
                "Make a GGUF file of it in the same job: its header tells what a plan needs.",
            )
        return known
    header = read_header(Path(made.path))
    if known is not None and _is_of(known, header):
        return known
    if known is not None and made.recipe.pruned_blocks:
        return _pruned(known, made, header)
    card = _own_card(id_of(origin), header, origin.licence)
    if (taken := catalog.find(card.id)) is not None and not _is_of(taken, header):
        raise QuantError(
            f"{card.id} is another model in the catalogue, of another shape.",
            "Give this one a name of its own: --name.",
        )
    return card


def find_card(origin: Origin, catalog: Catalog) -> ModelCard | None:
    """The card that the user's words mean, or that describes the repository."""
    words = origin.source.strip()
    by_name = catalog.find(origin.name or words) or catalog.find(words.rpartition(":")[0])
    if by_name is not None or not words.lower().startswith("hf:"):
        return by_name
    repo = re.split(r"[:@]", words.removeprefix("hf:"), maxsplit=1)[0].lower()
    repo = "hf:" + "/".join(repo.split("/")[:2])
    for card in catalog.models:
        if repo in {card.base.lower(), *(variant.source.lower() for variant in card.variants)}:
            return card
    return None


def id_of(origin: Origin) -> str:
    """What to call a model that no catalogue has: short, in lower case, and no path."""
    words = origin.name or Path(origin.source.rstrip("/").partition("@")[0]).name
    words = words.removesuffix(".gguf").rpartition(":")[0] if ":" in words else words
    words = words.removesuffix(".gguf")
    if quant_of(f"{words}.gguf"):
        words = _QUANT_AT_END.sub("", words)
    return re.sub(r"[^a-z0-9._-]+", "-", words.lower()).strip("-.") or "model"


def _own_card(id_: str, header: GGUFHeader, licence: str) -> ModelCard:
    return card_of_header(id_, header, facts_of_header(header), (), licence)


def _is_of(card: ModelCard, header: GGUFHeader) -> bool:
    shape, facts = card.shape, facts_of_header(header)
    found = (len(facts.layers), facts.width, facts.vocab)
    return found == (shape.layers, shape.hidden, shape.vocab)


def _pruned(card: ModelCard, made: Made, header: GGUFHeader) -> ModelCard:
    """Whose loss was measured keeps the whole model's score, less that loss; otherwise nobody
    knows what it is worth."""
    count = len(made.recipe.pruned_blocks)
    own = _own_card(f"{card.id}-pruned{count}", header, card.licence)
    return replace(
        card,
        id=own.id,
        name=f"{card.name or card.id} without {count} of its blocks",
        description="",
        aliases=(),
        params=own.params,
        shape=own.shape,
        quality=card.quality if made.evaluation is not None else None,
        variants=(),
    )


def _measured(evaluation: Evaluation, device: str) -> Measured:
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
