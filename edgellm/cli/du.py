"""`edgellm du`: what the models take on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgellm.cli.output import Format, format_bytes, put, put_json, table
from edgellm.cli.store import CONFIG_HELP, open_store


def du(
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Sum up what models, unfinished pulls and quarantined files take."""
    store = open_store(config)
    usage = store.disk_usage()
    if output is Format.json:
        put_json(
            {"folder": str(store.places.root), "usage": usage, "total_bytes": usage.total_bytes}
        )
        return
    names = {model.id: model.name for model in store.list()}
    rows = [(format_bytes(size), names.get(id_, id_)) for id_, size in usage.models.items()]
    rows += [(format_bytes(usage.unfinished_bytes), "unfinished (edgellm rm --unfinished)")]
    rows += [(format_bytes(usage.quarantine_bytes), "moved aside (edgellm rm --quarantined)")]
    rows += [(format_bytes(usage.total_bytes), f"in {store.places.root}")]
    if usage.free_bytes is not None:
        rows += [(format_bytes(usage.free_bytes), "free")]
    put(table(rows))
