"""`edgellm ps`: the models of a running server, and what they take."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from edgellm.cli.admin import admin_client
from edgellm.cli.notes import upgrade_note
from edgellm.cli.output import Format, format_bytes, put, put_json, say, table
from edgellm.types import ModelStatus, UpgradeStatus

_HEAD = ("model", "state", "memory", "context", "parallel", "requests", "idle", "unloads in")


def ps(
    show_all: Annotated[
        bool, typer.Option("--all", help="Show models that are not loaded, too.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A running server. [default: the one on this device]"),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="human or json.")] = Format.human,
) -> None:
    """Show the models that a server has loaded."""
    found, upgrade = asyncio.run(_ask(server))
    models = [model for model in found if show_all or is_active(model)]
    if output is Format.json:
        put_json({"models": models, "upgrade": upgrade})
        return
    put(render(models) if models else "")
    if not models:
        say("no model is loaded (edgellm ps --all shows what could be)")
    for line in filter(None, (*remarks(models), upgrade_note(upgrade))):
        say(line)


async def _ask(server: str | None) -> tuple[tuple[ModelStatus, ...], UpgradeStatus | None]:
    async with admin_client(server) as client:
        return await client.admin_models(), (await client.health()).upgrade


def is_active(model: ModelStatus) -> bool:
    """Whether it takes memory, wants to, or could not."""
    return model.state != "stopped" or model.error is not None


def render(models: list[ModelStatus]) -> str:
    """A table; what is not known is a dash."""
    return table([_HEAD, *(_row(model) for model in models)])


def remarks(models: list[ModelStatus]) -> list[str]:
    """What does not fit into a table."""
    lines = [f"warning: {m.id}: {warning}" for m in models for warning in m.warnings]
    return lines + [f"error: {m.id}: {m.error} {m.hint}".rstrip() for m in models if m.error]


def format_seconds(seconds: float) -> str:
    """Two units at most: `4 s`, `2 min`, `3 h 10 min`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _row(model: ModelStatus) -> tuple[str, ...]:
    requests = str(model.num_requests)
    return (
        model.id,
        _state(model),
        "-" if model.memory_bytes is None else format_bytes(model.memory_bytes),
        _or_dash(model.context),
        _or_dash(model.parallel),
        f"{requests} + {model.num_waiting} waiting" if model.num_waiting else requests,
        "-" if model.idle_seconds is None else format_seconds(model.idle_seconds),
        _unloads_in(model),
    )


def _state(model: ModelStatus) -> str:
    if model.state == "starting":
        return f"loading {model.progress:.0%}"
    if model.state == "stopped":
        return "failed" if model.error else "not loaded"
    return model.state


def _unloads_in(model: ModelStatus) -> str:
    if model.is_pinned:
        return "never (pinned)"
    return "-" if model.unload_seconds is None else format_seconds(model.unload_seconds)


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)
