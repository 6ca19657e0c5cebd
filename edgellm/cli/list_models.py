"""`edgellm list`: the models that are on this device."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from edgellm.cli.output import Format, format_bytes, put, put_json, table
from edgellm.cli.store import CONFIG_HELP, open_store

if TYPE_CHECKING:
    from edgellm.store.model import LocalModel


class Row(Struct, frozen=True):
    """A model that is there. Times in Unix seconds; None for what comes with edgellm."""

    name: str
    id: str
    quant: str
    backend: str
    size_bytes: int
    path: str
    source: str
    commit: str = ""
    sha256: str | None = None
    pulled_at: float | None = None
    verified_at: float | None = None
    names: tuple[str, ...] = ()


def list_models(
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """List the models on this device."""
    rows = [*builtin(), *(row(model) for model in open_store(config).list())]
    if output is Format.json:
        put_json(rows)
        return
    head = ("name", "quant", "size", "verified", "source")
    put(table([head, *(_cells(each) for each in rows)]))


def row(model: LocalModel) -> Row:
    """A model of the store."""
    from edgellm.store.sources.http import public

    there = model.manifest
    return Row(
        name=model.name,
        id=model.id,
        quant=there.quant,
        backend=there.backend,
        size_bytes=model.size_bytes,
        path=str(model.path),
        source=public(there.source) if "://" in there.source else there.source,
        commit=there.commit,
        sha256=model.sha256,
        pulled_at=there.pulled_at,
        verified_at=there.verified_at,
        names=there.names,
    )


def builtin() -> list[Row]:
    """What comes with edgellm."""
    from edgellm.assets import builtin_model
    from edgellm.errors import ConfigError

    try:
        path = builtin_model()
    except ConfigError:
        return []
    size = path.stat().st_size
    return [Row("pocket", "pocket", "F16", "llama_cpp", size, str(path), "comes with edgellm")]


def _cells(model: Row) -> tuple[str, ...]:
    moment = model.verified_at
    day = datetime.fromtimestamp(moment).astimezone().date().isoformat() if moment else "-"
    return (model.name, model.quant or "-", format_bytes(model.size_bytes), day, model.source)
