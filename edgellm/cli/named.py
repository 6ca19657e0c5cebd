"""From what a user wrote to something that can be planned, pulled and served.

    find_named(text)     -> Named: a card with the variants that are meant, and what is known of
                            their files; of a model that no catalogue has, by the header of one
    plan_named(named)    -> a Plan, or NoFit
    fetch.bring(plan)    -> the model's files on this device, see `fetch.py`

Only remote models that are not here ask a network, and nothing is downloaded but headers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelCard, ModelFile, Variant
from edgellm.catalog.reference import (
    CardReference,
    HubReference,
    PathReference,
    UrlReference,
    parse_reference,
)
from edgellm.cli.headers import remote_header
from edgellm.cli.planning import make_plan, with_exact
from edgellm.cli.store import local_of_hub, variants_here
from edgellm.errors import DownloadFailed, ModelFileError
from edgellm.planner.facts import ModelFacts
from edgellm.planner.goal import Goal, NoFit, Plan, Situation
from edgellm.planner.header_card import card_of_header, quant_of_header, worth_choosing
from edgellm.planner.header_facts import facts_of_header
from edgellm.store.gguf_header import GGUFHeader, read_header
from edgellm.store.gguf_names import DEFAULT_QUANT, quant_of
from edgellm.store.model import LocalModel, Wanted

if TYPE_CHECKING:
    from edgellm.store.store import Store


# Where to look: here before anybody is asked, and only there for what is not said (to serve it);
# here for what is said, and everywhere for what is not (to plan it); at the remote (to pull it).
Scope: TypeAlias = Literal["here", "any", "remote"]


class Exact(Struct, frozen=True):
    """What the header of a variant's file said."""

    variant: Variant
    header: GGUFHeader
    facts: ModelFacts


class Named(Struct, frozen=True):
    """What a user's words came down to: one card, with the variants that are meant."""

    text: str  # as it may be shown: an address without what may be secret in it
    card: ModelCard
    catalog: Catalog  # with the card in it
    quant: str = ""  # empty = the plan chooses
    exact: tuple[Exact, ...] = ()
    here: dict[Variant, LocalModel | Path] = {}  # those whose files are on this device
    is_of_catalogue: bool = False  # otherwise the card comes from a header

    def facts_of(self, variant: Variant) -> ModelFacts | None:
        """Exact ones, if the variant's header was read."""
        return next((each.facts for each in self.exact if each.variant == variant), None)


def find_named(
    text: str, store: Store, catalog: Catalog, scope: Scope = "here", *, is_offline: bool = False
) -> Named:
    """What the text means: a file here, a name in the store, a card, something remote.

    Args:
        is_offline: no remote is asked.

    Raises:
        ConfigError: it means nothing; the hint says what comes near.
        ModelFileError: it is no model.
        StoreError: the hub refuses, or cannot be reached, or may not be asked.
    """
    path = Path(text).expanduser()
    if text and path.is_file():
        return _of_path(text, path, catalog)
    there = store.find(text) if scope != "remote" else None
    if there is not None:
        return _of_local(text, there, catalog)
    endpoint = store.hub.endpoint if text.lower().startswith("http") else ""
    match parse_reference(text, catalog, hub_endpoint=endpoint):
        case CardReference() as reference:
            return _of_card(text, reference, store, catalog, scope)
        case HubReference() as reference:
            is_clear = scope == "any" and (reference.file or reference.quant)
            local = local_of_hub(store, reference) if scope == "here" or is_clear else None
            if local is not None:
                return _of_local(text, local, catalog)
            _check_online(text, is_offline=is_offline)
            return _of_hub(text, reference, store, catalog)
        case UrlReference() as reference:
            _check_online(text, is_offline=is_offline)
            return _of_url(reference, store, catalog)
        case PathReference() as reference:
            return _of_path(text, reference.path, catalog)  # which says what is wrong with it
        case other:
            assert_never(other)


def _check_online(text: str, *, is_offline: bool) -> None:
    if is_offline:
        raise not_here(text)


def not_here(text: str) -> DownloadFailed:
    """The error for a model that would have to be fetched, and may not."""
    return DownloadFailed(
        f"{text} is not on this device, and nothing may be fetched (offline).",
        "Leave --offline and HF_HUB_OFFLINE out, or bring its file: edgellm pull ./FILE.",
    )


def plan_named(named: Named, goal: Goal, here: Situation, store: Store) -> Plan | NoFit:
    """The plan for a named model, by the exact facts of the file that it chooses.

    Args:
        goal: what else is wanted; its model and quantisation are those of `named`.
        here: this device, as `planning.look` sees it.
    """
    goal = replace(goal, model=named.card.id, quant=named.quant)
    here = replace(here, catalog=named.catalog)
    while True:
        found = make_plan(goal, with_exact(here, named.facts_of))
        if isinstance(found, NoFit) or named.is_of_catalogue or named.facts_of(found.variant):
            return found
        named = _with_header(named, found.variant, store)


def _with_header(named: Named, variant: Variant, store: Store) -> Named:
    header = remote_header(variant, store.hub)
    return replace(named, exact=(*named.exact, Exact(variant, header, facts_of_header(header))))


def _of_path(text: str, path: Path, catalog: Catalog) -> Named:
    from edgellm.store.sources.local import check_model_file

    checked = check_model_file(path)
    header = read_header(checked)
    variant = Variant(
        "llama_cpp",
        quant_of(path.name) or quant_of_header(header),
        source=f"file:{checked.parent}",
        files=(ModelFile(checked.name, checked.stat().st_size),),
    )
    return _of_header(text, text, header, (variant,), variant, catalog, {variant: checked})


def _of_local(text: str, local: LocalModel, catalog: Catalog) -> Named:
    """A model in the store: by its card, if the catalogue has it, and its own header."""
    if local.path.suffix.lower() != ".gguf":
        raise ModelFileError(
            f"{local.name} is no GGUF file.", "edgellm plans and serves GGUF files only, so far."
        )
    header = read_header(local.path)
    files = tuple(ModelFile(f.path, f.size_bytes, f.sha256) for f in local.manifest.files)
    variant = Variant(
        "llama_cpp",
        local.manifest.quant or quant_of_header(header),
        source=local.manifest.source,
        revision=local.manifest.revision,
        files=files,
    )
    card = catalog.find(local.name.rpartition(":")[0]) or catalog.find(local.name)
    if card is None:
        licence = local.manifest.licence
        here: dict[Variant, LocalModel | Path] = {variant: local}
        return _of_header(text, local.name, header, (variant,), variant, catalog, here, licence)
    exact = (Exact(variant, header, facts_of_header(header)),)
    card = replace(card, variants=(variant,))
    named = _named(text, card, catalog, exact, {variant: local})
    return replace(named, is_of_catalogue=True)


def _of_card(
    text: str, reference: CardReference, store: Store, catalog: Catalog, scope: Scope
) -> Named:
    card = reference.card
    here = variants_here(store, card, reference.quant)
    if scope == "here" and here:
        card = replace(card, variants=tuple(here))
    exact = tuple(_exact_here(variant, local) for variant, local in here.items())
    named = _named(text, card, catalog, exact, dict(here))
    return replace(named, quant=reference.quant, is_of_catalogue=True)


def _exact_here(variant: Variant, local: LocalModel) -> Exact:
    header = read_header(local.path)
    return Exact(variant, header, facts_of_header(header))


def _of_hub(text: str, reference: HubReference, store: Store, catalog: Catalog) -> Named:
    from edgellm.store.locate import all_in, named_in

    repository = store.hub.describe(reference.repo, reference.revision)
    if reference.file or reference.quant:
        wanted = named_in(
            repository, reference.revision, path=reference.file, quant=reference.quant
        )
        variants: tuple[Variant, ...] = (variant_of(wanted),)
    else:
        found = all_in(repository, reference.revision)
        variants = worth_choosing(map(variant_of, found))
        wanted = found[0]
    id_ = wanted.name if reference.file or not variants[0].quant else reference.name
    usual = min(variants, key=_unusualness)
    header = remote_header(usual, store.hub)
    return _of_header(text, id_, header, variants, usual, catalog, {}, repository.licence)


def _unusualness(variant: Variant) -> tuple[bool, int]:
    """Which file's header is read first: that of the one most people want, or of the smallest."""
    return variant.quant != DEFAULT_QUANT, variant.size_bytes or 0


def _of_url(reference: UrlReference, store: Store, catalog: Catalog) -> Named:
    from edgellm.store.locate import at_address

    wanted = at_address(reference.url)
    sizes = {file.path: file.size_bytes for file in store.resolve(wanted).files}
    files = tuple(ModelFile(file.path, sizes[file.path]) for file in wanted.files)
    variant = replace(variant_of(wanted), files=files)
    header = remote_header(variant, store.hub)
    variant = replace(variant, quant=variant.quant or quant_of_header(header))
    name = wanted.name
    return _of_header(name, name, header, (variant,), variant, catalog, {})


def variant_of(wanted: Wanted) -> Variant:
    """What could be pulled, as the planner sees it."""
    files = tuple(ModelFile(file.path, file.size_bytes, file.sha256) for file in wanted.files)
    return Variant(
        "llama_cpp", wanted.quant, source=wanted.source, revision=wanted.revision, files=files
    )


def _of_header(
    text: str,
    id_: str,
    header: GGUFHeader,
    variants: tuple[Variant, ...],
    whose: Variant,
    catalog: Catalog,
    here: dict[Variant, LocalModel | Path],
    licence: str = "",
) -> Named:
    """A model that no catalogue has. `whose`: the variant that the header belongs to."""
    facts = facts_of_header(header)
    card = card_of_header(id_, header, facts, variants, licence)
    return _named(text, card, catalog, (Exact(whose, header, facts),), here)


def _named(
    text: str,
    card: ModelCard,
    catalog: Catalog,
    exact: tuple[Exact, ...],
    here: dict[Variant, LocalModel | Path],
) -> Named:
    others = tuple(each for each in catalog.models if each.id != card.id)
    return Named(text, card, Catalog((card, *others)), "", exact, here)
