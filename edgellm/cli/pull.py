"""`edgellm pull`: brings a model to this device, if it fits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.catalogue import user_catalog
from edgellm.cli.output import Format, format_bytes, put, put_json, say
from edgellm.cli.progress import interruptible, shown_progress
from edgellm.cli.store import CONFIG_HELP, find_local, wanted_of
from edgellm.errors import ConfigError, DownloadFailed, ModelFileError

if TYPE_CHECKING:
    from edgellm.catalog.card import Variant
    from edgellm.catalog.reference import Reference
    from edgellm.cli.named import Named
    from edgellm.planner.goal import NoFit
    from edgellm.store.model import LocalModel, Wanted
    from edgellm.store.store import Store

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def pull(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's name (qwen3-0.6b:Q8_0), hf:OWNER/REPO[:QUANT], hf:OWNER/REPO/FILE, "
            "an https address, or a file or folder of this device. Without a quantisation, the "
            "one that suits this device.",
        ),
    ],
    limit_rate: Annotated[
        str | None, typer.Option(help="Bytes per second at most: 500K, 5M. [default: no limit]")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Fetch it even if it does not fit this device.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Fetch a model, verify it and keep it; an interrupted pull goes on where it was."""
    from edgellm.cli.store import open_store

    rate = parse_rate(limit_rate)
    pulled = pull_model(open_store(config), model, rate, is_forced=force)
    if output is Format.json:
        from edgellm.cli.list_models import row

        put_json(row(pulled))
        return
    say(f"{pulled.name}: {format_bytes(pulled.size_bytes)}, sha256 verified")
    put(f"{pulled.path}\n")


def pull_model(
    store: Store, name: str, limit_rate: float | None = None, *, is_forced: bool = False
) -> LocalModel:
    """Pull whatever a name means, and show how far it is.

    Raises:
        EdgellmError: the name means nothing, it does not fit, or it cannot be pulled.
    """
    from edgellm.catalog.reference import PathReference, parse_reference

    endpoint = store.hub.endpoint if name.lower().startswith("http") else ""
    reference = parse_reference(name, user_catalog(), hub_endpoint=endpoint)
    with interruptible(), shown_progress() as show:
        if isinstance(reference, PathReference):
            return store.take_in(reference.path, show)
        try:
            wanted = chosen(store, name, reference, is_forced=is_forced)
        except DownloadFailed as error:
            found = find_local(store, name)
            if found is None:
                raise
            say(f"warning: {error.message} Using what is there.")
            return found
        return store.pull(wanted, show, limit_rate=limit_rate)


def chosen(store: Store, name: str, reference: Reference, *, is_forced: bool) -> Wanted:
    """What to fetch: what was named, or the plan's choice of it.

    Raises:
        EdgellmError: nothing of it fits; it means nothing; the remote refuses.
    """
    from edgellm.cli.fetch import figures, warn_if_short
    from edgellm.cli.named import find_named, plan_named
    from edgellm.cli.planning import look
    from edgellm.planner.goal import Goal, NoFit

    try:
        named = find_named(name, store, user_catalog(), "remote")
    except ModelFileError:
        if not is_forced:
            raise
        return _unplanned(store, reference)
    except DownloadFailed:
        cached = _in_cache_of_hub(store, reference)
        if cached is None:
            raise
        return cached
    is_choice = len(named.card.variants) > 1 and not named.quant
    here = look(named.catalog, may_measure=is_choice)
    found = plan_named(named, Goal(is_forced=is_forced), here, store)
    if isinstance(found, NoFit):
        return wanted_of(named.card, _not_served(named, found))
    if is_choice:
        say(f"{found.card.name_of(found.variant)} suits this device: {figures(found)}")
    warn_if_short(found)
    return wanted_of(found.card, found.variant)


def _not_served(named: Named, found: NoFit) -> Variant:
    """A variant for a runtime that is not here, whose user knows what for: it was named.

    Raises:
        EdgellmError: what was named does not fit, or nothing was named clearly.
    """
    from edgellm.cli.fetch import refusal

    is_other = all(each.code in {"runtime", "device"} for each in found.rejected)
    if not named.quant or not is_other or not found.rejected:
        raise refusal(named, found)
    say(f"warning: {named.text}: {found.rejected[0].reason}")
    return next(each for each in named.card.variants if each.quant == named.quant)


def _unplanned(store: Store, reference: Reference) -> Wanted:
    """By its name alone: nothing could be read of it.

    Raises:
        EdgellmError: the remote refuses, or has no such file.
    """
    from edgellm.catalog.reference import HubReference, UrlReference
    from edgellm.store.locate import at_address, named_in

    match reference:
        case HubReference():
            found = store.hub.describe(reference.repo, reference.revision)
            return named_in(found, reference.revision, path=reference.file, quant=reference.quant)
        case UrlReference():
            return at_address(reference.url)
        case _:
            raise AssertionError(reference)  # cards are planned without their files


def _in_cache_of_hub(store: Store, reference: Reference) -> Wanted | None:
    """A file that another program fetched through huggingface_hub, when nobody can be asked."""
    from edgellm.catalog.reference import HubReference
    from edgellm.store.gguf_names import all_parts, quant_of
    from edgellm.store.model import RemoteFile, Wanted

    if not isinstance(reference, HubReference) or not reference.file:
        return None
    paths = all_parts(reference.file)
    if any(store.hub.cached_file(reference.repo, p, reference.revision) is None for p in paths):
        return None
    return Wanted(
        name=f"{reference.name}/{paths[0]}",
        source=reference.source,
        files=tuple(RemoteFile(path) for path in paths),
        revision=reference.revision,
        backend="llama_cpp",
        quant=quant_of(paths[0]),
    )


def parse_rate(text: str | None) -> float | None:
    """Bytes per second of `5M`, in units of 1024 as curl has them.

    Raises:
        ConfigError: it is no rate.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?(?:/s)?", text.strip(), re.IGNORECASE)
    rate = float(match[1]) * _UNITS[match[2].upper()] if match else 0.0
    if not rate:
        raise ConfigError(
            f"'{text}' is no rate (--limit-rate).", "Write bytes per second, such as 500K or 5M."
        )
    return rate
