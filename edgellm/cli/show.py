"""`edgellm show MODEL`: what the catalogue or the file itself tells of a model, what of it is here,
and whether it fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from edgellm.catalog.card import Measured
from edgellm.cli.catalogue import user_catalog
from edgellm.cli.list_models import Row, builtin, row
from edgellm.cli.output import Format, format_bytes, put, put_json, say, table
from edgellm.cli.store import CONFIG_HELP, find_local, open_store, wanted_of
from edgellm.errors import ModelFileError

if TYPE_CHECKING:
    from edgellm.catalog.card import ModelCard, Variant
    from edgellm.catalog.reference import HubReference
    from edgellm.cli.named import Scope
    from edgellm.cli.show_file import FileFacts, Fit
    from edgellm.store.model import LocalModel
    from edgellm.store.store import Store


class Offer(Struct, frozen=True):
    """A variant. `local` is None until it is pulled; sizes are None where nobody said them."""

    quant: str
    backend: str
    files: tuple[str, ...]
    source: str
    size_bytes: int | None = None
    requires: str = ""
    local: Row | None = None
    measured: Measured | None = None


class Shown(Struct, frozen=True):
    """What `--format json` prints."""

    id: str
    offers: tuple[Offer, ...]
    name: str = ""
    description: str = ""
    params: int | None = None
    context: int | None = None
    licence: str = ""
    commercial: bool | None = None
    features: tuple[str, ...] = ()
    header: FileFacts | None = None  # of a model that is here, or that no catalogue has
    fit: Fit | None = None  # the same models on this device


def show(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's name, hf:OWNER/REPO[:QUANT], an https address, or a file.",
        ),
    ],
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Show a model: its facts and licence, its variants, and which of them are here."""
    shown = look(open_store(config), model)
    if output is Format.json:
        put_json(shown)
    else:
        put(render(shown))


def look(store: Store, name: str) -> Shown:
    """Everything that is known under a name. Only what is remote asks the network.

    Raises:
        EdgellmError: nothing is known under it, or the hub refuses.
    """
    from edgellm.catalog.reference import CardReference, HubReference, parse_reference

    found = store.find(name)
    if found is not None:
        return _with_header(_of_local(found), store, name, "here")
    endpoint = store.hub.endpoint if name.lower().startswith("http") else ""
    reference = parse_reference(name, user_catalog(), hub_endpoint=endpoint)
    if isinstance(reference, CardReference):
        return _of_card(store, reference.card)
    if isinstance(reference, HubReference):
        is_clear = reference.file or reference.quant
        found = find_local(store, name) if is_clear else None
        shown = _of_local(found) if found is not None else _of_repository(store, reference)
        return _with_header(shown, store, name, "here" if found is not None else "remote")
    return _with_header(Shown(name, ()), store, name, "here")


def _of_local(found: LocalModel) -> Shown:
    there = row(found)
    paths = tuple(file.path for file in found.manifest.files)
    offer = Offer(there.quant, there.backend, paths, there.source, there.size_bytes, "", there)
    return Shown(found.name, (offer,), licence=found.manifest.licence)


def _with_header(shown: Shown, store: Store, name: str, scope: Scope) -> Shown:
    """With what the file itself tells. What was listed is shown even if its header is no good.

    Raises:
        ModelFileError: nothing was listed, and it is no model.
    """
    from edgellm.cli.named import find_named
    from edgellm.cli.show_file import file_facts, fit_here

    try:
        named = find_named(name, store, user_catalog(), scope)
    except ModelFileError as error:
        if not shown.offers:
            raise
        say(f"warning: {error.message}")
        return shown
    return replace(
        shown,
        offers=shown.offers or tuple(_file_offer(variant) for variant in named.card.variants),
        name=shown.name or named.card.name,
        params=named.card.params,
        context=named.card.context,
        licence=shown.licence or named.card.licence,
        header=file_facts(named.exact[0]),
        fit=fit_here(named, store),
    )


def _file_offer(variant: Variant) -> Offer:
    """A file that is here without being in the store, or at an address."""
    from edgellm.store.sources.http import public

    source = public(variant.source) if "://" in variant.source else variant.source
    files = tuple(file.path for file in variant.files)
    return Offer(variant.quant, variant.backend, files, source, variant.size_bytes)


def render(shown: Shown) -> str:
    """For people."""
    facts = [
        ("model", f"{shown.name} ({shown.id})" if shown.name else shown.id),
        ("about", shown.description),
        ("parameters", f"{shown.params:,}" if shown.params else ""),
        ("context", f"{shown.context:,} tokens" if shown.context else ""),
        ("licence", _licence(shown)),
        ("features", ", ".join(shown.features)),
        *_file_rows(shown),
    ]
    head = ("quant", "runtime", "size", "here", "source")
    text = table([fact for fact in facts if fact[1]])
    text += "\n" + table([head, *(_cells(offer) for offer in shown.offers)])
    measured = [offer for offer in shown.offers if offer.measured is not None]
    if measured:
        head = ("measured", "KL divergence", "perplexity", "same best token", "tokens/s")
        text += "\n" + table([head, *map(_measured_cells, measured)])
    return text


def _file_rows(shown: Shown) -> list[tuple[str, str]]:
    if shown.header is None or shown.fit is None:
        return []
    from edgellm.cli.show_file import fact_rows, fit_rows

    return [*fact_rows(shown.header), *fit_rows(shown.fit)]


def _of_card(store: Store, card: ModelCard) -> Shown:
    return Shown(
        card.id,
        tuple(_offer(store, card, variant) for variant in card.variants),
        name=card.name,
        description=card.description,
        params=card.params,
        context=card.context,
        licence=card.licence,
        commercial=card.commercial,
        features=card.features,
    )


def _offer(store: Store, card: ModelCard, variant: Variant) -> Offer:
    requires = " ".join(filter(None, (variant.requires.device, variant.requires.runtime)))
    if variant.asset:
        local = next(iter(builtin()), None)
        size = local.size_bytes if local is not None else None
        files: tuple[str, ...] = (variant.asset,)
        source = "comes with edgellm"
    else:
        wanted = wanted_of(card, variant)
        found = store.find(wanted)
        local = row(found) if found is not None else None
        size = found.size_bytes if found is not None else variant.size_bytes
        files = tuple(file.path for file in wanted.files)
        source = variant.source
    measured = variant.measured
    return Offer(variant.quant, variant.backend, files, source, size, requires, local, measured)


def _of_repository(store: Store, reference: HubReference) -> Shown:
    """The GGUF files of a repository, as the hub lists them."""
    from edgellm.store.gguf_names import all_parts, is_first_part, quant_of
    from edgellm.store.model import RemoteFile, Wanted

    repository = store.hub.describe(reference.repo, reference.revision)
    source = reference.source
    sizes = {file.path: file.size_bytes or 0 for file in repository.files}
    offers = []
    for path in filter(is_first_part, sizes):
        paths = all_parts(path)
        files = tuple(map(RemoteFile, paths))
        found = store.find(Wanted(path, source, files, reference.revision))
        size = sum(sizes.get(each, 0) for each in paths)
        local = row(found) if found is not None else None
        offers.append(Offer(quant_of(path), "llama_cpp", paths, source, size, "", local))
    return Shown(source, tuple(offers), licence=repository.licence)


def _licence(shown: Shown) -> str:
    use = {None: "", True: "", False: " (no commercial use)"}[shown.commercial]
    return shown.licence + use if shown.licence else "not known"


def _measured_cells(offer: Offer) -> tuple[str, ...]:
    found = offer.measured
    assert found is not None
    ratio, top1, speed = found.perplexity_ratio, found.top1, found.decode_tokens_per_second
    return (
        offer.quant,
        "-" if found.kld_mean is None else f"{found.kld_mean:.3g}",
        "-" if ratio is None else f"x {ratio:.4f}",
        "-" if top1 is None else f"{top1:.1%}",
        "-" if speed is None else f"{speed:.1f} ({found.device or 'device not known'})",
    )


def _cells(offer: Offer) -> tuple[str, ...]:
    size = format_bytes(offer.size_bytes) if offer.size_bytes else "-"
    here = "yes" if offer.local is not None else "-"
    return (offer.quant or offer.files[0], offer.backend or "-", size, here, offer.source)
