"""Which model of the catalogue a job's file is a variant of; where there is none, a card for it."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelCard
from edgellm.errors import QuantError
from edgellm.planner.header_card import card_of_header
from edgellm.planner.header_facts import facts_of_header
from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm.store.gguf_names import quant_of
from edgellm_quant.spec import Made

_QUANT_AT_END = re.compile(r"[-.](?:I?Q\d\w*|BF16|F16|F32|FP16|FP32)$", re.IGNORECASE)


class Origin(Struct, frozen=True):
    """What a job's files were made of."""

    source: str  # as the user named it: "pocket", "hf:owner/repo", a path
    name: str = ""  # of a model that no catalogue has; empty = after its source
    licence: str = ""  # of such a model, where its header does not say it


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
