"""`edgellm rm`: removes models from this device. What was made here leaves the catalogue, too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from edgellm.cli.made import forget, take_out
from edgellm.cli.output import Format, format_bytes, put_json, say
from edgellm.cli.store import CONFIG_HELP, NotInStore, local_or_fail, open_store
from edgellm.errors import ConfigError

if TYPE_CHECKING:
    from edgellm.store.model import LocalModel
    from edgellm.store.store import Store


class Removed(Struct, frozen=True):
    """What `--format json` prints."""

    removed: tuple[str, ...]
    freed_bytes: int


def rm(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL…", help="Names that `list` shows.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="What interrupted pulls left, too.")
    ] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Files that were moved aside as corrupt, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
) -> None:
    """Remove models; one that a server of this device serves is refused."""
    store = open_store(config)
    if not models and not unfinished and not quarantined:
        raise ConfigError("Nothing is named to remove.", "`edgellm list` shows what is there.")
    found = [local for name in models or () if (local := _local_unless_forgotten(store, name))]
    size = sum(model.size_bytes for model in found)
    if found and not yes:
        _ask(f"remove {', '.join(model.name for model in found)} ({format_bytes(size)})?")
    freed = sum(store.remove(model) for model in found)
    take_out(found)
    freed += store.clean(unfinished=unfinished, quarantine=quarantined)
    if output is Format.json:
        put_json(Removed(tuple(model.name for model in found), freed))
    else:
        say(f"freed {format_bytes(freed)}")


def _local_unless_forgotten(store: Store, name: str) -> LocalModel | None:
    """None for what was made here and is in the catalogue only: that is taken out now.

    Raises:
        ConfigError: there is no such model.
    """
    try:
        return local_or_fail(store, name)
    except NotInStore:
        if not forget(name):
            raise
        return None


def _ask(question: str) -> None:
    """Without a terminal nobody can answer, and nothing is removed.

    Raises:
        ConfigError: nobody can be asked.
        Exit: no.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"Nobody can be asked: {question}", "--yes removes without a question.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
