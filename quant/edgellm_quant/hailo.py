"""Hailo-10H: says which ready file serves a model, for none can be made here.

A HEF is compiled by Hailo's Dataflow Compiler, which Hailo gives to registered developers, for
x86-64 Linux only, and whose recipes for language models it keeps to itself. What it publishes is in
the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgellm.catalog.card import Catalog, ModelCard, Variant
from edgellm.errors import QuantError

WHY = (
    "Hailo's files (HEF) are compiled by Hailo's own Dataflow Compiler, for x86-64 Linux and from "
    "its developer zone; edgellm cannot make one."
)


def ready(catalog: Catalog) -> tuple[tuple[ModelCard, Variant], ...]:
    """All files that Hailo publishes and the catalogue knows."""
    return tuple(
        (card, variant)
        for card in catalog.models
        for variant in card.variants
        if variant.backend == "hailo"
    )


def refuse(card: ModelCard | None, source: str, catalog: Catalog) -> QuantError:
    """The answer to who wants such a file: the ready one, or the nearest to it.

    Args:
        card: the model's, if the catalogue has it.
        source: as the user named it.
    """
    own = [pair for pair in ready(catalog) if card is not None and pair[0].id == card.id]
    if own:
        return QuantError(
            WHY, f"There is a ready one of {card.id if card else source}: {_offers(own)}."
        )
    others = _by_size(ready(catalog), card)
    return QuantError(f"{WHY} Hailo publishes none of {source}.", f"Ready ones: {_offers(others)}.")


def _by_size(
    offers: Iterable[tuple[ModelCard, Variant]], card: ModelCard | None
) -> list[tuple[ModelCard, Variant]]:
    """The family's first, then what is nearest in size."""
    if card is None:
        return list(offers)
    return sorted(
        offers,
        key=lambda pair: (pair[0].family != card.family, abs(pair[0].params - card.params)),
    )


def _offers(pairs: Iterable[tuple[ModelCard, Variant]]) -> str:
    return "; ".join(
        f"edgellm pull {card.name_of(variant)} (for {variant.requires.runtime or 'HailoRT'}"
        f"{_speed(variant)})"
        for card, variant in pairs
    )


def _speed(variant: Variant) -> str:
    speed = variant.tokens_per_second
    return f", {speed:g} tokens/s as published" if speed is not None else ""
