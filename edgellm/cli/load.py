"""`edgellm load`: have a running server load a model now, and keep it if so wished."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.admin import admin_client
from edgellm.cli.output import Format, format_bytes, put_json, say
from edgellm.cli.trust import CaFlag
from edgellm.types import ModelStatus

if TYPE_CHECKING:
    from edgellm.client import EdgellmClient

_POLL_SECONDS = 0.5


def load(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name of `edgellm ps --all`.")],
    pin: Annotated[
        bool | None,
        typer.Option("--pin/--unpin", help="Keep it in memory whatever comes. [default: as it is]"),
    ] = None,
    keep_alive: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long it stays when idle: 5m, 0, forever."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server. [default: the one on this device]"),
    ] = None,
    ca: CaFlag = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Load a model on a running server, and wait until it is there."""
    status = asyncio.run(_load(server, ca, model, pin, keep_alive))
    if output is Format.json:
        put_json(status)
        return
    memory = "" if status.memory_bytes is None else f", {format_bytes(status.memory_bytes)}"
    say(f"{status.id} is loaded{memory}{', pinned' if status.is_pinned else ''}")


async def _load(
    server: str | None, ca: str | None, model: str, pin: bool | None, keep_alive: str | None
) -> ModelStatus:
    async with admin_client(server, ca) as client:
        telling = asyncio.create_task(_tell_progress(client, model))
        try:
            return await client.load_model(model, pin=pin, keep_alive=keep_alive)
        finally:
            telling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await telling


async def _tell_progress(client: EdgellmClient, name: str) -> None:
    """On a terminal, what the load is doing. Its failure is the load's business."""
    from edgellm.errors import EdgellmError

    told = ""
    while sys.stderr.isatty():
        await asyncio.sleep(_POLL_SECONDS)
        with contextlib.suppress(EdgellmError):
            for model in await client.admin_models():
                word = f"{model.state} {model.progress:.0%}"
                if name in (model.id, *model.aliases) and word != told:
                    told = word
                    say(f"{model.id}: {word}")
