"""`edgellm stop`: have a running server unload a model."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from edgellm.cli.admin import admin_client
from edgellm.cli.output import Format, put_json, say
from edgellm.cli.trust import CaFlag
from edgellm.types import ModelStatus


def stop(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `edgellm ps`.")],
    wait: Annotated[
        bool, typer.Option("--wait", help="Until its running requests have ended.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server. [default: the one on this device]"),
    ] = None,
    ca: CaFlag = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Unload a model. The next request for it loads it again."""
    status = asyncio.run(_stop(server, ca, model, wait))
    if output is Format.json:
        put_json(status)
    else:
        say(f"{status.id} is unloaded")


async def _stop(server: str | None, ca: str | None, model: str, wait: bool) -> ModelStatus:
    async with admin_client(server, ca) as client:
        return await client.unload_model(model, wait=wait)
