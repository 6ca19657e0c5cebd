"""What the commands about models share: the store, the catalogue, and what names mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgellm.cli.catalogue import user_catalog
from edgellm.errors import ConfigError

if TYPE_CHECKING:
    from edgellm.catalog.card import ModelCard, Variant
    from edgellm.catalog.reference import HubReference
    from edgellm.config import Settings
    from edgellm.store.model import LocalModel, Manifest, Wanted
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
    return wanted(card.name_of(variant), variant)


def find_local(store: Store, name: str) -> LocalModel | None:
    """The model in the store that a name means: its own, a card's, or an `hf:` one's."""
    from edgellm.catalog.reference import CardReference, HubReference, parse_reference

    found = store.find(name)
    if found is not None:
        return found
    try:
        reference = parse_reference(name, user_catalog())
    except ConfigError:  # then it could only be a name of the store's own
        return None
    if isinstance(reference, HubReference):
        return local_of_hub(store, reference)
    if isinstance(reference, CardReference):
        return next(iter(variants_here(store, reference.card, reference.quant).values()), None)
    return None


def variants_here(store: Store, card: ModelCard, quant: str = "") -> dict[Variant, LocalModel]:
    """The variants of a card whose files are in the store, and that edgellm can open."""
    found = {}
    for variant in card.variants:
        is_meant = variant.backend == "llama_cpp" and quant in {"", variant.quant}
        local = store.find(wanted_of(card, variant)) if is_meant and not variant.asset else None
        if local is not None:
            found[variant] = local
    return found


def local_of_hub(store: Store, reference: HubReference) -> LocalModel | None:
    """What was pulled of a repository: that file or quantisation, or the newest of all."""
    found = [model for model in store.list() if _is_of(model.manifest, reference)]
    newest = max(found, key=lambda model: model.manifest.pulled_at, default=None)
    return store.find(newest.id) if newest is not None else None


def _is_of(there: Manifest, reference: HubReference) -> bool:
    return (
        there.source.lower() == reference.source.lower()
        and reference.revision in {there.revision, there.commit}
        and reference.quant.lower() in {"", there.quant.lower()}
        and reference.file in {"", *(file.path for file in there.files)}
    )


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
