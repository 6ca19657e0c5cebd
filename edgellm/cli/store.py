"""What the commands about models share: the store, the catalogue, and what names mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.catalogue import user_catalog
from edgellm.errors import ConfigError

if TYPE_CHECKING:
    from edgellm.catalog.card import Catalog, ModelCard, Variant
    from edgellm.config import Settings
    from edgellm.store.model import LocalModel, Wanted
    from edgellm.store.store import Store

CONFIG_HELP = "A settings file in TOML."


def open_store(config: Path | None = None) -> Store:
    """The store of this user: `models_folder`, or `models` in the data folder."""
    from edgellm.cli.settings import set_up_logging, user_settings

    settings = user_settings({}, config)
    set_up_logging("debug" if settings.log_level == "debug" else "warning")
    return store_of(settings)


def store_of(settings: Settings) -> Store:
    """The store of these settings."""
    from edgellm.cli.settings import user_paths
    from edgellm.store.store import Store

    folder = settings.models_folder
    return Store(Path(folder).expanduser().absolute() if folder else user_paths().data / "models")


def choose_variant(card: ModelCard, quant: str) -> Variant:
    """The variant of that quantisation; without one, Q4_K_M for llama.cpp, or its first.

    Raises:
        ConfigError: there is none; the hint lists what there is.
    """
    if quant:
        found = [each for each in card.variants if each.quant.lower() == quant.lower()]
    else:
        ours = [each for each in card.variants if each.backend == "llama_cpp"]
        found = [each for each in ours if each.quant == "Q4_K_M"] or ours
    if found:
        return found[0]
    there = ", ".join(f"{each.quant} ({each.backend})" for each in card.variants)
    raise ConfigError(f"{card.id} has no {quant or 'GGUF'}.", f"There are: {there}.")


def wanted_of(card: ModelCard, variant: Variant) -> Wanted:
    """What to pull for a variant.

    Raises:
        ConfigError: it comes with edgellm.
    """
    from edgellm.store.model import wanted

    if variant.asset:
        raise ConfigError(
            f"{card.id} {variant.quant} comes with edgellm and needs no pull.",
            "`edgellm serve` serves it.",
        )
    return wanted(f"{card.id}:{variant.quant}", variant)


def card_of(catalog: Catalog, id_: str) -> ModelCard:
    """The card of that id or alias.

    Raises:
        ConfigError: there is none; the hint says what is alike.
    """
    from difflib import get_close_matches

    card = catalog.find(id_)
    if card is not None:
        return card
    near = get_close_matches(id_, [each.id for each in catalog.models], n=3)
    alike = f"Did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(
        f"The catalogue has no model '{id_}'.",
        f"{alike}Other models: hf:OWNER/REPO[:QUANT], an https address, or ./FILE.gguf.",
    )


def find_local(store: Store, name: str) -> LocalModel | None:
    """The model in the store that a name means: its own, a card's, or an `hf:` one's."""
    from edgellm.store.reference import CardReference, parse

    found = store.find(name)
    if found is not None:
        return found
    reference = parse(name)
    if not isinstance(reference, CardReference):
        return None
    card = user_catalog().find(reference.id)
    for variant in card.variants if card is not None else ():
        is_meant = not reference.quant or variant.quant.lower() == reference.quant.lower()
        if card is not None and is_meant and not variant.asset:
            found = store.find(wanted_of(card, variant))
            if found is not None:
                return found
    return None


def local_or_fail(store: Store, name: str) -> LocalModel:
    """The same.

    Raises:
        ConfigError: it is not in the store; the hint lists what is.
    """
    found = find_local(store, name)
    if found is not None:
        return found
    there = ", ".join(model.name for model in store.list()[:10])
    raise NotInStore(
        f"{name} is not in the store.",
        f"There are: {there}." if there else "Nothing was pulled yet: edgellm pull MODEL.",
    )


class NotInStore(ConfigError):
    """A model that would have to be pulled first."""
