"""`edgellm pull`: brings a model to this device."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.catalogue import user_catalog
from edgellm.cli.output import Format, format_bytes, put, put_json, say
from edgellm.cli.store import (
    CONFIG_HELP,
    card_of,
    choose_variant,
    find_local,
    wanted_of,
)
from edgellm.errors import ConfigError, DownloadFailed, PullCancelled

if TYPE_CHECKING:
    from edgellm.store.model import LocalModel, Wanted
    from edgellm.store.store import Store

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def pull(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's name (qwen3-0.6b:Q8_0), hf:OWNER/REPO[:QUANT], hf:OWNER/REPO/FILE, "
            "an https address, or a file or folder of this device.",
        ),
    ],
    limit_rate: Annotated[
        str | None, typer.Option(help="Bytes per second at most: 500K, 5M. [default: no limit]")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Fetch a model, verify it and keep it; an interrupted pull goes on where it was."""
    from edgellm.cli.store import open_store

    rate = parse_rate(limit_rate)
    pulled = pull_model(open_store(config), model, rate)
    if output is Format.json:
        from edgellm.cli.list_models import row

        put_json(row(pulled))
        return
    say(f"{pulled.name}: {format_bytes(pulled.size_bytes)}, sha256 verified")
    put(f"{pulled.path}\n")


def pull_model(store: Store, name: str, limit_rate: float | None = None) -> LocalModel:
    """Pull whatever a name means, and show how far it is.

    Raises:
        EdgellmError: the name means nothing, or it cannot be pulled.
    """
    from edgellm.cli.progress import shown_progress
    from edgellm.store.reference import LocalPath, parse

    endpoint = store.hub.endpoint if name.startswith("http") else ""
    reference = parse(name, endpoint)
    with _interruptible(), shown_progress() as show:
        if isinstance(reference, LocalPath):
            return store.take_in(reference.path, show)
        try:
            wanted = _wanted(store, name, endpoint)
        except DownloadFailed as error:
            return _what_is_there(store, name, error)
        return store.pull(wanted, show, limit_rate=limit_rate)


def _what_is_there(store: Store, name: str, error: DownloadFailed) -> LocalModel:
    """Offline, a name still means what it meant when it was pulled.

    Raises:
        DownloadFailed: it was not.
    """
    from edgellm.store.gguf_names import DEFAULT_QUANT

    found = find_local(store, name) or find_local(store, f"{name}:{DEFAULT_QUANT}")
    if found is None:
        raise error
    say(f"warning: {error.message} Using what is there.")
    return found


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


def _wanted(store: Store, name: str, endpoint: str) -> Wanted:
    from edgellm.store.reference import Address, CardReference, HubReference, at_address, locate
    from edgellm.store.reference import parse as parse_reference

    match parse_reference(name, endpoint):
        case HubReference() as reference:
            return locate(reference, store.hub)
        case Address() as address:
            return at_address(address)
        case CardReference() as reference:
            card = card_of(user_catalog(), reference.id)
            return wanted_of(card, choose_variant(card, reference.quant))
        case _:
            raise AssertionError(name)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end a pull where it is, with words instead of a traceback."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise PullCancelled(
            "The pull was interrupted.", "What came is kept: the same command goes on from there."
        ) from None
    finally:
        signal.signal(signal.SIGTERM, old)
